import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'threads',
    // All cores, and one load of the sources for each: half of the time went into a single worker's fresh start for every file.
    maxWorkers: '100%',
    isolate: false,
  },
})

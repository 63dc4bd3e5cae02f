import { defineConfig } from 'vitest/config'

export default defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    // All rows of the large vector files: half a minute of big numbers on an idle machine.
    testTimeout: mode === 'full' ? 300_000 : 30_000,
    pool: 'threads',
    // All cores, and one load of the sources for each: half of the time went into a single worker's fresh start for every file.
    maxWorkers: '100%',
    isolate: false,
  },
}))

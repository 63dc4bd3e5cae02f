// What tsc leaves out of dist: the JSON Schema of the configuration file, and the executable bit of the command.
import { chmodSync, cpSync } from 'node:fs'

cpSync('src/config/schema.json', 'dist/config/schema.json')
chmodSync('dist/cli/main.js', 0o755)

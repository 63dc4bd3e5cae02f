// What tsc leaves out of dist: the JSON Schema of the configuration file, and the executable bit of the command.
import { chmodSync, cpSync, existsSync } from 'node:fs'

if (existsSync('src/config/schema.json')) cpSync('src/config/schema.json', 'dist/config/schema.json')
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755)

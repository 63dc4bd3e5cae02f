#!/usr/bin/env node
import { runCli } from './cli.ts'
import { endOnClosedPipe, processTerminal } from './terminal.ts'

endOnClosedPipe()
process.exitCode = await runCli(process.argv.slice(2), processTerminal)

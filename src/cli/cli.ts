import { Command, CommanderError, Option } from 'commander'
import { logLevels } from '../endpoint/log.ts'
import { version } from '../endpoint/version.ts'
import { type CheckOptions, runCheck } from './check.ts'
import { ExitCode, exitCodesHelp } from './exit-codes.ts'
import { addPki } from './pki/pki.ts'
import { type RekeyOptions, runRekey } from './rekey.ts'
import { reportError } from './report-error.ts'
import { type StatusOptions, showStatus } from './status.ts'
import type { Terminal } from './terminal.ts'
import { runUp, type UpOptions } from './up.ts'

/** Runs the command line `args` (without the program's name) and resolves to the exit code. Never rejects. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.OK
  const program = buildProgram(terminal, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // Help and version also come this way, with exit code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE
    return reportError(error, terminal)
  }
}

function buildProgram(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const program = new Command('typeswan')
    .description('IKEv2 and ESP in TypeScript: a userspace VPN endpoint')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .addHelpText('after', exitCodesHelp)
  // Subcommands take over the settings of the program above.
  program
    .command('up')
    .description('run an endpoint in the foreground until SIGINT or SIGTERM')
    .requiredOption('-c, --config <file>', 'the JSON configuration')
    .option('--control <path>', 'Unix control socket to serve')
    .addOption(new Option('--log-level <level>', 'what to write').choices(logLevels))
    .option('--record <file>', 'write every IKE message and random octet down, to be replayed; reveals the traffic')
    .option('--record-secrets', 'with the pre-shared keys')
    .action(async (options: UpOptions) => finish(await runUp(options, terminal)))
  program
    .command('check')
    .description('read a configuration without starting anything: what is wrong in it, and what is weak')
    .requiredOption('-c, --config <file>', 'the JSON configuration')
    .action((options: CheckOptions) => finish(runCheck(options, terminal)))
  program
    .command('status')
    .description('show the SAs, policies and counters of the running endpoint')
    .option('--json', 'one JSON object')
    .option('--control <path>', 'its Unix control socket')
    .action(async (options: StatusOptions) => finish(await showStatus(options, terminal)))
  program
    .command('rekey')
    .description('give an SA of the running endpoint fresh keys: the IKE_SA of a connection, or one of its CHILD_SAs')
    .argument('<connection>', 'its name in the configuration')
    .option('--child <name>', 'the CHILD_SA of this name instead')
    .option('--reauth', 'set the whole IKE_SA up anew, with authentication')
    .option('--control <path>', 'the Unix control socket of the endpoint')
    .action(async (connection: string, options: RekeyOptions) => finish(await runRekey(connection, options, terminal)))
  addPki(program, terminal)
  program
    .command('demo')
    .description('two endpoints in one process: handshake, packets, attacks, figures; no root needed')
    .option('--json', 'one JSON object')
    .option('--netns', 'two processes in network namespaces with real TUN devices (root)')
    .action(async (options: { json?: boolean; netns?: boolean }) => {
      const { runDemo } = await import('../demo/index.ts')
      finish((await runDemo(options, terminal)) ? ExitCode.OK : ExitCode.FAILURE)
    })
  return program
}

import { readConfig } from '../config/index.ts'
import { defaultControlPath } from '../endpoint/control-protocol.ts'
import { Endpoint } from '../endpoint/endpoint.ts'
import { Log } from '../endpoint/log.ts'
import type { EndpointOptions } from '../endpoint/options.ts'
import { optionsOfConfig } from '../endpoint/options-of-config.ts'
import { openRecordingFile } from '../endpoint/recording-file.ts'
import type { PlatformError } from '../errors.ts'
import { ExitCode } from './exit-codes.ts'
import { shutdownSignal } from './shutdown-signal.ts'
import { logTo, type Terminal } from './terminal.ts'

export interface UpOptions {
  readonly config: string
  /** Path of the control socket; overrides the file. */
  readonly control?: string
  /** Overrides the file. */
  readonly logLevel?: Log['level']
  /** Path of a file that takes a recording of the IKE core. */
  readonly record?: string
  /** Puts the pre-shared keys into it. */
  readonly recordSecrets?: boolean
}

/**
 * `typeswan up`: runs an endpoint in the foreground until SIGINT or SIGTERM, then deletes the SAs and takes everything back.
 * Throws `ConfigError` (or several in an `AggregateError`) before anything is started, `PlatformError` when the machine refuses
 * or takes the TUN device away: whoever watches over the process can then start it anew.
 */
export async function runUp(options: UpOptions, terminal: Terminal): Promise<ExitCode> {
  const config = readConfig(options.config)
  const log = new Log(logTo(terminal), options.logLevel ?? config.logLevel)
  for (const { message } of config.warnings) log.write('warn', 'config', message)
  const record = options.record === undefined ? undefined : openRecordingFile(options.record, options.recordSecrets)
  try {
    return await runUntilSignal(log, {
      ...optionsOfConfig(config),
      log,
      controlPath: options.control ?? config.controlPath ?? defaultControlPath(),
      ...(record === undefined ? {} : { record }),
    })
  } finally {
    record?.close()
  }
}

async function runUntilSignal(log: Log, options: EndpointOptions): Promise<ExitCode> {
  const signal = shutdownSignal()
  const endpoint = await Endpoint.start(options)
  const failure = new Promise<PlatformError>((resolve) => endpoint.once('failure', resolve))
  const end = await Promise.race([signal, failure])
  if (typeof end === 'string') log.write('info', 'endpoint', `${end}: ending; a second signal ends at once`)
  await endpoint.close()
  if (typeof end !== 'string') throw end
  return ExitCode.OK
}

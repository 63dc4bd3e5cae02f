import { askControl } from '../endpoint/control-client.ts'
import { defaultControlPath } from '../endpoint/control-protocol.ts'
import type { EndpointStatus } from '../endpoint/status.ts'
import { formatStatus } from '../endpoint/status-text.ts'
import { ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export interface StatusOptions {
  /** One JSON object (`EndpointStatus`) instead of tables. */
  readonly json?: boolean
  /** Path of the control socket. */
  readonly control?: string
}

/** `typeswan status`: asks the running endpoint over its control socket. Throws `PlatformError` when there is none. */
export async function showStatus(options: StatusOptions, terminal: Terminal): Promise<ExitCode> {
  const result = await askControl(options.control ?? defaultControlPath(), { command: 'status' })
  // The control client has checked that an endpoint answered; its version may differ, so JSON passes through as it is.
  terminal.out(options.json ? JSON.stringify(result, null, 2) : formatStatus(result as EndpointStatus))
  return ExitCode.OK
}

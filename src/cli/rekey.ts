import { askControl } from '../endpoint/control-client.ts'
import { defaultControlPath } from '../endpoint/control-protocol.ts'
import type { Renewed } from '../endpoint/renewals.ts'
import { ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export interface RekeyOptions {
  readonly child?: string
  readonly reauth?: boolean
  /** Path of the control socket. */
  readonly control?: string
}

/** Longer than the endpoint waits itself. */
const PATIENCE_MS = 25_000

/** `typeswan rekey`: lets the running endpoint renew an SA and waits for the outcome. Throws `PlatformError` when that fails. */
export async function runRekey(connection: string, options: RekeyOptions, terminal: Terminal): Promise<ExitCode> {
  const { child, reauth, control = defaultControlPath() } = options
  const request = {
    command: 'rekey',
    connection,
    ...(child === undefined ? {} : { child }),
    ...(reauth === undefined ? {} : { reauth }),
  }
  // An endpoint that answers does so in the words of `Renewed`.
  const { what, ikeSa } = (await askControl(control, request, PATIENCE_MS)) as Renewed
  if (what === 'child-rekeyed') terminal.out(`CHILD_SA ${child} of ${connection}[${ikeSa}] rekeyed`)
  else if (what === 'ike-rekeyed') terminal.out(`IKE_SA ${connection}[${ikeSa}] rekeyed`)
  else terminal.out(`IKE_SA ${connection}[${ikeSa}] set up anew`)
  return ExitCode.OK
}

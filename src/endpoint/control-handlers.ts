import { UsageError } from '../errors.ts'
import type { ControlHandlers } from './control-server.ts'
import type { Endpoint } from './endpoint.ts'
import type { RenewalRequest } from './renewals.ts'

type Request = Readonly<Record<string, unknown>>

/**
 * The commands of the control socket: `status`, and `rekey` with `connection` and either `child` or `reauth`. Who asks before the
 * endpoint has started waits for it.
 */
export function controlHandlers(started: Promise<Endpoint>): ControlHandlers {
  return {
    status: async () => (await started).status(),
    rekey: async (request) => (await started).renew(renewalOf(request)),
  }
}

function renewalOf({ connection, child, reauth }: Request): RenewalRequest {
  if (typeof connection !== 'string') throw new UsageError('connection', 'must be the name of one')
  if (child !== undefined && typeof child !== 'string') throw new UsageError('child', 'must be a name')
  if (reauth !== undefined && typeof reauth !== 'boolean') throw new UsageError('reauth', 'must be true or false')
  return { connection, ...(child === undefined ? {} : { child }), ...(reauth === undefined ? {} : { reauth }) }
}

import { UsageError } from '../errors.ts'
import type { ChildSa } from './child/child-sa.ts'
import type { ChildConfig, ConnectionConfig } from './config.ts'
import type { IkeSa } from './ike-sa.ts'
import { decodeResumable, type Resumable } from './resumption/resumption.ts'

// What the caller of an endpoint names. Each throws `UsageError` for what is not there.

export function connectionNamed(connections: readonly ConnectionConfig[], name: string): ConnectionConfig {
  const connection = connections.find((one) => one.name === name)
  if (connection === undefined) throw new UsageError('connection', `no connection is called "${name}"`)
  return connection
}

/** The child to set up first, the named one or the connection's first; undefined for an IKE_SA alone. */
export function firstChildOf(connection: ConnectionConfig, name: string | undefined): ChildConfig | undefined {
  const { children, childless } = connection
  const isAlone = children.length === 0 && name === undefined && (childless === 'prefer' || childless === 'force')
  return isAlone ? undefined : childNamed(connection, name)
}

/** The connection's first child when none is named. */
export function childNamed(connection: ConnectionConfig, name: string | undefined): ChildConfig {
  if (connection.children.length === 0) {
    throw new UsageError('connection', `${connection.name} has no children, and an IKE_SA is set up with its first one`)
  }
  const child = name === undefined ? connection.children[0] : connection.children.find((one) => one.name === name)
  if (child === undefined) throw new UsageError('child', `${connection.name} has no child "${name ?? ''}"`)
  return child
}

/** The living CHILD_SA with this inbound SPI. */
export function childWith(sa: IkeSa, spiIn: number): ChildSa {
  const child = sa.children.find((one) => one.spiIn === spiIn && one.isAlive)
  if (child === undefined) throw new UsageError('spiIn', `IKE_SA ${sa.id} has no CHILD_SA 0x${spiIn.toString(16)}`)
  return child
}

/** A ticket is of the connection that it was given on. */
export function resumableFor(connection: ConnectionConfig, ticket: Uint8Array): Resumable {
  const resumable = decodeResumable(ticket)
  if (resumable?.session.connection === connection.name) return resumable
  throw new UsageError('ticket', `is not one of connection ${connection.name}`)
}

import { equalBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { newPacketFlow, type PacketFlow } from '../ip/index.ts'
import { isAnyAddress } from './inbound-check.ts'
import { MAX_TEMPLATES, type PolicyDirection, type XfrmPolicy } from './policy.ts'
import type { MigrateRequest, Migration, XfrmSelector, XfrmTemplate } from './port.ts'
import type { Sad } from './sad.ts'
import type { Spd } from './spd.ts'
import type { XfrmState } from './state.ts'

/** Throws `UsageError` for what cannot be carried out. */
export function checkMigrations(migrations: readonly Migration[]): void {
  if (migrations.length < 1 || migrations.length > MAX_TEMPLATES) {
    throw new UsageError('migrations', `must be 1 to ${MAX_TEMPLATES}`)
  }
  for (const [at, one] of migrations.entries()) {
    if (isAnyAddress(one.newSaddr) || isAnyAddress(one.newDaddr)) {
      throw new UsageError('migrations', 'new addresses must be there')
    }
    if (migrations.slice(0, at).some((other) => sameOrigin(one, other))) {
      throw new UsageError('migrations', 'two begin at the same SA')
    }
  }
}

/** The policy that a request names, undefined when there is none. */
export function policyToMigrate(spd: Spd, direction: PolicyDirection, request: MigrateRequest): XfrmPolicy | undefined {
  return spd.lookupType(direction, request.type === 'sub', flowOf(request.selector), request.ifId ?? 0)
}

/** Moves the states, all or none. Throws `UsageError` when an SPI is taken where it goes. */
export function migrateStates(sad: Sad, { migrations, ifId = 0, encap }: MigrateRequest): void {
  const undo: (() => void)[] = []
  for (const migration of migrations) {
    const state = stateToMigrate(sad, migration, ifId)
    if (state === undefined) continue
    const { saddr, daddr, encap: before } = state
    const change = { saddr: migration.newSaddr, daddr: migration.newDaddr }
    try {
      sad.move(state, before === undefined || encap === undefined ? change : { ...change, encap })
    } catch (error) {
      for (const step of undo) step()
      throw error
    }
    undo.unshift(() => sad.move(state, { saddr, daddr, ...(before === undefined ? {} : { encap: before }) }))
  }
}

/** The newest state that a migration names, undefined when there is none. */
function stateToMigrate(sad: Sad, migration: Migration, ifId: number): XfrmState | undefined {
  return sad.between(migration.oldSaddr, migration.oldDaddr).findLast((state) => {
    if (ifId !== 0 && state.ifId !== ifId) return false
    return state.mode === migration.mode && state.proto === migration.proto && hasReqid(migration, state.reqid)
  })
}

/** The templates after the migrations, undefined when none of them moved. */
export function migrateTemplates(
  templates: readonly XfrmTemplate[],
  migrations: readonly Migration[],
): readonly XfrmTemplate[] | undefined {
  let moved = false
  const after = templates.map((template) => {
    const migration = migrations.find((one) => movesTemplate(one, template))
    if (migration === undefined) return template
    moved = true
    // A template of transport mode has no addresses of its own.
    if (template.mode === 'transport') return template
    return { ...template, saddr: migration.newSaddr, daddr: migration.newDaddr }
  })
  return moved ? after : undefined
}

function movesTemplate(migration: Migration, template: XfrmTemplate): boolean {
  if (migration.mode !== template.mode || migration.proto !== template.proto) return false
  if (!hasReqid(migration, template.reqid)) return false
  if (template.mode === 'transport') return true
  return equalBytes(migration.oldSaddr, template.saddr) && equalBytes(migration.oldDaddr, template.daddr)
}

const hasReqid = ({ reqid }: Migration, other: number): boolean => reqid === 0 || reqid === other

const sameOrigin = (a: Migration, b: Migration): boolean =>
  equalBytes(a.oldSaddr, b.oldSaddr) &&
  equalBytes(a.oldDaddr, b.oldDaddr) &&
  a.proto === b.proto &&
  a.mode === b.mode &&
  a.reqid === b.reqid

function flowOf({ source, destination, protocol, sourcePort, destinationPort }: XfrmSelector): PacketFlow {
  const flow = newPacketFlow()
  flow.addressBytes = source.start.length
  flow.family = flow.addressBytes === 4 ? 4 : 6
  flow.source.set(source.start)
  flow.destination.set(destination.start)
  flow.protocol = protocol
  flow.portsKnown = sourcePort.first <= sourcePort.last
  flow.sourcePort = flow.portsKnown ? sourcePort.first : 0
  flow.destinationPort = flow.portsKnown ? destinationPort.first : 0
  return flow
}

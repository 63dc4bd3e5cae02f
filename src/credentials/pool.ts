import { equalBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { formatIdentity } from '../ike/auth/identity.ts'
import { CfgAttribute, type ConfigurationAttribute } from '../ike/codec/index.ts'
import { decodeAttribute } from '../ike/config-payload/attribute.ts'
import type { AssignAnswer, AssignQuestion, ProvenPeer } from '../ike/questions.ts'
import { formatIp, type IpAddress } from '../ip/address.ts'
import { type AddressRange, intersectRanges } from '../ip/range.ts'
import { AddressPool, type Lease } from './address-pool.ts'
import { type PoolAttributes, poolAttributes } from './pool-attributes.ts'

export type { Lease } from './address-pool.ts'
export { parsePoolRange } from './address-pool.ts'
export type { PoolAttributes } from './pool-attributes.ts'

/** Addresses for peers, and what they are told with them. */
export interface PoolConfig extends PoolAttributes {
  /** Unique. */
  readonly name: string
  /** Of either family, or both. */
  readonly ranges: readonly AddressRange[]
  /** Who always gets the same address, within the ranges or outside of them. `identity` in the words of `leaseIdentity`. */
  readonly reserved?: readonly { readonly identity: string; readonly address: IpAddress }[]
}

/** Where leases outlive the process. */
export interface LeaseStore {
  /** Those of before, in the order of `save`. */
  load(): readonly Lease[]
  /** They have changed: `leases` gives all of them, those given back longest ago first. To be called soon, once for many changes. */
  save(leases: () => Iterable<Lease>): void
}

/** For `status`. */
export interface PoolStatus {
  readonly name: string
  /** `10.3.0.10-10.3.0.20`. */
  readonly addresses: string
  /** Identities that have an address, or had it last. */
  readonly leases: number
  /** Addresses in use. */
  readonly online: number
}

const noStore: LeaseStore = { load: () => [], save: () => {} }

/** All pools of one endpoint. */
export class AddressPools {
  /** By name: one for each family. */
  readonly #pools = new Map<string, readonly AddressPool[]>()
  readonly #attributes = new Map<string, readonly ConfigurationAttribute[]>()
  readonly #store: LeaseStore

  /** Throws `UsageError` for names that come twice, and for ranges that overlap. Takes over the leases of `store`. */
  constructor(configs: readonly PoolConfig[], store: LeaseStore = noStore) {
    this.#store = store
    refuseOverlaps(configs)
    for (const config of configs) {
      if (this.#pools.has(config.name)) throw new UsageError('pool', `there are two of the name ${config.name}`)
      this.#pools.set(
        config.name,
        [4, 16].map((bytes) => poolOf(config, bytes)).filter((pool) => pool !== undefined),
      )
      this.#attributes.set(config.name, poolAttributes(config))
    }
    for (const lease of store.load()) {
      for (const pool of this.#pools.get(lease.pool) ?? []) if (pool.restore(lease)) break
    }
  }

  /** The pools of this name, one for each family; undefined when there is no such name. */
  named(name: string): readonly AddressPool[] | undefined {
    return this.#pools.get(name)
  }

  /** What peers of the pool are told. */
  attributesOf(name: string): readonly ConfigurationAttribute[] {
    return this.#attributes.get(name) ?? []
  }

  /** Nobody uses these any more: the field `addresses` of the event `ike-closed`. Others than leases are passed over. */
  release(addresses: readonly IpAddress[]): void {
    const all = [...this.#pools.values()].flat()
    const released = addresses.filter((address) => all.some((pool) => pool.release(address)))
    if (released.length > 0) this.changed()
  }

  /** Leases have changed. */
  changed(): void {
    this.#store.save(() => this.leases())
  }

  leases(): Lease[] {
    return [...this.#pools.values()].flat().flatMap((pool) => pool.leases())
  }

  status(): PoolStatus[] {
    return [...this.#pools.values()]
      .flat()
      .map((pool) => ({ name: pool.name, addresses: pool.describe(), ...pool.counts }))
  }
}

type Named = Pick<ProvenPeer, 'eapIdentity' | 'id'> & Partial<Pick<ProvenPeer, 'methods'>>

/**
 * By what name a peer's lease is known: that of EAP, else its IKE identity; without regard to case. Who proved nothing (RFC 7619) stands
 * under a name of its own kind: what is reserved for the identity that it says, or was leased to it, is not for everybody.
 */
export function leaseIdentity({ eapIdentity, id, methods = [] }: Named): string {
  if (eapIdentity !== undefined) return eapIdentity.toLowerCase()
  // `id` is what the first round is about.
  const [first] = methods.filter((method) => method !== 'resumption')
  return `${first === 'null' ? 'null:' : ''}${formatIdentity(id).toLowerCase()}`
}

/**
 * Answers the question `assign` from pools: of each family asked for, the address that the server of EAP gave this peer, the one
 * reserved for it, the one it has or had, or a free one, of the first of its pools that has one. With it go the
 * attributes of all its pools. RFC 7296 §2.19, §3.15.
 */
export function answerAssign(pools: AddressPools, question: AssignQuestion): AssignAnswer {
  const unknown = question.pools.find((name) => pools.named(name) === undefined)
  const { connection } = question.peer
  if (unknown !== undefined) {
    const message = `connection ${connection} takes addresses from pool ${unknown}, and there is none of that name`
    return { ok: false, message, hint: `connections.${connection}.remote.pools, or pools.${unknown}: add it` }
  }
  const wanted = addressesAsked(question.request)
  const addresses = wanted.map((one) => addressFor(pools, question, one)).filter((address) => address !== undefined)
  if (wanted.length > 0 && addresses.length === 0) return explainNone(pools, question, wanted)
  pools.changed()
  const given = [...(question.peer.attributes ?? []), ...question.pools.flatMap((name) => pools.attributesOf(name))]
  // RFC 7296 §3.15.1: a netmask goes with an IPv4 address.
  const told = addresses.some(({ length }) => length === 4)
    ? given
    : given.filter(({ type }) => type !== CfgAttribute.INTERNAL_IP4_NETMASK)
  return { ok: true, addresses, attributes: withoutRepeats(told) }
}

interface AskedAddress {
  readonly bytes: number
  readonly wanted: IpAddress | undefined
}

/** One for each family that is asked for: what more a peer asks for it does not get. */
function addressesAsked(request: readonly ConfigurationAttribute[]): AskedAddress[] {
  const asked = (type: number, bytes: number): AskedAddress[] => {
    const attribute = request.find((one) => one.type === type)
    if (attribute === undefined) return []
    const value = decodeAttribute(attribute)
    const address = value.kind === 'address' || value.kind === 'prefix' ? value.address : undefined
    return [{ bytes, wanted: address?.some((octet) => octet !== 0) ? address : undefined }]
  }
  return [...asked(CfgAttribute.INTERNAL_IP4_ADDRESS, 4), ...asked(CfgAttribute.INTERNAL_IP6_ADDRESS, 16)]
}

function addressFor(
  pools: AddressPools,
  { peer, pools: names, held }: AssignQuestion,
  { bytes, wanted }: AskedAddress,
): IpAddress | undefined {
  const given = peer.addresses?.find(({ length }) => length === bytes)
  if (given !== undefined) return given
  for (const pool of poolsOf(pools, names, bytes)) {
    const address = pool.take(leaseIdentity(peer), held, wanted)
    if (address !== undefined) return address
  }
  return undefined
}

const poolsOf = (pools: AddressPools, names: readonly string[], bytes: number): AddressPool[] =>
  names.flatMap((name) => pools.named(name) ?? []).filter((pool) => pool.addressBytes === bytes)

function explainNone(pools: AddressPools, question: AssignQuestion, wanted: readonly AskedAddress[]): AssignAnswer {
  const who = leaseIdentity(question.peer)
  const families = wanted.map(({ bytes }) => (bytes === 4 ? 'IPv4' : 'IPv6')).join(' and ')
  const full = wanted.flatMap(({ bytes }) => poolsOf(pools, question.pools, bytes))
  const [first] = full
  if (first === undefined) {
    const { connection } = question.peer
    const [name] = question.pools
    const lack =
      name === undefined
        ? `connection ${connection} has no pool`
        : `pool ${question.pools.join(', ')} of connection ${connection} has none`
    const message = `${who} asks for an ${families} address, and ${lack}`
    const setting = name === undefined ? `connections.${connection}.remote.pools` : `pools.${name}.addresses`
    return { ok: false, message, hint: `${setting}: add one` }
  }
  const states = full.map((pool) => {
    const { leases, online } = pool.counts
    return `pool ${pool.name} ${pool.describe()} is full: ${leases} leases, ${online} online`
  })
  return {
    ok: false,
    message: `no address for ${who}: ${states.join('; ')}`,
    hint: `pools.${first.name}.addresses: add a range`,
  }
}

/** Two pools may name the same resolver. Domains stay as they are: what follows one belongs to it. */
function withoutRepeats(attributes: readonly ConfigurationAttribute[]): ConfigurationAttribute[] {
  const isOfDomain = (type: number) =>
    type === CfgAttribute.INTERNAL_DNS_DOMAIN || type === CfgAttribute.INTERNAL_DNSSEC_TA
  return attributes.filter(
    (one, at) =>
      isOfDomain(one.type) ||
      attributes.findIndex(({ type, value }) => type === one.type && equalBytes(value, one.value)) === at,
  )
}

function poolOf({ name, ranges, reserved = [] }: PoolConfig, bytes: number): AddressPool | undefined {
  const own = ranges.filter(({ start }) => start.length === bytes)
  const owners = reserved.filter(({ address }) => address.length === bytes)
  if (own.length + owners.length === 0) return undefined
  const byAddress = new Map(owners.map(({ address, identity }) => [formatIp(address), identity]))
  if (byAddress.size < owners.length) throw new UsageError('pool', `${name} reserves an address for two identities`)
  return new AddressPool(name, bytes, own, byAddress)
}

function refuseOverlaps(configs: readonly PoolConfig[]): void {
  const ranges = configs.flatMap(({ name, ranges }) => ranges.map((range) => ({ name, range })))
  ranges.forEach((one, at) => {
    const other = ranges.slice(at + 1).find(({ range }) => intersectRanges(range, one.range) !== undefined)
    if (other !== undefined)
      throw new UsageError('pool', `${one.name} and ${other.name} have addresses in common, which would be given twice`)
  })
}

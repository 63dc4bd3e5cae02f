import { be16, be32, type Content, i32, octets, pad, struct, u8, u16, u32, u64 } from './layout.ts'

// The structures of linux/xfrm.h as 64-bit machines lay them out: names are the header's, in our spelling.

/** xfrm_address_t: 16 octets, of which an IPv4 address takes the first 4. The family stands elsewhere. */
const address = octets(16)

/** struct xfrm_selector. Ports and their masks in host order here; for ICMP type and code. `family` 0: the state's. */
export const selectorLayout = struct({
  daddr: address,
  saddr: address,
  dport: be16,
  dportMask: be16,
  sport: be16,
  sportMask: be16,
  family: u16,
  prefixlenD: u8,
  prefixlenS: u8,
  proto: u8,
  _1: pad(3),
  ifindex: i32,
  user: u32,
})

const idLayout = struct({ daddr: address, spi: be32, proto: u8, _1: pad(3) })

/** struct xfrm_lifetime_cfg. Limits of octets and packets may be `NO_LIMIT`; of times in seconds 0 is none. */
const lifetimeConfig = struct({
  softByteLimit: u64,
  hardByteLimit: u64,
  softPacketLimit: u64,
  hardPacketLimit: u64,
  softAddExpiresSeconds: u64,
  hardAddExpiresSeconds: u64,
  softUseExpiresSeconds: u64,
  hardUseExpiresSeconds: u64,
})

/** struct xfrm_lifetime_cur. Times in seconds of the calendar (Unix), 0 for never. */
export const lifetimeCurrent = struct({ bytes: u64, packets: u64, addTime: u64, useTime: u64 })

/** struct xfrm_stats. */
const stats = struct({ replayWindow: u32, replay: u32, integrityFailed: u32 })

/** struct xfrm_usersa_info. `family` is that of the outer addresses. */
export const saInfoLayout = struct({
  selector: selectorLayout,
  id: idLayout,
  saddr: address,
  lifetime: lifetimeConfig,
  current: lifetimeCurrent,
  stats,
  seq: u32,
  reqid: u32,
  family: u16,
  mode: u8,
  replayWindow: u8,
  flags: u8,
  _1: pad(7),
})

/** struct xfrm_usersa_id. */
export const saIdLayout = struct({ daddr: address, spi: be32, family: u16, proto: u8, _1: pad(1) })

/** struct xfrm_userspi_info: the SPI shall be from `min` to `max`. */
export const spiInfoLayout = struct({ info: saInfoLayout, min: u32, max: u32 })

/** struct xfrm_userpolicy_info. */
export const policyInfoLayout = struct({
  selector: selectorLayout,
  lifetime: lifetimeConfig,
  current: lifetimeCurrent,
  priority: u32,
  index: u32,
  dir: u8,
  action: u8,
  flags: u8,
  share: u8,
  _1: pad(4),
})

/** struct xfrm_userpolicy_id. */
export const policyIdLayout = struct({ selector: selectorLayout, index: u32, dir: u8, _1: pad(3) })

/** struct xfrm_userpolicy_default: 1 blocks and 2 accepts what no policy is for. */
export const policyDefaultLayout = struct({ in: u8, fwd: u8, out: u8 })

/** struct xfrm_user_tmpl. */
export const templateLayout = struct({
  id: idLayout,
  family: u16,
  _1: pad(2),
  saddr: address,
  reqid: u32,
  mode: u8,
  share: u8,
  optional: u8,
  _2: pad(1),
  aalgos: u32,
  ealgos: u32,
  calgos: u32,
})

/** struct xfrm_user_acquire. */
export const acquireLayout = struct({
  id: idLayout,
  saddr: address,
  selector: selectorLayout,
  policy: policyInfoLayout,
  aalgos: u32,
  ealgos: u32,
  calgos: u32,
  seq: u32,
})

/** struct xfrm_user_expire. */
export const expireLayout = struct({ state: saInfoLayout, hard: u8, _1: pad(7) })

/** struct xfrm_user_polexpire. */
export const policyExpireLayout = struct({ policy: policyInfoLayout, hard: u8, _1: pad(7) })

/** struct xfrm_usersa_flush. */
export const flushLayout = struct({ proto: u8 })

/** struct xfrm_user_report. */
export const reportLayout = struct({ proto: u8, _1: pad(3), selector: selectorLayout })

/** struct xfrm_aevent_id. */
export const aeventLayout = struct({ id: saIdLayout, saddr: address, flags: u32, reqid: u32 })

/** struct xfrm_user_mapping. */
export const mappingLayout = struct({
  id: saIdLayout,
  reqid: u32,
  oldSaddr: address,
  newSaddr: address,
  oldSport: be16,
  newSport: be16,
})

/** struct xfrm_user_migrate. */
export const migrateLayout = struct({
  oldDaddr: address,
  oldSaddr: address,
  newDaddr: address,
  newSaddr: address,
  proto: u8,
  mode: u8,
  _1: pad(2),
  reqid: u32,
  oldFamily: u16,
  newFamily: u16,
})

/** struct xfrm_user_kmaddress. */
export const kmAddressLayout = struct({ local: address, remote: address, _1: pad(4), family: u16, _2: pad(2) })

/** struct xfrm_encap_tmpl. */
export const encapLayout = struct({ type: u16, sport: be16, dport: be16, _1: pad(2), originalAddress: address })

/** struct xfrm_replay_state. */
export const replayLayout = struct({ oseq: u32, seq: u32, bitmap: u32 })

/** struct xfrm_mark. */
export const markLayout = struct({ value: u32, mask: u32 })

/** struct xfrm_user_offload. */
export const offloadLayout = struct({ ifindex: i32, flags: u8, _1: pad(3) })

/** struct xfrm_address_filter: which states a dump is to have. */
export const addressFilterLayout = struct({ saddr: address, daddr: address, family: u16, splen: u8, dplen: u8 })

/** struct xfrm_userpolicy_type. */
export const policyTypeLayout = struct({ type: u8, _1: pad(5) })

export const addressLayout = address

export interface KernelSelector extends Content<typeof selectorLayout> {}
export interface KernelSaInfo extends Content<typeof saInfoLayout> {}
export interface KernelSaId extends Content<typeof saIdLayout> {}
export interface KernelPolicyInfo extends Content<typeof policyInfoLayout> {}
export interface KernelPolicyId extends Content<typeof policyIdLayout> {}
export interface KernelTemplate extends Content<typeof templateLayout> {}
export interface KernelAcquire extends Content<typeof acquireLayout> {}
export interface KernelLifetime extends Content<typeof lifetimeConfig> {}
export interface KernelLifetimeCurrent extends Content<typeof lifetimeCurrent> {}
export interface KernelMigration extends Content<typeof migrateLayout> {}

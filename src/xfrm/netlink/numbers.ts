/** XFRM_INF: no limit of octets or packets. */
export const NO_LIMIT = 0xffff_ffff_ffff_ffffn

/** XFRM_MODE_*. */
export const KernelMode = { TRANSPORT: 0, TUNNEL: 1, BEET: 4 } as const

/** AF_* of Linux. */
export const Family = { UNSPEC: 0, INET: 2, INET6: 10 } as const

/** XFRM_STATE_*: `flags` of a state. */
export const StateFlag = {
  NOECN: 1,
  DECAP_DSCP: 2,
  NOPMTUDISC: 4,
  WILDRECV: 8,
  ICMP: 16,
  AF_UNSPEC: 32,
  ALIGN4: 64,
  ESN: 128,
} as const

/** XFRM_SA_XFLAG_*: further flags of a state. */
export const ExtraFlag = { DONT_ENCAP_DSCP: 1, OSEQ_MAY_WRAP: 2 } as const

/** XFRM_POLICY_*: `flags` of a policy. */
export const PolicyFlag = { LOCALOK: 1, ICMP: 2 } as const

/** XFRM_AE_*: what an aevent is about. */
export const AeventFlag = { RTHR: 1, RVAL: 2, LVAL: 4, ETHR: 8, CR: 16, CE: 32, CU: 64 } as const

/** Types of encapsulation in `encap`: UDP_ENCAP_ESPINUDP and TCP_ENCAP_ESPINTCP. */
export const EncapType = { UDP_NON_IKE: 1, UDP: 2, TCP: 7 } as const

/** XFRM_SA_DIR_*. */
export const SaDirection = { IN: 1, OUT: 2 } as const

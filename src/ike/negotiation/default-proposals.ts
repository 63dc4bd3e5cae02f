import type { ProposalConfig } from '../config.ts'
import { parseProposal } from './proposal-keywords.ts'

/** Used when a connection names no IKE proposals: RFC 8247, AEADs first. */
export const defaultIkeProposals: readonly ProposalConfig[] = [
  'aes128gcm16-aes256gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-x25519-ecp256-ecp384-ecp521-modp3072-modp4096-modp2048',
  'aes128-aes256-sha256-sha384-sha512-x25519-ecp256-ecp384-ecp521-modp3072-modp4096-modp2048',
].map((text) => parseProposal(text, 'IKE'))

/** Used when a child names no ESP proposals: RFC 8221, AEADs first, 64-bit sequence numbers where the peer has them. */
export const defaultEspProposals: readonly ProposalConfig[] = [
  'aes128gcm16-aes256gcm16-chacha20poly1305-esn-noesn',
  'aes128-aes256-sha256-sha384-sha512-esn-noesn',
].map((text) => parseProposal(text, 'ESP'))

import type { Target } from '../target.ts'
import { certificate } from './certificate.ts'
import { codec } from './codec.ts'
import { config } from './config.ts'
import { eap } from './eap.ts'
import { esp } from './esp.ts'
import { exchange } from './exchange.ts'
import { icmp } from './icmp.ts'
import { inside } from './inside.ts'
import { keys } from './keys.ts'
import { netlink } from './netlink.ts'
import { tcp } from './tcp.ts'

/** All targets, by the names that `npm run fuzz` takes. */
export const targets: readonly Target[] = [
  ...[codec, inside, exchange, esp, config, keys, certificate, eap],
  ...[icmp, tcp, netlink],
]

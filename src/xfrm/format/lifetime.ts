import { NO_LIMIT } from '../netlink/numbers.ts'
import type { KernelLifetime, KernelLifetimeCurrent, KernelSaInfo } from '../netlink/structs.ts'
import { type FormatOptions, formatTime } from './style.ts'

const limit = (value: bigint): string => (value === NO_LIMIT ? '(INF)' : String(value))

/** Limits and what was used of them, each line behind a tabulator-like `indent`. */
export function formatLifetime(
  config: KernelLifetime,
  current: KernelLifetimeCurrent,
  indent: string,
  options: FormatOptions,
): string {
  const lines = [
    'lifetime config:',
    `  limit: soft ${limit(config.softByteLimit)}(bytes), hard ${limit(config.hardByteLimit)}(bytes)`,
    `  limit: soft ${limit(config.softPacketLimit)}(packets), hard ${limit(config.hardPacketLimit)}(packets)`,
    `  expire add: soft ${config.softAddExpiresSeconds}(sec), hard ${config.hardAddExpiresSeconds}(sec)`,
    `  expire use: soft ${config.softUseExpiresSeconds}(sec), hard ${config.hardUseExpiresSeconds}(sec)`,
    'lifetime current:',
    `  ${current.bytes}(bytes), ${current.packets}(packets)`,
    `  add ${formatTime(current.addTime, options)} use ${formatTime(current.useTime, options)}`,
  ]
  return lines.map((line) => `${indent}${line}\n`).join('')
}

/** What was dropped at a state. */
export function formatStats({ replayWindow, replay, integrityFailed }: KernelSaInfo['stats'], indent: string): string {
  return `${indent}stats:\n` + `${indent}  replay-window ${replayWindow} replay ${replay} failed ${integrityFailed}\n`
}

import type { ProposalRefusal, Refusal, TrafficSelectorRefusal } from './refusal.ts'

/** A refusal as several lines for people: what, offered, configured, nearest, and the setting to change. */
export function explainRefusal(refusal: Refusal): string {
  const lines = [
    `${refusal.kind} (${refusal.by === 'local' ? 'refused by us' : 'refused by the peer'}): ${refusal.message}`,
  ]
  switch (refusal.kind) {
    case 'no-proposal-chosen':
      lines.push(...explainProposals(refusal))
      break
    case 'ts-unacceptable':
      lines.push(...explainSelectors(refusal))
      break
    case 'authentication-failed':
      lines.push(
        `identities: ours ${refusal.localId}, the peer's ${refusal.remoteId ?? 'not seen'}; method ${refusal.method}`,
      )
      break
    case 'no-connection':
      lines.push(`the peer is ${refusal.remoteId} and asks for ${refusal.localId}`)
      lines.push(...refusal.configured.map((line) => `looked at: ${line}`))
      break
    default:
      lines.push(`detail: ${refusal.detail}`)
  }
  if (refusal.hint !== '') lines.push(`hint: ${refusal.hint}`)
  return lines.join('\n')
}

function explainProposals(refusal: ProposalRefusal): string[] {
  const lines = [`offered: ${listed(refusal.offered, 'not known, the peer does not tell')}`]
  lines.push(`configured: ${listed(refusal.configured, 'nothing')}`)
  if (refusal.nearest !== undefined) {
    const { configured, offered, differ } = refusal.nearest
    lines.push(`nearest: ${configured} (configured) and ${offered} (offered) differ in ${differ.join(', ')}`)
  }
  return lines
}

function explainSelectors(refusal: TrafficSelectorRefusal): string[] {
  return [
    `offered: TSi ${listed(refusal.offeredTSi, 'not known')}, TSr ${listed(refusal.offeredTSr, 'not known')}`,
    `configured: local ${listed(refusal.configuredLocal, 'nothing')}, remote ${listed(refusal.configuredRemote, 'nothing')}`,
  ]
}

const listed = (items: readonly string[], none: string): string => (items.length === 0 ? none : items.join(', '))

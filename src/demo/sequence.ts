import type { MessageEvent } from '../ike/events.ts'

const width = 66

/** The heading of a sequence between two named parties: ours on the left. */
export function sequenceHead(left: string, right: string): string {
  const gap = Math.max(2, width + 4 - left.length - right.length)
  return `  ${left}${' '.repeat(gap)}${right}`
}

/**
 * One message as lines of a sequence: exchange, payloads, and an arrow with the size. `event` is as the left party saw it: what it
 * sent points to the right.
 */
export function sequenceStep(event: MessageEvent): string {
  const kind = event.response ? 'response' : 'request'
  const payloads = event.encrypted ? `SK {${event.payloads.join(', ')}}` : event.payloads.join(', ')
  const lines = [`${event.exchange} ${kind}, message ${event.messageId}`, ...wrap(payloads)].map(row)
  return [...lines, row(arrow(event))].join('\n')
}

function arrow(event: MessageEvent): string {
  const label = ` ${event.bytes} octets, UDP ${event.local.port} ${event.direction === 'out' ? '>' : '<'} ${event.remote.port} `
  const dashes = width - 2 - label.length
  const left = '-'.repeat(Math.max(1, dashes >> 1))
  const right = '-'.repeat(Math.max(1, dashes - (dashes >> 1)))
  return event.direction === 'out' ? `-${left}${label}${right}>` : `<${left}${label}${right}-`
}

const row = (text: string): string => `  | ${text.padEnd(width)} |`

/** Breaks a list at its commas. */
function wrap(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/(?<=,) /)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  lines.push(line)
  return lines
}

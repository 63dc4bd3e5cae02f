import { iproute2 } from './iproute2.ts'
import type { OraclePart } from './part.ts'
import { policies } from './policies.ts'
import { scapy } from './scapy.ts'

const parts: readonly OraclePart[] = [scapy, policies, iproute2]

const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = named.filter((name) => !parts.some((part) => part.name === name))
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}: there are ${parts.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

let [passed, failed] = [0, 0]
for (const part of parts.filter(({ name }) => named.length === 0 || named.includes(name))) {
  const result = await part.run({ numberOf })
  passed += result.passed
  failed += result.failed
  if (result.skipped !== undefined) console.log(`${part.name}: skipped, ${result.skipped}`)
  else console.log(`${part.name}: ${result.passed} passed, ${result.failed} failed`)
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

function numberOf(name: string): number | undefined {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))
  return given === undefined ? undefined : Number(given.slice(name.length + 3))
}

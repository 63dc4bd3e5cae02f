import { describe, expect, it } from 'vitest'
import { ConfigProblems, parseConfig } from '../../src/config/index.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'

/** A configuration with these settings of a child and of the file. */
const textOf = (child: object, root: object = {}): string =>
  JSON.stringify({
    ...root,
    connections: {
      office: {
        ...{ local: { id: 'client' }, psk: 'a long enough secret' },
        children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], ...child } },
      },
    },
  })

function childOf(settings: object) {
  const [child] = parseConfig(textOf(settings)).connections[0]!.children
  return { flags: child!.flags, path: child!.path }
}

describe('the settings of outer headers and paths', () => {
  it.each([
    [{}, undefined, undefined],
    [{ copyDscp: 'out', copyEcn: true, df: 'copy', icmpErrors: 'strict' }, undefined, undefined],
    [{ copyDscp: 'no' }, { dontEncapDscp: true }, undefined],
    [{ copyDscp: 'in' }, { dontEncapDscp: true, decapDscp: true }, undefined],
    [{ copyDscp: 'yes' }, { decapDscp: true }, undefined],
    [{ copyEcn: false, icmpErrors: 'quoted' }, { noEcn: true, icmp: true }, undefined],
    [{ df: 'clear', pathMtu: 1400 }, undefined, { df: 'clear', mtu: 1400 }],
    [{ df: 'set', mssClamp: 'path' }, undefined, { df: 'set', mss: 'path' }],
    [{ mssClamp: 1300 }, undefined, { mss: 1300 }],
  ])('%j', (settings, flags, path) => {
    expect(childOf(settings)).toEqual({ flags, path })
  })

  it.each([
    ['copyDscp', 'both', 'out, in, yes, no'],
    ['copyEcn', 'yes', 'true or false'],
    ['df', 'copied', 'copy, set, clear'],
    ['pathMtu', 500, '576 to 65535'],
    ['mssClamp', 'auto', 'path, or a number of octets'],
    ['mssClamp', 20, 'path, or a number of octets'],
    ['icmpErrors', 'loose', 'strict, quoted'],
  ])('%s: %j is refused with what is allowed', (name, value, allowed) => {
    try {
      parseConfig(textOf({ [name]: value }), 'vpn.json')
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigProblems)
      const [problem] = (error as ConfigProblems).errors
      expect(problem!.message).toContain(`connections.office.children.net.${name}`)
      expect(problem!.message).toContain(allowed)
    }
  })

  it('reach the endpoint, those of the file as well', () => {
    const options = (root: object) => optionsOfConfig(parseConfig(textOf({}, root)))
    expect(options({})).toMatchObject({ datapath: { fragments: 'match' }, probePath: false })
    const set = options({ fragments: 'stateful', probePath: true })
    expect(set).toMatchObject({ datapath: { fragments: 'stateful' }, probePath: true })
  })
})

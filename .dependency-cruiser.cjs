// Which folder may import which: the table in ARCHITECTURE.md ("Imports"), held by `npm run check`.
const layers = {
  bytes: [],
  ip: ['bytes'],
  crypto: ['bytes', 'ffi'],
  ffi: [],
  pki: ['crypto', 'ike/codec', 'bytes', 'ip'],
  eap: ['crypto/provider', 'crypto/transforms', 'bytes'],
  'eap-tls': ['eap', 'crypto/provider', 'bytes'],
  radius: ['eap', 'crypto/provider', 'bytes', 'ip'],
  credentials: ['pki', 'eap', 'eap-tls', 'radius', 'ike', 'ike/codec', 'crypto', 'bytes', 'ip'],
  'ike/codec': ['bytes', 'ip'],
  ike: [
    'ike/codec',
    'crypto/provider',
    'crypto/transforms',
    'crypto/prf-plus',
    'nat-t/detection',
    'xfrm/port',
    'ip',
    'bytes',
  ],
  esp: ['crypto/provider', 'crypto/transforms', 'ip', 'bytes'],
  xfrm: ['esp', 'crypto/provider', 'crypto/transforms', 'ip', 'bytes'],
  'nat-t': ['ip', 'bytes'],
  datapath: ['xfrm', 'esp', 'nat-t', 'ip', 'bytes', 'crypto/provider'],
  'dgram-ext': ['ffi', 'bytes', 'ip'],
  'tap-tun': ['ffi', 'bytes', 'ip'],
  'tcp-encap': ['nat-t', 'ip', 'bytes'],
  config: ['credentials', 'pki', 'eap', 'eap-tls', 'radius', 'ike', 'crypto', 'xfrm/port', 'ip', 'bytes'],
  testing: ['credentials', 'ike', 'esp', 'xfrm', 'nat-t', 'datapath', 'crypto', 'ip', 'bytes', 'tap-tun', 'config'],
  endpoint: [
    'credentials',
    'config',
    'ike',
    'ike/codec',
    'esp',
    'datapath',
    'xfrm',
    'nat-t',
    'dgram-ext',
    'tap-tun',
    'tcp-encap',
    'pki',
    'crypto',
    'ip',
    'bytes',
  ],
  demo: [
    'endpoint',
    'config',
    'ike',
    'ike/codec',
    'esp',
    'datapath',
    'xfrm',
    'nat-t',
    'tap-tun',
    'dgram-ext',
    'crypto',
    'ip',
    'bytes',
  ],
  cli: ['endpoint', 'pki', 'credentials', 'config', 'demo', 'xfrm', 'ike', 'ip', 'bytes', 'tap-tun', 'crypto'],
}

// The codec is a folder inside ike with narrower rights than ike itself.
const folderPattern = (layer) => (layer === 'ike' ? '^src/ike/(?!codec/)' : `^src/${layer}/`)

const layerRules = Object.entries(layers).map(([layer, allowed]) => ({
  name: `layer-${layer.replace('/', '-')}`,
  comment: `src/${layer} may import only: ${[...allowed, 'errors.ts'].join(', ')}`,
  severity: 'error',
  from: { path: folderPattern(layer) },
  to: {
    path: '^src/',
    pathNot: [`^src/${layer}/`, '^src/errors\\.ts$', ...allowed.map((name) => `^src/${name}(/|\\.ts$)`)],
  },
}))

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'no-row-in-the-table',
      comment:
        'Outside the folders of the table only src/index.ts, which puts them together, imports; not even errors.ts.',
      severity: 'error',
      from: { path: '^src/', pathNot: [...Object.keys(layers).map(folderPattern), '^src/index\\.ts$'] },
      to: {},
    },
    {
      name: 'core-is-pure',
      comment: 'The core is a function of (state, event, now, entropy): no node: module, no npm package, no WebCrypto.',
      severity: 'error',
      from: { path: '^src/(bytes|ip|ike|esp|xfrm|nat-t)/' },
      to: { dependencyTypes: ['core', 'npm', 'npm-optional', 'npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependencies',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}

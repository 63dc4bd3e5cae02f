import type { EndpointConfig } from '../config/model.ts'
import type { EndpointOptions } from './options.ts'
import { version } from './version.ts'

/** What a configuration file says, as options of `Endpoint.start`. Log and control socket are the caller's to choose. */
export function optionsOfConfig(config: EndpointConfig): EndpointOptions {
  const { applicationVersion, companions, connections, fragments, host, leaseFile, limits, pools } = config
  const { probePath, qcdSecret, tun } = config
  const { addresses, ikePort, natPort, mark, tcpPort } = config.listen
  return {
    connections,
    listen: {
      ...{ ikePort, natPort },
      ...(mark === 0 ? {} : { mark }),
      ...(tcpPort === undefined ? {} : { tcpPort }),
      ...(addresses === undefined ? {} : { addresses }),
    },
    tun,
    host,
    pools,
    leaseFile,
    limits,
    companions,
    datapath: { fragments },
    probePath,
    ...(applicationVersion === undefined
      ? {}
      : { applicationVersion: applicationVersion === true ? `Typeswan ${version}` : applicationVersion }),
    ...(qcdSecret === undefined ? {} : { qcdSecret }),
  }
}

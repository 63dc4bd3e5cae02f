export { defaultTcpLimits, type TcpLimits, type TcpStats } from './limits.ts'
export { type StreamHandlers, TcpConnection } from './tcp-connection.ts'
export { type StreamEnds, TcpPaths } from './tcp-paths.ts'

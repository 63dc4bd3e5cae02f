export {
  connectionDefaults,
  type PskChild,
  type PskConnection,
  pskConnection,
} from './connection.ts'
export type { EndpointConfig } from './model.ts'
export { ConfigProblems } from './problems.ts'
export { type ParseOptions, parseConfig, readConfig } from './read-config.ts'

/** One judge, asked by `npm run test:oracle -- NAME`. The working folder is the repository's. */
export interface OraclePart {
  readonly name: string
  /** Prints what differs, one line each and not without end. */
  run(options: OracleOptions): Promise<OracleResult> | OracleResult
}

export interface OracleOptions {
  /** The value of `--NAME=VALUE` on the command line. */
  numberOf(name: string): number | undefined
}

export interface OracleResult {
  readonly passed: number
  readonly failed: number
  /** Why the part was not run: what is missing. */
  readonly skipped?: string
}

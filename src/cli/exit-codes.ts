/** How the command ends. Scripts rely on the numbers. */
export const ExitCode = {
  /** Everything went as asked. */
  OK: 0,
  /** A failure at run time: a port in use, no permission, a TUN device that was removed, a demo check that failed. */
  FAILURE: 1,
  /** Wrong usage of the command, or a wrong configuration: nothing was started. */
  USAGE: 2,
  /** `status` or `rekey` found no running endpoint. */
  NOT_RUNNING: 3,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export const exitCodesHelp = `
Exit codes:
  0  done
  1  failure at run time
  2  wrong usage or configuration; nothing was started
  3  status, rekey: no endpoint is running`

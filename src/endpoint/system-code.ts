/** The `code` of a Node.js system error (`EACCES`, `EADDRINUSE`, ...), or the empty string. */
export function systemCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

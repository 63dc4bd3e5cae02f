/**
 * The error families. Who is at fault decides the class; `code` is stable and meant for programs,
 * `message` is meant for people. Peer input never throws out of the core: these errors are caught at the
 * edge of the IKE endpoint and become events.
 */
export abstract class TypeswanError extends Error {
  /** Stable, machine-readable, upper snake case. */
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.name = new.target.name
  }
}

/** A peer's bytes are malformed: dropped, or answered with INVALID_SYNTAX when they were authenticated. */
export class DecodeError extends TypeswanError {
  /** Octet offset into the buffer that was being decoded. */
  readonly offset: number
  /** What was being decoded, for example `SA payload`. */
  readonly where: string
  /** The RFC and section that was broken, for example `RFC 7296 §3.3.2`. */
  readonly section: string

  constructor(detail: { where: string; offset: number; section: string; problem: string }) {
    super('DECODE', `${detail.where}: ${detail.problem} (octet ${detail.offset}, ${detail.section})`)
    this.offset = detail.offset
    this.where = detail.where
    this.section = detail.section
  }
}

/** A peer's message is well-formed but breaks the protocol, or nothing in it is acceptable. */
export class PeerError extends TypeswanError {
  /** The notify type to answer with (RFC 7296 §3.10.1), 0 for none. */
  readonly notify: number
  /** Notification data to send with it; empty for most types. */
  readonly data: Uint8Array
  /** The typed explanation (a `Refusal` of `ike/refusal.ts`) for events, log and status. */
  readonly explanation: unknown

  constructor(
    code: string,
    message: string,
    detail: { notify?: number; data?: Uint8Array; explanation?: unknown } = {},
  ) {
    super(code, message)
    this.notify = detail.notify ?? 0
    this.data = detail.data ?? new Uint8Array(0)
    this.explanation = detail.explanation
  }
}

/** The operator's file or object is wrong: nothing starts, exit code 2. */
export class ConfigError extends TypeswanError {
  /** Path of the file, when the setting came from one. */
  readonly file: string | undefined
  /** 1-based line in that file. */
  readonly line: number | undefined
  /** The setting as a dotted path, for example `connections.office.remote.address`. */
  readonly setting: string
  /** What is wrong with it. */
  readonly problem: string
  /** What may stand there. */
  readonly allowed: string

  constructor(detail: {
    setting: string
    problem: string
    allowed: string
    file?: string | undefined
    line?: number | undefined
  }) {
    const at = detail.file === undefined ? '' : `${detail.file}${detail.line === undefined ? '' : `:${detail.line}`}: `
    super('CONFIG', `${at}${detail.setting}: ${detail.problem}; allowed: ${detail.allowed}`)
    this.file = detail.file
    this.line = detail.line
    this.setting = detail.setting
    this.problem = detail.problem
    this.allowed = detail.allowed
  }
}

/** Our caller misused the API. */
export class UsageError extends TypeswanError {
  /** Name of the argument that was wrong. */
  readonly argument: string

  constructor(argument: string, message: string) {
    super('USAGE', `${argument}: ${message}`)
    this.argument = argument
  }
}

/** The operating system refuses: a privilege, a device or a tool is missing, a port is taken. Nobody's bytes are wrong. */
export class PlatformError extends TypeswanError {
  /** What the operator can do about it, one sentence. */
  readonly remedy: string

  constructor(code: string, problem: string, remedy: string, options?: ErrorOptions) {
    super(code, remedy === '' ? problem : `${problem}: ${remedy}`, options)
    this.remedy = remedy
  }
}

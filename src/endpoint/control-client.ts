import { connect } from 'node:net'
import { PlatformError } from '../errors.ts'
import { systemCode } from './system-code.ts'

/**
 * Sends one request to the endpoint that listens on `path` and resolves to its `result`. Rejects with `PlatformError`: code
 * `NOT_RUNNING` when nobody listens there, `CONTROL_REFUSED` when the endpoint answered with an error.
 */
export function askControl(
  path: string,
  request: Readonly<Record<string, unknown>>,
  timeoutMs = 5_000,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const chunks: Buffer[] = []
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (chunk.includes(10)) socket.end()
    })
    socket.on('error', (error) => reject(connectError(path, error)))
    socket.on('close', () => {
      clearTimeout(timer)
      settle(Buffer.concat(chunks).toString('utf8'), resolve, reject)
    })
  })
}

function settle(text: string, resolve: (result: unknown) => void, reject: (error: Error) => void): void {
  try {
    const response: unknown = JSON.parse(text)
    if (typeof response !== 'object' || response === null) throw new Error('not an object')
    if ('result' in response) resolve(response.result)
    else if ('error' in response) reject(refusedError(response.error))
    else throw new Error('neither result nor error')
  } catch (cause) {
    reject(
      new PlatformError(
        'CONTROL_BROKEN',
        'the endpoint gave no usable answer',
        'is it a typeswan of the same version?',
        { cause },
      ),
    )
  }
}

function refusedError(error: unknown): PlatformError {
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : 'unknown'
  return new PlatformError('CONTROL_REFUSED', 'the endpoint refused the request', message)
}

function connectError(path: string, cause: Error): PlatformError {
  const code = systemCode(cause)
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return new PlatformError(
      'NOT_RUNNING',
      `no endpoint answers on ${path}`,
      'start one with "typeswan up", or name its socket with --control',
      { cause },
    )
  if (code === 'EACCES' || code === 'EPERM')
    return new PlatformError(
      'CONTROL_DENIED',
      `${path} may not be opened`,
      'ask as the user that runs the endpoint, or as root',
      { cause },
    )
  return new PlatformError('CONTROL_BROKEN', `${path}: ${cause.message}`, 'is another program listening there?', {
    cause,
  })
}

/** Octets wanted from elsewhere: whoever drives a `Fetching` brings them, and gives up in a time of its own choice. */
export interface FetchRequest {
  readonly url: string
  /** To be sent by POST; undefined: GET. */
  readonly body?: Uint8Array
  readonly contentType?: string
  /** A longer answer is a failure. */
  readonly mostBytes: number
  /**
   * Somebody who has proved nothing names it: whoever fetches it may connect only to public addresses, and has to look at what the name
   * resolves to.
   */
  readonly publicOnly?: boolean
}

/** `problem`: half a sentence, `the server answered 404`. */
export type FetchResult =
  | { readonly ok: true; readonly octets: Uint8Array }
  | { readonly ok: false; readonly problem: string }

/** A computation that stops where it needs octets, and goes on with them. */
export type Fetching<T> = Generator<FetchRequest, T, FetchResult>

/** Brings the octets; may throw or reject, which counts as a failure with that message. */
export type Fetch = (request: FetchRequest) => Promise<Uint8Array>

/** Runs it to its end: at once where nothing is fetched, else as a promise. Without `fetch` nothing can be had. */
export function runFetching<T>(fetching: Fetching<T>, fetch: Fetch | undefined): T | Promise<T> {
  let step = fetching.next()
  while (step.done !== true) {
    if (fetch !== undefined) return finish(fetching, step.value, fetch)
    step = fetching.next({ ok: false, problem: 'nothing can be fetched here' })
  }
  return step.value
}

async function finish<T>(fetching: Fetching<T>, first: FetchRequest, fetch: Fetch): Promise<T> {
  let request = first
  for (;;) {
    const step = fetching.next(await fetched(request, fetch))
    if (step.done === true) return step.value
    request = step.value
  }
}

async function fetched(request: FetchRequest, fetch: Fetch): Promise<FetchResult> {
  try {
    const octets = await fetch(request)
    if (octets.length > request.mostBytes)
      return { ok: false, problem: `the answer is longer than ${request.mostBytes} octets` }
    return { ok: true, octets }
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) }
  }
}

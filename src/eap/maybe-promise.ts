/** A value that is there, or comes. */
export type MaybePromise<T> = T | Promise<T>

/** `next` of the value, in the same turn where it is there. */
export const andThen = <T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> =>
  value instanceof Promise ? value.then(next) : next(value)

/** What `run` gives, or what `onError` makes of its error, whether that is thrown or comes with the promise. */
export function attempt<T>(run: () => MaybePromise<T>, onError: (error: unknown) => T): MaybePromise<T> {
  try {
    const value = run()
    return value instanceof Promise ? value.catch(onError) : value
  } catch (error) {
    return onError(error)
  }
}

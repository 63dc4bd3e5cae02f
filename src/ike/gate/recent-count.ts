/**
 * Counts events of the last `windowMs`, in two numbers: those of the running half window and those of the half before. So
 * an event counts for half the window at least and for the whole at most. Times are the caller's monotonic ms.
 */
export class RecentCount {
  readonly #halfMs: number
  #half = 0
  #running = 0
  #before = 0

  constructor(windowMs: number) {
    this.#halfMs = windowMs / 2
  }

  add(now: number): void {
    this.#turn(now)
    this.#running++
  }

  count(now: number): number {
    this.#turn(now)
    return this.#before + this.#running
  }

  #turn(now: number): void {
    const half = Math.floor(now / this.#halfMs)
    if (half === this.#half) return
    this.#before = half === this.#half + 1 ? this.#running : 0
    this.#running = 0
    this.#half = half
  }
}

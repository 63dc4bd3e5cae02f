import type { Task } from './task.ts'
import { type TimerOwner, Timers } from './time/timers.ts'

/** The exchanges that one IKE_SA begins: those under way, those that wait, and those that the peer had no time for. RFC 7296 §2.3. */
export abstract class TaskQueue implements TimerOwner {
  readonly #waiting: Task[] = []
  readonly #active: Task[] = []
  /** Undefined while there was none. */
  #postponed: Timers<Task> | undefined

  /** False while no request may go out. */
  protected abstract get mayBegin(): boolean

  /** The time has changed at which a postponed task waits no longer. */
  abstract timesChanged(): void

  /** The tasks whose requests wait for their responses. */
  get activeTasks(): readonly Task[] {
    return this.#active
  }

  /** The first task, active or waiting, that fits. */
  findTask<T extends Task>(fits: (task: Task) => task is T): T | undefined
  findTask(fits: (task: Task) => boolean): Task | undefined
  findTask(fits: (task: Task) => boolean): Task | undefined {
    return this.#active.find(fits) ?? this.#waiting.find(fits) ?? this.#postponed?.names().find(fits)
  }

  /** True when nothing is under way and nothing waits. */
  get isQuiet(): boolean {
    return this.#active.length === 0 && this.#waiting.length === 0
  }

  /** True for a task that asks while it is active: nothing is under way beside it, and nothing waits behind it. */
  get isLastTask(): boolean {
    return this.#active.length <= 1 && this.#waiting.length === 0
  }

  /** Exchanges begin in the order of this call, as many side by side as the peer's window allows. */
  enqueue(task: Task): void {
    this.#waiting.push(task)
  }

  /** Continues what an active task began, before anything that waits. */
  enqueueNext(task: Task): void {
    this.#waiting.unshift(task)
  }

  /** Gives up the tasks about `subject` that have not begun. */
  cancelWaiting(subject: object): void {
    for (const task of this.#waiting.filter((one) => one.subject === subject)) {
      this.#waiting.splice(this.#waiting.indexOf(task), 1)
      task.abandon()
    }
  }

  /** The next task to begin, which becomes an active one; undefined when none is left or it has to wait. RFC 7296 §2.3. */
  nextTask(): Task | undefined {
    const [task] = this.#waiting
    if (task === undefined || !this.mayBegin || task.isReady === false) return undefined
    const isFree = this.#active.every(
      (other) => !other.alone && !task.alone && (task.subject === undefined || other.subject !== task.subject),
    )
    if (!isFree) return undefined
    this.#waiting.shift()
    this.#active.push(task)
    return task
  }

  taskDone(task: Task): void {
    const at = this.#active.indexOf(task)
    if (at >= 0) this.#active.splice(at, 1)
  }

  /** An active task has another request to send: it goes before anything that waits. */
  taskContinues(task: Task): void {
    this.#active.splice(this.#active.indexOf(task), 1)
    this.#waiting.unshift(task)
  }

  /** An active task is to begin anew at `at`: the peer had no time for it. It is done until then. RFC 7296 §2.25. */
  protected postponeUntil(task: Task, at: number): void {
    this.#postponed ??= new Timers(this)
    this.#postponed.set(task, at)
  }

  /** When the next postponed task waits no longer, `Infinity` for none. */
  protected get postponedUntil(): number {
    return this.#postponed?.next() ?? Number.POSITIVE_INFINITY
  }

  /** Lets the postponed tasks whose time has come wait with the others. */
  protected resumePostponed(now: number): void {
    if (this.#postponed !== undefined) this.#waiting.push(...this.#postponed.due(now))
  }

  /** What begins next. */
  protected get firstWaiting(): Task | undefined {
    return this.#waiting[0]
  }

  /** Takes out the tasks that wait and can go on elsewhere; of the others those stay that `keeps` says, the rest is given up. */
  takeMovable(keeps: boolean): Task[] {
    const waiting = this.#takeWaiting()
    for (const task of waiting.filter(({ moveTo }) => moveTo === undefined)) {
      if (keeps) this.#waiting.push(task)
      else task.abandon()
    }
    return waiting.filter(({ moveTo }) => moveTo !== undefined)
  }

  protected abandonWaiting(): void {
    for (const task of this.#takeWaiting()) task.abandon()
  }

  protected abandonActive(): void {
    for (const task of this.#active.splice(0)) task.abandon()
  }

  /** Gives up the active tasks that wait for somebody of ours. */
  protected abandonAsking(): void {
    for (const task of this.#active.filter(({ isAsking }) => isAsking === true)) {
      this.taskDone(task)
      task.abandon()
    }
  }

  #takeWaiting(): Task[] {
    const waiting = [...this.#waiting.splice(0), ...(this.#postponed?.names() ?? [])]
    this.#postponed?.clearAll()
    return waiting
  }
}

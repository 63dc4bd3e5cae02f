import type { ChildSaStatus, IkeSaStatus } from '../../../ike/events.ts'
import type { Log } from '../../log.ts'
import type { Pushed } from '../pushed.ts'
import type { ScriptRunner } from '../run-command.ts'
import { Serial } from '../serial.ts'
import { type Environment, upDownEnvironments } from './environment.ts'

/** The setting `updown` of a connection. */
export interface UpDownSettings {
  /** Absolute path of a program. It gets no arguments, and all it is told in its environment. */
  readonly path: string
  readonly timeoutMs: number
}

/** Runs the scripts of connections when CHILD_SAs come and go, one after the other for each connection. */
export class UpDown {
  readonly #settings: ReadonlyMap<string, UpDownSettings>
  readonly #device: string
  readonly #log: Log
  readonly #run: ScriptRunner
  /** Of each connection with work to do. */
  readonly #serials = new Map<string, Serial>()

  constructor(world: {
    settings: ReadonlyMap<string, UpDownSettings>
    device: string
    log: Log
    run: ScriptRunner
  }) {
    this.#settings = world.settings
    this.#device = world.device
    this.#log = world.log
    this.#run = world.run
  }

  /** Returns at once; `before` is waited for, so that the script finds addresses and routes as they are to be. */
  notify(
    direction: 'up' | 'down',
    ike: IkeSaStatus,
    child: ChildSaStatus,
    pushed: Pushed,
    before: () => Promise<unknown>,
  ): void {
    const { connection } = ike.sa
    const settings = this.#settings.get(connection)
    if (settings === undefined) return
    const environments = upDownEnvironments(direction, { ike, child, pushed, device: this.#device })
    const serial = this.#serialOf(connection)
    for (const environment of environments) {
      serial.add(async () => {
        await before()
        await this.#runOne(connection, settings, environment)
      })
    }
  }

  /** Resolves when all scripts asked for so far have ended. */
  async settled(): Promise<void> {
    await Promise.all([...this.#serials.values()].map((serial) => serial.settled()))
  }

  close(): Promise<void> {
    return this.settled()
  }

  #serialOf(connection: string): Serial {
    const known = this.#serials.get(connection)
    if (known !== undefined) return known
    const serial = new Serial((error) => this.#log.write('error', connection, `up-down script: ${error}`))
    this.#serials.set(connection, serial)
    return serial
  }

  async #runOne(connection: string, { path, timeoutMs }: UpDownSettings, environment: Environment): Promise<void> {
    const { code, timedOut, stderr } = await this.#run(path, environment, timeoutMs)
    const how = timedOut
      ? `was ended after ${timeoutMs / 1000} s`
      : code === undefined
        ? 'was ended by a signal'
        : `ended with ${code}`
    const words = stderr.trim() === '' ? '' : `\n${stderr.trim()}`
    const level = code === 0 && !timedOut ? 'debug' : 'warn'
    this.#log.write(level, connection, `${path} ${environment.PLUTO_VERB} ${how}${words}`)
  }
}

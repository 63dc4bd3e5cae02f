import type { IkeEvent } from '../ike/events.ts'

/** Somebody beside an endpoint who follows its IKE_SAs and may end them: RADIUS accounting, for example. */
export interface Companion {
  /** Called once, before any event. May open sockets; rejects with `PlatformError` when that cannot be, and nothing starts. */
  open(world: CompanionWorld): Promise<void>
  /** Told of every event, in order. Must not throw; what takes time is done later. */
  notice(event: IkeEvent): void
  /** The IKE_SAs are about to be ended, because the endpoint is closed. */
  closing?(): void
  /** All IKE_SAs are gone. */
  close(): Promise<void>
}

/** What a companion may do with the endpoint. */
export interface CompanionWorld {
  /** Inner packets of an IKE_SA so far, replaced CHILD_SAs among them; zeros for one that is not known. */
  traffic(ikeSaId: number): SessionTraffic
  /** Deletes an IKE_SA; what it comes to is told as an event. */
  end(ikeSaId: number): void
  /** A line of the endpoint's log. */
  log(level: 'error' | 'warn' | 'info' | 'debug', subject: string, text: string): void
}

/** Inner packets and their octets, up to 2^53. */
export interface SessionTraffic {
  /** From the peer. */
  readonly inputOctets: number
  readonly inputPackets: number
  /** To the peer. */
  readonly outputOctets: number
  readonly outputPackets: number
}

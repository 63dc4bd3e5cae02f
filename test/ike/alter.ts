import { vi } from 'vitest'
import type { Payload } from '../../src/ike/codec/index.ts'
import { MessageProtector } from '../../src/ike/message/message-crypto.ts'
import { IkeRuntime } from '../../src/ike/runtime.ts'

type Header = Parameters<MessageProtector['protect']>[0]

/** Lets `change` replace the payloads of every message that is protected: a peer that has the keys and breaks the rules. Undo with `vi.restoreAllMocks`. */
export function alterPayloads(change: (header: Header, payloads: readonly Payload[]) => readonly Payload[]): void {
  const protect = MessageProtector.prototype.protect
  vi.spyOn(MessageProtector.prototype, 'protect').mockImplementation(function (
    this: MessageProtector,
    header: Header,
    payloads: readonly Payload[],
  ) {
    return protect.call(this, header, change(header, payloads))
  })
}

/** Lets endpoints choose their inbound SPIs: `choose` gets the name of the endpoint's first connection; undefined is chance. */
export function chooseSpis(choose: (connection: string) => number | undefined): void {
  const takeChildSpi = IkeRuntime.prototype.takeChildSpi
  vi.spyOn(IkeRuntime.prototype, 'takeChildSpi').mockImplementation(function (this: IkeRuntime, local) {
    return choose(this.connections[0]!.name) ?? takeChildSpi.call(this, local)
  })
}

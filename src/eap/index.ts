export { type AkaOptions, aka, akaPrime, newAka, newAkaPrime } from './aka.ts'
export { type AkaSubscriber, softwareAuc, softwareUsim } from './aka-subscriber.ts'
export { passwordOf, usersOf } from './credentials.ts'
export { gtc } from './gtc.ts'
export { andThen, attempt, type MaybePromise } from './maybe-promise.ts'
export { md5Challenge } from './md5-challenge.ts'
export * from './method.ts'
export { type MilenageKey, type MilenageOutput, milenage, milenageOpc } from './milenage.ts'
export { mschapv2 } from './mschapv2.ts'
export {
  decodeEapPacket,
  EapCode,
  type EapEnd,
  type EapMessage,
  type EapPacket,
  EapType,
  eapTypeName,
  encodeEapPacket,
  isNak,
  maxEapPacketBytes,
  nakTypes,
} from './packet.ts'
export { type EapPeerOptions, type EapPeerResult, EapPeerSession } from './peer-session.ts'
export { type EapServerOptions, type EapServerResult, EapServerSession, identityText } from './server-session.ts'

import type { Payload } from '../codec/index.ts'
import type { Answer, Answers, Question } from '../questions.ts'

/** Why work cannot go on: somebody has to answer a question, or the peer has to answer what is sent. */
export type Wait = { readonly question: Question } | { readonly send: Payload[] }

/**
 * Work that may have to wait, written down as one piece: it yields why, and is given what it waited for. Where nothing has to
 * be waited for it runs through at once. Called on with `return` when its IKE_SA ends before it does.
 */
export type Flow<T> = Generator<Wait, T, Answer | readonly Payload[]>

/** Asks somebody, and goes on with the answer. */
export function* ask<Asked extends Question>(question: Asked): Flow<Answers[Asked['kind']]> {
  // The endpoint hands on no answer of another kind.
  return (yield { question }) as Answers[Asked['kind']]
}

/** Sends a message of an exchange, and goes on with the payloads of the peer's next one. */
export function* exchange(send: Payload[]): Flow<readonly Payload[]> {
  return (yield { send }) as readonly Payload[]
}

import type { Answer, AskAction, No } from '../ike/questions.ts'
import type { EndpointOptions } from './options.ts'

/** Has a question answered, and gives the answer, within the call or later. Never throws: what goes wrong is a no. */
export function answerWith(answers: EndpointOptions['answers'], ask: AskAction, give: (answer: Answer) => void): void {
  let answer: Answer | Promise<Answer> | undefined
  try {
    answer = answers?.(ask.question, ask)
  } catch (error) {
    answer = noOf(error)
  }
  if (answer instanceof Promise) answer.then(give, (error: unknown) => give(noOf(error)))
  else give(answer ?? nobody(ask))
}

/** What went wrong, as an answer. */
export const noOf = (error: unknown): No => ({
  ok: false,
  message: error instanceof Error ? error.message : String(error),
  hint: 'the log has more about it',
})

const nobody = ({ question, sa }: AskAction): No => ({
  ok: false,
  message: `nobody answers the question "${question.kind}" for connection ${sa.connection}`,
  hint: "the endpoint's option `answers` has to answer it",
})

import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser'
import type { ProblemList, SettingPath } from './problems.ts'

/** A JSON text with comments and trailing commas, as a value whose parts know their lines. */
export class JsonSource {
  readonly #text: string
  readonly #root: Node | undefined
  readonly #syntaxErrors: readonly ParseError[]

  constructor(text: string) {
    const errors: ParseError[] = []
    // A byte order mark is not JSON, but editors write one.
    this.#text = text.startsWith('\uFEFF') ? ` ${text.slice(1)}` : text
    this.#root = parseTree(this.#text, errors, { allowTrailingComma: true })
    this.#syntaxErrors = errors
  }

  get hasSyntaxErrors(): boolean {
    return this.#syntaxErrors.length > 0 || this.#root === undefined
  }

  /** The plain value; undefined for an empty text. */
  value(): unknown {
    return this.#root === undefined ? undefined : getNodeValue(this.#root)
  }

  /** 1-based line of the member's name or the array's element; of the nearest part around it when it is not there. */
  lineOf(path: SettingPath): number | undefined {
    if (this.#root === undefined) return undefined
    for (let length = path.length; length >= 0; length--) {
      const node = findNodeAtLocation(this.#root, path.slice(0, length))
      if (node !== undefined) return this.#lineAt(node.parent?.type === 'property' ? node.parent.offset : node.offset)
    }
    return undefined
  }

  /** Reports what is not JSON, and members that an object has twice. */
  check(problems: ProblemList): void {
    for (const { error, offset } of this.#syntaxErrors) {
      problems.add([], `not JSON: ${inWords(printParseErrorCode(error))}`, 'JSON with comments', this.#lineAt(offset))
    }
    if (this.#syntaxErrors.length === 0 && this.#root === undefined)
      problems.add([], 'the file is empty', 'an object', 1)
    if (!this.hasSyntaxErrors) this.#findDuplicates(this.#root, [], problems)
  }

  #findDuplicates(node: Node | undefined, path: SettingPath, problems: ProblemList): void {
    const seen = new Map<unknown, number>()
    node?.children?.forEach((child, index) => {
      if (child.type !== 'property') {
        this.#findDuplicates(child, [...path, index], problems)
        return
      }
      const [key, value] = child.children ?? []
      const name = String(key?.value)
      const line = this.#lineAt(child.offset)
      const first = seen.get(name)
      if (first !== undefined)
        problems.add([...path, name], `stands here again, first in line ${first}`, 'each name once', line)
      else seen.set(name, line)
      this.#findDuplicates(value, [...path, name], problems)
    })
  }

  #lineAt(offset: number): number {
    return this.#text.slice(0, offset).split('\n').length
  }
}

/** `CommaExpected` to `comma expected`. */
const inWords = (code: string): string => code.replaceAll(/(?<!^)([A-Z])/g, ' $1').toLowerCase()

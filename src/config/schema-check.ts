import { readFileSync } from 'node:fs'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { didYouMean } from '../ike/negotiation/nearest-words.ts'
import type { ProblemList, SettingPath } from './problems.ts'

/** What this file looks at in a schema. */
interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly title?: string
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
}

interface Checker {
  readonly schema: Schema
  readonly validate: ValidateFunction
}

let checker: Checker | undefined

/** Reports every difference between a value and the published JSON Schema (`schema.json`), in words for people. */
export function checkSchema(value: unknown, problems: ProblemList): void {
  checker ??= loadChecker()
  const { schema, validate } = checker
  if (validate(value)) return
  for (const error of validate.errors ?? []) report(error, value, schema, problems)
}

function loadChecker(): Checker {
  const schema = JSON.parse(readFileSync(new URL('./schema.json', import.meta.url), 'utf8')) as Schema
  const ajv = new Ajv2020({ allErrors: true, verbose: true, allowUnionTypes: true, strictRequired: false })
  return { schema, validate: ajv.compile(schema) }
}

function report(error: ErrorObject, value: unknown, root: Schema, problems: ProblemList): void {
  // The rule behind a wrong name is told by `propertyNames`.
  if (error.propertyName !== undefined) return
  const { path, problem, allowed } = inWords(error, pathOf(error.instancePath, value), root)
  problems.add(path, problem, allowed)
}

interface Problem {
  readonly path: SettingPath
  readonly problem: string
  readonly allowed: string
}

function inWords({ keyword, params, data, parentSchema }: ErrorObject, path: SettingPath, root: Schema): Problem {
  const here = resolve(parentSchema as Schema, root)
  const known = here.properties ?? {}
  const allowed = allowedBy(here, root)
  switch (keyword) {
    case 'required': {
      const name = String(params.missingProperty)
      return { path: [...path, name], problem: 'is missing', allowed: allowedBy(known[name] ?? {}, root) }
    }
    case 'additionalProperties': {
      const name = String(params.additionalProperty)
      const names = Object.keys(known)
      return { path: [...path, name], problem: `is not a setting${didYouMean(name, names)}`, allowed: names.join(', ') }
    }
    case 'propertyNames':
      return { path: [...path, String(params.propertyName)], problem: 'the name is not allowed', allowed: nameRule }
    case 'uniqueItems':
      return { path: [...path, Number(params.i)], problem: 'stands in the list twice', allowed: 'each entry once' }
    case 'type':
      return { path, problem: `is ${typeInWords(data)}`, allowed }
    default:
      return { path, problem: wrongValue(keyword, data, params), allowed }
  }
}

const nameRule = 'a name of 1 to 64 letters, digits, - and _'

function wrongValue(keyword: string, data: unknown, params: ErrorObject['params']): string {
  // What an object holds may be a secret.
  if (typeof data === 'object' && data !== null && !keyword.startsWith('min'))
    return 'is not of the form that is allowed'
  const shown = JSON.stringify(data)
  if (['minLength', 'minItems', 'minProperties'].includes(keyword)) return 'is empty'
  if (keyword === 'maxLength' || keyword === 'maxItems') return `is longer than ${params.limit}`
  if (keyword === 'enum' && typeof data === 'string')
    return `${shown} is not known${didYouMean(data, params.allowedValues)}`
  return `${shown.length > 60 ? `${shown.slice(0, 60)}...` : shown} is not allowed`
}

function typeInWords(data: unknown): string {
  if (data === null) return 'null'
  if (Array.isArray(data)) return 'a list'
  if (typeof data === 'number' && !Number.isInteger(data)) return 'not a whole number'
  return typeof data === 'object' ? 'an object' : `a ${typeof data}`
}

function allowedBy(schema: Schema, root: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => String(value)).join(', ')
  return schema.title ?? (schema.$ref === undefined ? 'a value' : allowedBy(resolve(schema, root), root))
}

/** Follows `#/$defs/name`. */
function resolve(schema: Schema, root: Schema): Schema {
  const name = schema.$ref?.slice('#/$defs/'.length)
  return name === undefined ? schema : (root.$defs?.[name] ?? schema)
}

/** A JSON pointer (RFC 6901) into `root` as parts: numbers where they are indexes of arrays. */
function pathOf(pointer: string, root: unknown): SettingPath {
  let value = root
  const parts = pointer.split('/').slice(1)
  return parts.map((part) => {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const step = Array.isArray(value) ? Number(name) : name
    value = (value as Record<string | number, unknown> | undefined)?.[step]
    return step
  })
}

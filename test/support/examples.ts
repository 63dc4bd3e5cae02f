import { transform } from 'esbuild'

/** What an example of the documentation may import, by name. */
export type ExampleModules = Readonly<Record<string, () => Promise<object>>>

/** An example as a function: imports become lookups of the modules, types are taken out. */
export async function compileExample(code: string, modules: ExampleModules): Promise<() => Promise<void>> {
  const { code: script } = await transform(code, { loader: 'ts', format: 'esm', target: 'es2022' })
  const body = script
    .replace(/^import \{([^}]*)\} from "([^"]+)";$/gm, 'const {$1} = await modules["$2"]();')
    .replace(/^import (\w+) from "([^"]+)";$/gm, 'const { default: $1 } = await modules["$2"]();')
  const AsyncFunction = (async () => {}).constructor as new (...text: string[]) => (of: object) => Promise<void>
  const run = new AsyncFunction('modules', body)
  return () => run(modules)
}

/** The fenced block behind the comment `<!-- name example -->`; empty where there is none. */
export const exampleNamed = (text: string, name: string, language: string): string =>
  new RegExp(`<!-- ${name} example -->\\n\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(text)?.[1] ?? ''

// Puts a counter at every branch of a TypeScript source: `__c[n]++` counts in a Uint8Array that the fuzzer reads after each
// input. Works on the text, so that lines stay where they are.
import ts from 'typescript'

/**
 * The instrumented text and how many counters it has; they count from `first`. Private fields (`#x`) become ordinary ones, so that
 * a check can walk through everything that an object keeps.
 */
export function instrument(text, fileName, first) {
  const source = ts.createSourceFile(fileName, text, ts.ScriptTarget.Latest, true)
  /** @type {{ at: number, order: number, text: string, remove?: number }[]} */
  const edits = []
  let next = first
  const insert = (at, inserted) => {
    if (inserted !== '') edits.push({ at, order: edits.length, text: inserted })
  }
  const count = () => `__c[${next++}]++`

  const statement = (node, behind = '') => {
    insert(node.getStart(), ts.isBlock(node) ? '' : '{')
    insert(node.getStart() + (ts.isBlock(node) ? 1 : 0), `${count()};`)
    insert(node.getEnd(), ts.isBlock(node) ? behind : `}${behind}`)
  }
  const expression = (node) => {
    insert(node.getStart(), `(${count()},`)
    insert(node.getEnd(), ')')
  }

  const visit = (node) => {
    // Types hold no code, and what looks like a condition there is none.
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return
    if (ts.isPrivateIdentifier(node)) {
      // A class and the one that it extends may have private fields of one name.
      const text = `$${classOf(node)}_`
      edits.push({ at: node.getStart(), order: edits.length, text, remove: 1 })
    }
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      if (ts.isBlock(node.body)) statement(node.body)
      else expression(node.body)
    } else if (ts.isIfStatement(node)) {
      if (node.elseStatement === undefined) statement(node.thenStatement, ` else {${count()}}`)
      else {
        statement(node.thenStatement)
        if (!ts.isIfStatement(node.elseStatement)) statement(node.elseStatement)
      }
    } else if (ts.isIterationStatement(node, false)) statement(node.statement)
    else if (ts.isConditionalExpression(node)) {
      expression(node.whenTrue)
      expression(node.whenFalse)
    } else if (ts.isBinaryExpression(node) && isShortCircuit(node.operatorToken.kind)) expression(node.right)
    else if (ts.isCaseOrDefaultClause(node)) insert(colonOf(node, source) + 1, `${count()};`)
    else if (ts.isCatchClause(node)) statement(node.block)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { text: apply(text, edits), count: next - first }
}

/** The class that declares this private field. */
function classOf(name) {
  for (let node = name.parent; node !== undefined; node = node.parent) {
    if (ts.isClassLike(node) && node.members.some((member) => member.name?.text === name.text))
      return node.name?.text ?? ''
  }
  throw new Error(`${name.text} is declared nowhere`)
}

const isShortCircuit = (kind) =>
  kind === ts.SyntaxKind.AmpersandAmpersandToken ||
  kind === ts.SyntaxKind.BarBarToken ||
  kind === ts.SyntaxKind.QuestionQuestionToken

function colonOf(clause, source) {
  const colon = clause.getChildren(source).find(({ kind }) => kind === ts.SyntaxKind.ColonToken)
  return colon.getStart()
}

/** Where several stand at one place: closing ones of the inner node come first, opening ones of the outer node. */
function apply(text, edits) {
  const closes = (edit) => edit.text.startsWith(')') || edit.text.startsWith('}') || edit.text.startsWith(' else')
  edits.sort((a, b) => {
    if (a.at !== b.at) return a.at - b.at
    if (closes(a) !== closes(b)) return closes(a) ? -1 : 1
    return closes(a) ? b.order - a.order : a.order - b.order
  })
  let result = ''
  let from = 0
  for (const edit of edits) {
    result += text.slice(from, edit.at) + edit.text
    from = edit.at + (edit.remove ?? 0)
  }
  return result + text.slice(from)
}

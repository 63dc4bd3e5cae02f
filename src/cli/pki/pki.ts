import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Terminal } from '../terminal.ts'
import { type CrlOptions, revocationReasons } from './crl-command.ts'
import { keyNames } from './generate-key.ts'
import type { AuthorityOptions, PeerOptions } from './issue-command.ts'
import type { ShowOptions } from './show-command.ts'

const example = `
Examples, certificates in a minute:
  typeswan pki ca --name "C=CH, O=Example, CN=Example CA" --out ca
  typeswan pki server --ca ca --name vpn.example.org --san 192.0.2.1
  typeswan pki client --ca ca --name alice@example.org --p12 --password-file password.txt
  typeswan pki crl --ca ca --revoke ca/alice@example.org.crt
  typeswan pki show ca/vpn.example.org.crt

Keys are written for their owner alone (0600). ca/ca.crt is what both ends trust; ca/ca.key stays where it is.`

/** Adds `typeswan pki` with its commands, which do their work in modules of their own. */
export function addPki(program: Command, terminal: Terminal): void {
  const pki = program
    .command('pki')
    .description('make and show certificates: an authority, servers, clients, revocation lists')
    .addHelpText('after', example)
  common(pki.command('ca').description('make an authority: ca.crt and ca.key'), 3650)
    .option('--ca <dir>', 'folder of the authority above it; without it the new one is a root')
    .addHelpText('after', '\nExample:\n  typeswan pki ca --name "C=CH, O=Example, CN=Example CA" --out ca')
    .action(async (options: AuthorityOptions) => {
      const { makeAuthority } = await import('./issue-command.ts')
      makeAuthority(options, terminal)
    })
  addPeer(pki, 'server', 'a gateway', 'vpn.example.org --san 192.0.2.1', terminal)
  addPeer(pki, 'client', 'a client', 'alice@example.org --p12 --password-file password.txt', terminal)
  pki
    .command('crl')
    .description('make or renew the revocation list of an authority: ca.crl, in DER')
    .requiredOption('--ca <dir>', 'folder of the authority')
    .option('--revoke <file...>', 'certificates to revoke', [])
    .addOption(new Option('--reason <reason>', 'why').choices(Object.keys(revocationReasons)).default('unspecified'))
    .option('--days <days>', 'until the next update', wholeNumber, 30)
    .option('--out <file>', 'another place for the list')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  typeswan pki crl --ca ca --revoke ca/alice@example.org.crt --reason keyCompromise',
    )
    .action(async (options: CrlOptions) => {
      const { makeCrl } = await import('./crl-command.ts')
      makeCrl(options, terminal)
    })
  pki
    .command('show')
    .description('show certificates, revocation lists and keys of a file (PEM, DER, PKCS #12)')
    .argument('<file>')
    .option('--password-file <file>', 'what opens the file')
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExample:\n  typeswan pki show ca/vpn.example.org.crt')
    .action(async (file: string, options: ShowOptions) => {
      const { showFile } = await import('./show-command.ts')
      showFile(file, options, terminal)
    })
}

function addPeer(pki: Command, kind: 'server' | 'client', what: string, sample: string, terminal: Terminal): void {
  common(pki.command(kind).description(`make a key and a certificate of ${what}: NAME.crt and NAME.key`), 825)
    .requiredOption('--ca <dir>', 'folder of the authority')
    .option('--san <name...>', 'further names: host names, addresses, mail addresses', [])
    .option('--crl-url <url...>', 'where the revocation list is published', [])
    .option('--ocsp-url <url...>', 'where an OCSP responder is', [])
    .option('--p12', 'NAME.p12 (PKCS #12) too, for phones and desktops')
    .option('--password-file <file>', 'the password of NAME.p12, in the first line')
    .addHelpText('after', `\nExample:\n  typeswan pki ${kind} --ca ca --name ${sample}`)
    .action(async (options: PeerOptions) => {
      const { makePeer } = await import('./issue-command.ts')
      makePeer(kind, options, terminal)
    })
}

const common = (command: Command, days: number): Command =>
  command
    .requiredOption(
      '--name <name>',
      'host name, address, mail address, or a distinguished name like "C=CH, O=Example, CN=moon"',
    )
    .addOption(new Option('--key <kind>', 'kind of key').choices(keyNames).default('ecdsa-p256'))
    .option('--days <days>', 'how long it is valid', wholeNumber, days)
    .option('--out <dir>', 'folder for the files')
    .option('--force', 'write over files that are there')
    .option('--json', 'one JSON object')

function wholeNumber(text: string): number {
  const days = Number(text)
  if (!Number.isSafeInteger(days) || days < 1 || days > 36_500) throw new InvalidArgumentError('1 to 36500 are allowed')
  return days
}

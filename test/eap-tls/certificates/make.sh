#!/bin/sh
# Makes all test certificates anew in this folder. README.md says what each is for.
set -eu
cd "$(dirname "$0")"
rm -f ./*.pem ./*.key
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
days=36500

ca_conf() { # name
  mkdir -p "$work/$1"
  : > "$work/$1/index"
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/%s/index\nrand_serial=yes\nnew_certs_dir=%s/%s\ndefault_md=sha256\npolicy=p\ndefault_crl_days=%s\nunique_subject=no\n[p]\ncommonName=supplied\n' \
    "$work" "$1" "$work" "$1" "$days" > "$work/$1.conf"
}
key() { # name
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}
root() { # name, common name
  key "$1"
  openssl req -x509 -new -key "$1.key" -out "$1.pem" -days "$days" -subj "/CN=$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
  ca_conf "$1"
}
issue() { # ca, name, common name, extensions, further options of openssl ca
  ca=$1 name=$2 cn=$3 extensions=$4
  shift 4
  [ -f "$name.key" ] || key "$name"
  openssl req -new -key "$name.key" -subj "/CN=$cn" -out "$work/$name.csr"
  printf '%b' "$extensions" > "$work/$name.ext"
  [ $# -gt 0 ] || set -- -days "$days"
  openssl ca -batch -notext -config "$work/$ca.conf" -cert "$ca.pem" -keyfile "$ca.key" -in "$work/$name.csr" \
    -out "$name.pem" -extfile "$work/$name.ext" "$@" 2>/dev/null
}
client='extendedKeyUsage=clientAuth\nsubjectAltName='
server='extendedKeyUsage=serverAuth\nsubjectAltName='

root ca 'Typeswan test CA'
root other-ca 'Another test CA'
issue ca server aaa.example.org "${server}DNS:aaa.example.org\n"
issue ca alice alice "${client}email:alice@example.org\n"
issue ca revoked mallory "${client}email:mallory@example.org\n"
issue ca expired carol "${client}email:carol@example.org\n" -startdate 20200101000000Z -enddate 20210101000000Z
issue ca expired-server aaa.example.org "${server}DNS:aaa.example.org\n" -startdate 20200101000000Z -enddate 20210101000000Z
issue other-ca other-server aaa.example.org "${server}DNS:aaa.example.org\n"
issue other-ca other-alice alice "${client}email:alice@example.org\n"
openssl pkcs8 -topk8 -in alice.key -out alice-encrypted.key -passout pass:test-only

# A chain that takes many fragments: RSA keys all the way.
previous=ca
for level in 1 2 3; do
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "level$level.key" 2>/dev/null
  issue "$previous" "level$level" "Intermediate $level" 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n'
  ca_conf "level$level"
  previous=level$level
done
issue level3 long-alice alice "${client}email:alice@example.org\n"
cat long-alice.pem level3.pem level2.pem level1.pem > long-alice-chain.pem

openssl ca -config "$work/ca.conf" -cert ca.pem -keyfile ca.key -revoke revoked.pem 2>/dev/null
openssl ca -config "$work/ca.conf" -cert ca.pem -keyfile ca.key -gencrl -out crl.pem 2>/dev/null

# Nothing is issued with these any more.
rm -f ca.key other-ca.key level?.key level?.pem long-alice.pem

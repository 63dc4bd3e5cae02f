# Sourced by .ci/run and .ci/nightly: runs parts one after the other, shows all of their output, adds up the counts.
export CI=true DEBIAN_FRONTEND=noninteractive NO_COLOR=1
passed=0
failed=0
output=$(mktemp)
failures=$(mktemp)
trap 'rm -f "$output" "$failures"' EXIT

# part TITLE COMMAND...
part() {
  local title=$1 status begin=$SECONDS p f
  shift
  printf '\n=== %s\n' "$title"
  "$@" </dev/null 2>&1 | tee "$output"
  status=${PIPESTATUS[0]}
  # vitest: `Tests  2 failed | 40 passed | 1 skipped (43)`; ours: `40 passed, 2 failed` alone on a line.
  p=$(sed -nE 's/^ *Tests .*[^0-9]([0-9]+) passed.*/\1/p; s/^([0-9]+) passed, [0-9]+ failed.*/\1/p' "$output" | tail -1)
  f=$(sed -nE 's/^ *Tests .*[^0-9]([0-9]+) failed.*/\1/p; s/^[0-9]+ passed, ([0-9]+) failed.*/\1/p' "$output" | tail -1)
  if [ -z "$p$f" ]; then p=$((status == 0)) f=0; fi
  : "${p:=0}" "${f:=0}"
  if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
  passed=$((passed + p))
  failed=$((failed + f))
  printf -- '--- %s: %s passed, %s failed, exit %s, %s s\n' "$title" "$p" "$f" "$status" $((SECONDS - begin))
  if [ "$status" -ne 0 ] || [ "$f" -ne 0 ]; then keep_failure "$title"; fi
}

# What went wrong, for finish to say again: the lines that name a failure with those after them, or else the end of the part.
keep_failure() {
  local found
  found=$(grep -E -A 20 '^ *(FAIL |not ok |AssertionError|Error: |crash:)' "$output" | cut -c 1-400 | head -80)
  printf '=== failed: %s\n%s\n' "$1" "${found:-$(tail -40 "$output" | cut -c 1-400)}" >>"$failures"
}

finish() {
  cat "$failures"
  printf '\n%s s in all\n%s passed, %s failed\n' "$SECONDS" "$passed" "$failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

system_packages() {
  local wanted='strongswan-charon strongswan-swanctl libcharon-extra-plugins libcharon-extauth-plugins
    libstrongswan-extra-plugins libstrongswan-standard-plugins iproute2 iptables nftables dnsmasq-base openresolv conntrack iputils-ping procps tcpdump tshark chromium hostapd eapoltest openssl
    freeradius python3-scapy python3-cryptography' missing='' name
  for name in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" = 'ii ' ] || missing="$missing $name"
  done
  if [ -z "$missing" ]; then echo "all installed: $(echo $wanted)"; return; fi
  # shellcheck disable=SC2086  # a list of words
  apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing
}

# Peers that Debian 12 does not have, each release in a debootstrapped root that stays for the next run.
interop_roots() {
  apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap gcc libc6-dev || return
  local roots=${INTEROP_ROOTS:-${XDG_CACHE_HOME:-/var/cache}/typeswan-interop}
  interop_root "$roots/trixie" trixie 'libreswan openiked libnss3-tools' &&
    interop_root "$roots/sid" sid 'strongswan-charon strongswan-swanctl libcharon-extra-plugins libstrongswan-extra-plugins
      libstrongswan-standard-plugins'
}

# interop_root ROOT RELEASE PACKAGES
interop_root() {
  if [ ! -e "$1/.complete" ]; then
    rm -rf --one-file-system "$1" && mkdir -p "$1" && debootstrap --variant=minbase "$2" "$1" http://deb.debian.org/debian || return
    # A mirror may be behind the date until which its list of packages is good.
    # shellcheck disable=SC2086  # a list of words
    chroot "$1" apt-get -qq -o Acquire::Check-Valid-Until=false update &&
      chroot "$1" apt-get -qq -y --no-install-recommends install $3 && touch "$1/.complete" || return
  fi
  # shellcheck disable=SC2086
  chroot "$1" dpkg-query -W -f '${Package} ${Version}\n' $3
}

# stdout holds one JSON object and nothing else.
demo_json() {
  npm run -s demo -- --json >"$output.json" &&
    node -e '
      const result = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"))
      console.log(JSON.stringify(result, null, 2))
      const ok = result.established && result.packetsReceived > 0 && result.tamperedDropped > 0 && result.replayedDropped > 0
      process.exitCode = ok && result.durationMs < 30000 ? 0 : 1' "$output.json"
  local status=$?
  rm -f "$output.json"
  return $status
}

# The npm package `node` brings Node's own binary; it is not among the dependencies.
newest_node() {
  local folder status
  folder=$(mktemp -d)
  npm install --prefix "$folder" --no-audit --no-fund node@latest &&
    "$folder/node_modules/.bin/node" --version &&
    "$folder/node_modules/.bin/node" node_modules/vitest/vitest.mjs run
  status=$?
  rm -rf "$folder"
  return $status
}

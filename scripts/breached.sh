#!/usr/bin/env bash
# Writes internal/account/breached.txt.gz, the passwords that were lost most often, from the list that the password meter
# zxcvbn-ts publishes (MIT; drawn from public collections of lost passwords, most frequent first). Needs node; the result is
# committed, so that building needs neither node nor a network.
set -euo pipefail
cd "$(dirname "$0")/.."
version=4.1.3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "@zxcvbn-ts/language-common@$version" >/dev/null && tar xzf ./*.tgz)
node -e '
const { readFileSync } = require("fs"), [dir, version] = process.argv.slice(1)
const licence = readFileSync(dir + "/LICENSE.txt", "utf8").trimEnd().split("\n").map(line => ("# " + line).trimEnd())
const list = JSON.parse(readFileSync(dir + "/src/passwords.json", "utf8"))
if (list.length < 10000 || list.some(word => word !== word.toLowerCase() || /^\s|^# |\n/.test(word))) throw new Error("the list has another form now")
process.stdout.write(["# Lost passwords, most frequent first: @zxcvbn-ts/language-common " + version + ", unchanged. Its licence:", ...licence, ...list].join("\n") + "\n")
' "$work/package" "$version" | gzip -9 -n >internal/account/breached.txt.gz

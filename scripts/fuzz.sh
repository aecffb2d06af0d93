#!/usr/bin/env bash
# Looks for inputs that break a parser. Found ones are written to testdata/fuzz of the package and fail its tests from then on:
# mend the parser and commit the file.
#
#   scripts/fuzz.sh                every fuzz target of the repository, one after the other
#   scripts/fuzz.sh strangers      the parsers of what strangers send to a log, two at a time (what CI runs)
#   scripts/fuzz.sh reporters      what comes in by the reporter's channel, and packs, two at a time (CI as well, for half as long)
#   scripts/fuzz.sh NAME …         targets of these names, such as FuzzReceipt
#
# FUZZTIME is how long each of them runs: 60s unless it says otherwise. Needs bash 4.3 or later.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${GO:=go}" "${FUZZTIME:=60s}"

# Receipt (with the step in it), checkpoint, tile with its path, request for a cosignature.
strangers=(FuzzReceipt FuzzCheckpoint FuzzTile FuzzRequest)

# The form, files in parts, the receipt code, packs with questionnaires.
reporters=(FuzzReportForm FuzzMultipart FuzzReceiptCode FuzzQuestionnaire)

targets() { # prints "package name" for each fuzz target
	git ls-files --cached --others --exclude-standard '*_test.go' | sort | xargs grep -H '^func Fuzz' |
		sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|./\1 \2|'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fuzz() { # package, name: says how it ended
	local out="$work/$2" begun=$SECONDS
	if "$GO" test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 300x -parallel "$parallel" "$1" >"$out" 2>&1 ||
		# The end of the time itself is sometimes reported as a failure of the input that was being tried just then.
		{ grep -q 'context deadline exceeded' "$out" && ! grep -q 'Failing input written' "$out"; }; then
		printf '%-18s %-20s nothing found in %s   %s\n' "$2" "$1" "$FUZZTIME" "$(grep -o 'execs: [0-9]*' "$out" | tail -1)"
	else
		printf '%-18s %-20s FAILED after %ss\n' "$2" "$1" $((SECONDS - begun))
		sed 's/^/    /' "$out"
		return 1
	fi
}

wanted=("$@")
parallel=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
at_once=1
case "${1:-}" in
strangers) wanted=("${strangers[@]}") parallel=1 at_once=2 ;;
reporters) wanted=("${reporters[@]}") parallel=1 at_once=2 ;;
esac

mapfile -t all < <(targets)
chosen=()
for target in "${all[@]}"; do
	name=${target#* }
	if [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $name "* ]]; then chosen+=("$target"); fi
done
for name in "${wanted[@]}"; do
	[[ " ${chosen[*]} " == *" $name "* ]] || { echo "there is no fuzz target $name" >&2; exit 2; }
done

failed=0 running=0
for target in "${chosen[@]}"; do
	if [ "$running" -eq "$at_once" ]; then
		wait -n || failed=1
		running=$((running - 1))
	fi
	fuzz $target & # two words
	running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
	wait -n || failed=1
	running=$((running - 1))
done
exit "$failed"

#!/usr/bin/env bash
# Everything that can be said about the code without running it. Each check is named; the last line sums up.
set -uo pipefail
cd "$(dirname "$0")/.."
: "${GO:=go}"
failed=()

say() { printf '%-14s %s\n' "$1" "$2"; }
check() { # name, command …: prints "ok" or the output
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then say "$name" ok
	elif [[ $out == *"fetching vulnerabilities: Get"* ]]; then
		say "$name" "not run: its database of vulnerabilities cannot be reached from here"
	else
		say "$name" FAILED
		printf '%s\n' "$out" | sed 's/^/    /'
		failed+=("$name")
	fi
}

unformatted() {
	local files
	files=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l)
	[ -z "$files" ] || { echo "not formatted (gofmt -w):"; echo "$files"; return 1; }
}
check gofmt unformatted
check vet "$GO" vet ./...
check modules "$GO" mod verify

# Tools come through the module proxy; where one cannot be had, that is said and not counted as a failure.
tool() { # name, module@version, arguments …
	local name=$1 module=$2 bin base
	shift 2
	base=${module%@*}
	base=${base##*/}
	bin=$(mktemp -d)
	if GOBIN=$bin "$GO" install "$module" 2>"$bin/err"; then
		check "$name" "$bin/$base" "$@"
	else
		say "$name" "not run: $module cannot be fetched here"
	fi
	rm -rf "$bin"
}
tool staticcheck "$STATICCHECK" ./...
tool govulncheck "$GOVULNCHECK" ./...

drift() { # what go generate writes must be what is committed
	local before after
	before=$(git status --porcelain)
	"$GO" generate ./internal/cli/... ./verify || return 1
	after=$(git status --porcelain)
	[ "$before" = "$after" ] || { echo "go generate changed files:"; git status --short; return 1; }
}
check generated drift

#!/usr/bin/env bash
# Runs every test. On Debian and Ubuntu it first installs what is missing (PostgreSQL server, Chromium) when it may;
# elsewhere it says what to install. Tests that lack something are skipped with a message, or fail where
# PLUMBLINE_REQUIRE (a list of postgres, browser, data, tor) names it. tor is never installed by this: it would run on this machine
# from then on. Where it names fuzz, the parsers of what strangers send to a
# log are fuzzed as well, after the tests (scripts/fuzz.sh).
#
#   scripts/test.sh [package …]     default: all packages
set -euo pipefail
cd "$(dirname "$0")/.."

have_postgres() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
have_browser() {
	[ -n "${PLUMBLINE_CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
		command -v google-chrome >/dev/null || command -v google-chrome-stable >/dev/null
}

missing=()
have_postgres || missing+=(postgresql)
have_browser || missing+=(chromium)

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ]; then sudo=(); elif sudo -n true 2>/dev/null; then sudo=(sudo); else sudo=(no); fi
	if command -v apt-get >/dev/null && [ "${sudo[*]-}" != no ]; then
		echo "Installing for the tests: ${missing[*]}"
		"${sudo[@]}" apt-get update -qq
		# A cluster of the system's own is not needed: the tests start theirs.
		DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
	else
		cat >&2 <<-END
		The tests also use: ${missing[*]}. They are skipped without.
		  Debian, Ubuntu:  sudo apt-get install postgresql chromium
		  Fedora:          sudo dnf install postgresql-server chromium
		  Arch:            sudo pacman -S postgresql chromium
		  macOS:           brew install postgresql@16 && brew install --cask chromium
		A program elsewhere: PLUMBLINE_PG_BIN=/path/to/postgresql/bin, PLUMBLINE_CHROMIUM=/path/to/chromium.
		END
	fi
fi

fuzz=no
if [ $# -eq 0 ]; then
	set -- ./internal/web ./internal/transfer ./internal/tests/site ./... # the long ones first, so that nothing waits for them at the end
	case ",${PLUMBLINE_REQUIRE:-}," in *,fuzz,*) fuzz=yes ;; esac
fi
echo "go test $*   ($(go version | cut -d' ' -f3), $(nproc 2>/dev/null || sysctl -n hw.ncpu) processors)"
go test -timeout 30m "$@"
if [ "$fuzz" = yes ]; then
	echo "fuzzing, ${FUZZTIME:-60s} each"
	scripts/fuzz.sh strangers
	FUZZTIME=${FUZZTIME:-30s} scripts/fuzz.sh reporters
fi

#!/usr/bin/env bash
# Prints the promised ratios as a table. It takes some minutes; nothing else should run meanwhile. Benchmarks that read real
# data look for it in PLUMBLINE_DATA, or in shared/data beside the repository, and are left out where it is not.
set -euo pipefail
cd "$(dirname "$0")/.."
exec go run ./scripts/benchtable "$@"

#!/bin/bash
# Whether the sources are formatted. The fuzz targets are a workspace of their own, see
# tests/fuzz/run.sh.
#
# usage: scripts/checks/formatting.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo fmt --all --check
cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
unformatted=$(gofmt -l tests)
[ -z "$unformatted" ] || {
    echo "gofmt would change: $unformatted" >&2
    exit 1
}
# Rows of tables and the definition's descriptions, whose line breaks people see, are left alone.
wide=$(git ls-files '*.rs' '*.sh' '*.go' '*.mk' Makefile ':!crates/plan/src/api' |
    LC_ALL=C.UTF-8 xargs grep -nE '^.{101,}$' |
    grep -E '^[^:]*:[0-9]*:\s*(//[/!]?\s|# )' | grep -vE '^[^:]*:[0-9]*:\s*//[/!] \||\S   +\S' || true)
[ -z "$wide" ] || {
    printf 'comments are wider than 100 columns:\n%s\n' "$wide" >&2
    exit 1
}

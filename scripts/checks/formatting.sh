#!/bin/bash
# Whether the sources are formatted. The fuzz targets are a workspace of their own, see tests/fuzz/run.sh.
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

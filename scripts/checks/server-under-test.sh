#!/bin/bash
# Builds the servers that tests start, as tests/testkit/src/binary.rs does for a test that was
# started by itself: when many run side by side, none waits for cargo.
#
# usage: scripts/checks/server-under-test.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
for feature in '' acknowledge-before-commit; do
    # Linked as in an image, so that what is compiled serves both.
    CARGO_BUILD_BUILD_DIR=$target cargo rustc --verbose --locked --package edge-config-server --bin edge-config-server \
        --features "$feature" --target-dir "$target/under-test/with${feature:+-$feature}" -- -C target-feature=+crt-static
done

#!/bin/bash
# Builds the servers that tests start, as tests/testkit/src/binary.rs does for a test that was
# started by itself: when many run side by side, none waits for cargo.
#
# usage: scripts/checks/server-under-test.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# build FOLDER [OPTION...]
build() {
    # Linked as in an image, so that what is compiled serves both.
    CARGO_BUILD_BUILD_DIR=$target cargo rustc --verbose --locked --package edge-config-server --bin edge-config-server \
        --target-dir "$target/under-test/$1" "${@:2}" -- -C target-feature=+crt-static
}
build plain
# For the crash test, with a store of its own in the shared build folder.
FLOTTA_ACKNOWLEDGES_EARLY=1 build acknowledges-early --config profile.dev.package.flotta-store.debug=1

#!/bin/bash
# Fuzzes what reads a request: every target over its committed corpus, then a bounded number of new
# inputs.
#
# usage: tests/fuzz/run.sh [target ...]        (all targets when none is named)
#        tests/fuzz/run.sh --build             builds them and runs none
#   FUZZ_RUNS   new inputs per target, 0 for the corpus alone (default below)
#   FUZZ_SEED   seed of the new inputs; the same seed tries the same inputs
#
# Works on the stable toolchain: the compiler passes that libFuzzer needs are asked for by hand,
# where cargo-fuzz would want a nightly one. Nothing is written into the clone: the build, new
# inputs and the input of a crash are kept in $FLOTTA_CACHE (default ~/.cache/flotta-companion).
# Prints one line per target; ends with 1 if one crashed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${FLOTTA_CACHE:-$HOME/.cache/flotta-companion}/fuzz
runs=${FUZZ_RUNS:-800000}
seed=${FUZZ_SEED:-20221006}
host=$(rustc -vV | sed -n 's/^host: //p')

only_build=
[ "${1:-}" != --build ] || only_build=1
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for target in "$here"/targets/*.rs; do
        targets+=("$(basename "$target" .rs)")
    done
fi

mkdir -p "$cache"
# An explicit --target keeps the flags away from build scripts and procedural macros.
RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1' \
    CARGO_TARGET_DIR=$cache/target cargo build --locked --release --target "$host" --manifest-path "$here/Cargo.toml"
[ -z "$only_build" ] || exit 0

failed=0
for target in "${targets[@]}"; do
    # New inputs go to the first folder; it is emptied so that a run does not depend on the one
    # before.
    found=$cache/found/$target crashes=$cache/crashes/$target log=$cache/$target.log
    rm -rf "$found"
    mkdir -p "$found" "$crashes"
    if "$cache/target/$host/release/$target" -runs="$runs" -seed="$seed" -max_len=16384 -timeout=5 -rss_limit_mb=1024 \
        -artifact_prefix="$crashes/" "$found" "$here/corpus/$target" >"$log" 2>&1; then
        corpus=$(find "$here/corpus/$target" -type f | wc -l)
        echo "fuzz $target: $corpus committed inputs and $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log") runs, no crash"
    else
        failed=1
        echo "fuzz $target: CRASHED; the input is in $crashes, the end of $log says:"
        tail -n 40 "$log"
    fi
done
exit $failed

#!/bin/bash
# All checks, or only those that read and do not run: every one runs, also after a failure, and the last line counts.
#
# usage: scripts/test.sh [lint]
#
# In the count each check is one, except the Rust tests, which count one by one.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

passed=0 failed=0 failures=() skipped=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# step NAME COMMAND...: one check.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '\n=== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        echo "--- $name: passed in $((SECONDS - start)) s"
    else
        failed=$((failed + 1))
        failures+=("$name")
        echo "--- $name: FAILED after $((SECONDS - start)) s"
    fi
}

# The fuzz targets are a workspace of their own, see tests/fuzz/run.sh.
formatting() {
    local unformatted
    cargo fmt --all --check && cargo fmt --manifest-path tests/fuzz/Cargo.toml --check || return
    unformatted=$(gofmt -l tests) && [ -z "$unformatted" ] && return
    echo "gofmt would change: $unformatted"
    return 1
}

# Never --all-features: one feature acknowledges writes before they are durable, for a single test.
clippy() { cargo clippy --locked --workspace --all-targets -- -D warnings; }

dependencies() {
    cargo deny --locked check --hide-inclusion-graph bans licenses sources &&
        cargo deny --config deny.toml --manifest-path tests/fuzz/Cargo.toml --locked check --allow unmatched-skip --hide-inclusion-graph bans licenses sources
}

# The database of known vulnerabilities is fetched; not everybody who builds can reach it.
advisories() {
    if ! timeout 120 cargo deny fetch db >"$log" 2>&1; then
        skipped+=("known vulnerabilities: the RustSec database could not be fetched")
        printf '\n=== known vulnerabilities\n'
        echo "SKIPPED: the RustSec database could not be fetched:"
        tail -n 3 "$log"
        return
    fi
    step 'known vulnerabilities' cargo deny --locked check --disable-fetch advisories
}

scripts() {
    local files
    mapfile -t files < <(find . \( -name .git -o -name target -o -name data \) -prune -o -type f -print0 |
        xargs -0 awk 'FNR == 1 { if (/^#!.*[\/ ](ba)?sh/) print FILENAME; nextfile }')
    [ ${#files[@]} -gt 0 ] && shellcheck -x "${files[@]}" && echo "${#files[@]} scripts"
}

rust_tests() {
    local start=$SECONDS ended counts
    printf '\n=== tests\n'
    cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log"
    ended=${PIPESTATUS[0]}
    counts=$(awk '/^test result: / { p += $4; f += $6 } END { print p + 0, f + 0 }' "$log")
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    echo "--- tests: ${counts% *} passed, ${counts#* } failed in $((SECONDS - start)) s"
    [ "$ended" -eq 0 ] && [ "${counts% *}" -gt 0 ] && return
    # A build that fails, or a test program that dies, counts no test as failed.
    [ "${counts#* }" -gt 0 ] || failed=$((failed + 1))
    failures+=("tests: $(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log" | paste -sd ' ')")
}

# With private items: who reads it works on the code.
rustdoc() { RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items --quiet; }

step formatting formatting
step clippy clippy
step dependencies dependencies
advisories
step 'shell scripts' scripts
if [ "${1:-}" != lint ]; then
    step documentation rustdoc
    step 'programs of others' tests/build-peers.sh kubernetes edge-api helm helm3
    rust_tests
    step chart tests/chart/run.sh
    step fuzzing tests/fuzz/run.sh
fi

echo
for text in "${skipped[@]}"; do echo "skipped: $text"; done
for text in "${failures[@]}"; do echo "failed: $text"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

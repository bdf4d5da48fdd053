#!/bin/bash
# All checks, or some of them, several at a time: every one runs, also after a failure, and the last
# line counts.
#
# usage: scripts/test.sh [lint | test | ci]     (default: test; what each is stands in scripts/checks/checks.mk)
#   JOBS     how many checks at a time (default: three times as many as there are processors, since most wait)
#   CHECKS   where each check's output and result go (default: a folder that is removed)
#
# Ends with what took longest and what was built, and why.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

what=${1:-test}
temporary=
if [ -z "${CHECKS:-}" ]; then
    CHECKS=$(mktemp -d)
    temporary=1
fi
mkdir -p "$CHECKS"
date +%s >"$CHECKS/began"
export CHECKS

# Long work shows progress: once a minute, what is under way and for how many seconds.
under_way() {
    local log name now text
    # Its output is not held open by a sleep that outlives it.
    while sleep 60 >/dev/null 2>&1; do
        now=$(date +%s) text=
        while read -r log; do
            name=${log#"$CHECKS/"} name=${name%.log}
            [ -e "$CHECKS/$name.result" ] || text+=" $name ($((now - $(stat -c %W "$log"))))"
        done < <(find "$CHECKS" -name '*.log' | sort)
        echo "$(((now - $(cat "$CHECKS/began")) / 60)) min, under way:$text"
    done
}
under_way &
progress=$!
trap 'kill "$progress" 2>/dev/null; [ -z "$temporary" ] || rm -rf "$CHECKS"' EXIT

jobs=${JOBS:-$(($(nproc) * 3))}
make --no-print-directory --keep-going --jobs "$jobs" --file scripts/checks/checks.mk "$what" 2>"$CHECKS/make"
# What make itself has to say is said again by the report, check by check; where a target is
# missing, only here.
grep -v '^make.*: \*\*\* \[\|not remade because of errors' "$CHECKS/make" >&2
mapfile -t asked < <(
    make --silent --file scripts/checks/checks.mk "list-$what"
    cat "$CHECKS/tests.list" 2>/dev/null || echo tests
)
scripts/checks/report.sh "$CHECKS" "${asked[@]}"

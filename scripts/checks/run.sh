#!/bin/bash
# Runs one check and notes how it went. What it says is shown when it has ended, so that checks side
# by side do not mix.
#
# usage: scripts/checks/run.sh NAME COMMAND...
#   CHECKS     folder of this run: NAME.log is what the command said, NAME.result how it went (see report.sh)
#   NICENESS   of the command, for what computes and nobody waits for (default: none)
#
# A check that runs Rust tests counts each of them, any other counts as one.
set -uo pipefail

name=$1
shift
log=$CHECKS/$name.log
mkdir -p "$(dirname "$log")"
# A make of ours is asked for nothing by the programs that it starts.
unset MAKEFLAGS MAKELEVEL MFLAGS

elapsed() { printf '%d:%02d' $((($1 - $(cat "$CHECKS/began")) / 60)) $((($1 - $(cat "$CHECKS/began")) % 60)); }

began=$(date +%s)
echo "$(elapsed "$began") $name ..."

TIMEFORMAT='%R %U %S'
{ time nice -n "${NICENESS:-0}" "$@" >"$log" 2>&1 </dev/null; } 2>"$log.time"
ended=$?
read -r wall user system < <(tail -n 1 "$log.time")

read -r passed failed < <(awk '/^test result: / { p += $4; f += $6; seen = 1 } END { if (seen) print p + 0, f + 0 }' "$log")
if [ -z "${passed:-}" ]; then
    passed=$((ended == 0)) failed=$((ended != 0))
elif [ "$ended" -ne 0 ] && [ "$failed" -eq 0 ]; then
    # A build that fails, or a test program that dies, counts no test as failed.
    failed=1
fi
printf '%s\t%s\t%s\t%s\t%s\n' "$passed" "$failed" "$wall" "$(awk "BEGIN { print $user + $system }")" "$name" >"$CHECKS/$name.result"

exec 9>"$CHECKS/output.lock"
flock 9
printf '\n=== %s\n' "$name"
# With --verbose cargo says why it builds what it builds, and also every call of the compiler.
grep -vE '^ +(Running `|Fresh |Dirty )' "$log"
if [ "$failed" -eq 0 ]; then verdict=passed; else verdict=FAILED; fi
echo "--- $name: $verdict after $wall s ($(elapsed "$(date +%s)") since the start)"
[ "$failed" -eq 0 ]

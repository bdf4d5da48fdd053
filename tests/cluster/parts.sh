#!/bin/bash
# Plays all scenarios in parts that run side by side, each on a cluster of its own: they wait for probes most of the time, so
# together they take a third of the time. The last line counts.
#
# usage: tests/cluster/parts.sh N PROGRAM      (PROGRAM: cluster-e2e)
set -uo pipefail

parts=$1 program=$2
# Built once; the parts find them.
"$(dirname "$0")/images/build.sh" >/dev/null || exit
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

pids=()
for ((part = 1; part <= parts; part++)); do
    "$program" --part="$part/$parts" >"$logs/$part" 2>&1 </dev/null &
    pids+=($!)
done
# Long work shows progress: what has been played, when another minute has passed.
shown=0
progress() {
    local played
    mapfile -t played < <(grep -h '^--- [a-z-]*/' "$logs"/* 2>/dev/null)
    [ ${#played[@]} -le "$shown" ] || echo "${#played[@]} scenarios played"
    shown=${#played[@]}
}
while [ -n "$(jobs -rp)" ]; do
    sleep 20
    progress
done
ended=0
for pid in "${pids[@]}"; do
    wait "$pid" || ended=1
done

passed=0 failed=0
for ((part = 1; part <= parts; part++)); do
    printf '\n##### part %s of %s\n' "$part" "$parts"
    cat "$logs/$part"
    read -r good bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$logs/$part" | tail -n 1)
    passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-1}))
done
# Side by side on a busy machine a deadline of Kubernetes' own can pass, so what failed is played once more, alone. It is said.
mapfile -t again < <(sed -n 's/^failed: //p' "$logs"/[0-9]*)
alone=0
if [ ${#again[@]} -gt 0 ]; then
    printf '\n##### once more, alone: %s\n' "${again[*]}"
    "$program" "${again[@]}" </dev/null 2>&1 | tee "$logs/again"
    read -r good bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$logs/again" | tail -n 1)
    alone=${good:-0}
    passed=$((passed + alone)) failed=$((failed - alone))
    [ "${bad:-1}" -ne 0 ] || ended=0
fi
echo
[ ! -e "$logs/again" ] || grep -h '^failed: ' "$logs/again"
[ "$alone" -eq 0 ] || echo "$alone of them passed only when played alone: ${again[*]}"
echo "$passed passed, $failed failed"
[ "$ended" -eq 0 ] && [ "$failed" -eq 0 ]

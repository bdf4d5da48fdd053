#!/bin/bash
# Plays scenarios on several clusters side by side: they wait for probes most of the time. Each
# cluster takes the next scenario when it is done with one. The last line counts.
#
# usage: tests/cluster/parts.sh N PROGRAM [ARGUMENT...]      (PROGRAM: cluster-e2e)
set -uo pipefail

[ $# -ge 2 ] || {
    echo "usage: tests/cluster/parts.sh N PROGRAM [ARGUMENT...]" >&2
    exit 2
}
parts=$1 program=$2
shift 2
case " $* " in *' --list '*) exec "$program" "$@" ;; esac
[ -z "${KUBECONFIG:-}" ] || {
    echo "scenarios cannot be played side by side on one cluster; leave PARTS out, or KUBECONFIG" >&2
    exit 2
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Built once, so that all clusters have the same.
if [ -z "${IMAGE_ARCHIVES:-}" ]; then
    export IMAGE_ARCHIVES=$folder/images
    "$(dirname "$0")/images/build.sh" >"$IMAGE_ARCHIVES" || exit
fi

# A file for each scenario, see src/e2e/programme.rs: it is gone when the scenario has passed.
queue=$folder/queue
list=$("$program" --list "$@") || exit
while read -r name _; do
    mkdir -p "$queue/${name%/*}" && : >"$queue/$name" || exit
done <<<"$list"
mapfile -t names < <(cut -d' ' -f1 <<<"$list")
logs=$folder/logs
mkdir "$logs"

pids=()
for ((part = 1; part <= parts; part++)); do
    "$program" --queue="$queue" "$@" >"$logs/$part" 2>&1 </dev/null &
    pids+=($!)
done
# Long work shows progress: once a minute, when there is some.
shown=0 next=$((SECONDS + 60))
while [ -n "$(jobs -rp)" ]; do
    sleep 2
    [ $SECONDS -ge $next ] || continue
    next=$((SECONDS + 60))
    mapfile -t played < <(grep -hE '^--- [a-z-]+/.* (passed in|FAILED after) ' "$logs"/*)
    [ ${#played[@]} -le "$shown" ] || echo "${#played[@]} of ${#names[@]} scenarios played"
    shown=${#played[@]}
done
# Status 1 is a scenario's; 2 is that of a cluster that did not come up, or was not taken down.
clusters=0
for ((part = 1; part <= parts; part++)); do
    wait "${pids[part - 1]}"
    ended=$?
    printf '\n##### cluster %s of %s\n' "$part" "$parts"
    cat "$logs/$part"
    [ $ended -le 1 ] || clusters=$((clusters + 1))
done

# Side by side on a busy machine a deadline of Kubernetes' own can pass, so what did not pass is
# played once more, alone. It is said. The same for what was left because clusters broke.
mapfile -t again < <(find "$queue" -type f -printf '%P\n' | sed 's/\.taken$//' | sort)
alone=0
if [ ${#again[@]} -gt 0 ]; then
    printf '\n##### once more, alone: %s\n' "${again[*]}"
    "$program" "${again[@]}" </dev/null 2>&1 | tee "$logs/again"
    alone=$(sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p' "$logs/again" | tail -n 1)
fi
failed=$((${#again[@]} - ${alone:-0} + clusters))
echo
[ ! -e "$logs/again" ] || grep -h '^failed: ' "$logs/again"
[ "${alone:-0}" -eq 0 ] || echo "$alone of them passed only when played alone: ${again[*]}"
[ "$clusters" -eq 0 ] || echo "failed: $clusters of $parts clusters themselves; what they say is above"
echo "$((${#names[@]} - ${#again[@]} + ${alone:-0})) passed, $failed failed"
[ "$failed" -eq 0 ]

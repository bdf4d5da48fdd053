#!/bin/bash
# Starts the example fleet, stops it, starts it again and looks whether everything is still there.
#
# usage: scripts/checks/smoke.sh        (after `make run` has built its programs)
#
# The fleet's own check of what was acknowledged is taken, and beside it the list of devices as an
# administrator sees it.
set -euo pipefail
cd "$(dirname "$0")/../.."

built=${CARGO_TARGET_DIR:-target}/debug
folder=$(mktemp -d)
fleet=
finish() {
    [ -z "$fleet" ] || kill -KILL "$fleet" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

fail() {
    echo "smoke: $*" >&2
    [ ! -f "$folder/output" ] || tail -n 30 "$folder/output" >&2
    [ ! -f "$folder/data/edge-config-server.log" ] || tail -n 10 "$folder/data/edge-config-server.log" >&2
    exit 1
}

# wait_for TEXT: in the fleet's output, while it runs.
wait_for() {
    local deadline=$((SECONDS + 60))
    until grep -q -- "$1" "$folder/output"; do
        kill -0 "$fleet" 2>/dev/null || fail "the fleet ended before it said '$1'"
        [ $SECONDS -lt $deadline ] || fail "the fleet did not say '$1' within 60 s"
        sleep 0.2
    done
}

devices() {
    "$built/edge-config-server" device list --socket "$folder/data/admin.sock" |
        awk 'NR > 1 { print $1, $2, $3 }' | sort
}

echo "smoke: first start, stopped by itself"
make --no-print-directory run DATA="$folder/data" ARGS='--for 25s' >"$folder/output" 2>&1 </dev/null || fail "make run failed"
grep -q 'Stopped. Nothing was lost' "$folder/output" || fail "the first run did not end as it should"
for text in 'This is a new fleet' 'was removed by an administrator' 'waits for approval' '5 online, 1 waiting for approval, 1 unknown' \
    'pump-1 .* runs press-controller, telemetry' 'sensor-cellar .* runs reader' 'pump-1 .* runs playbook pump-1-ntp-'; do
    grep -q -- "$text" "$folder/output" || fail "the first run did not say '$text'"
done

for start in second third; do
    echo "smoke: $start start, stopped by SIGTERM"
    "$built/example-fleet" --data "$folder/data" >"$folder/output" 2>&1 </dev/null &
    fleet=$!
    wait_for 'The fleet of the last run was found. Nothing was lost'
    devices >"$folder/$start"
    wait_for '5 online'
    kill -TERM "$fleet"
    wait "$fleet" || fail "the fleet did not stop cleanly"
    fleet=
    grep -q 'Stopped. Nothing was lost' "$folder/output" || fail "the $start run did not end as it should"
    grep -q 'pump-1 .* runs press-controller, telemetry' "$folder/output" || fail "the $start run did not configure pump-1"
    ! grep -q 'runs playbook' "$folder/output" || fail "the $start run ran a playbook again"
done

cmp "$folder/second" "$folder/third" || fail "the devices are not the same after a restart"
[ "$(wc -l <"$folder/third")" -eq 6 ] || fail "there should be six devices: $(cat "$folder/third")"
echo "smoke: six devices, stopped and started, nothing lost"

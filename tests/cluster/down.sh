#!/bin/bash
# Takes a cluster down and leaves nothing of it: processes, mounts, network, control groups, its
# folder.
#
# usage: tests/cluster/down.sh FOLDER
#
# Does nothing where there is none. The kernel does the work: with the first process of their
# namespace all others end, and with the last of them go mounts, links, routes and rules.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || {
    echo "usage: tests/cluster/down.sh FOLDER" >&2
    exit 2
}
[ -d "$1" ] || exit 0
folder=$(cd "$1" && pwd -P)
# shellcheck source=tests/cluster/node/state.sh
source "$here/node/state.sh"

if [ ! -e "$folder/unshare" ] && [ ! -e "$folder/conf" ]; then
    [ -z "$(ls -A "$folder")" ] && exit 0
    echo "cluster: $folder holds something else than a cluster; nothing was touched" >&2
    exit 1
fi

first=$(cat "$folder/first-process" 2>/dev/null || first_process || true)
if [ -n "$first" ] && is_ours "$first"; then
    kill -KILL "$first"
    for _ in $(seq 600); do
        is_ours "$first" || break
        sleep 0.05
    done
    ! is_ours "$first" || {
        echo "cluster: process $first does not end; $folder was left as it is" >&2
        exit 1
    }
fi
remove_control_groups
rm -rf --one-file-system "$folder"
# The node's own folders are mounted over these; they stay only where somebody else uses them.
rmdir --ignore-fail-on-non-empty /var/lib/kubelet /var/lib/cni 2>/dev/null || true

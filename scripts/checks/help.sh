#!/bin/bash
# Whether each command of our programs explains itself.
#
# usage: scripts/checks/help.sh    (EDGE_CONFIG_SERVER, FLOTTA_COMPANION: the programs)
set -euo pipefail

# explains PROGRAM COMMAND...
explains() {
    local program=$1 command
    shift
    for command in '' "$@"; do
        # shellcheck disable=SC2086 # no word is meant for the first
        [ "$("$program" $command --help | wc -l)" -gt 5 ] || {
            echo "$program $command --help says too little" >&2
            return 1
        }
    done
}

explains "$EDGE_CONFIG_SERVER" serve check device manifests workload rekey
explains "$FLOTTA_COMPANION" run plan restore crd

#!/bin/bash
# Loads image files (OCI tar) into a cluster's container runtime.
#
# usage: tests/cluster/load.sh FOLDER IMAGE.tar...
set -euo pipefail

[ $# -ge 1 ] || {
    echo "usage: tests/cluster/load.sh FOLDER IMAGE.tar..." >&2
    exit 2
}
folder=$(cd "$1" && pwd -P)
shift
for image in "$@"; do
    ctr --address "$folder/containerd.sock" --namespace k8s.io images import --digests=false "$image" >/dev/null || {
        echo "cluster: $image could not be loaded into the cluster in $folder; the reason is above" >&2
        exit 1
    }
done

#!/bin/bash
# Stops, starts or restarts components of a cluster, for tests of what happens meanwhile.
#
# usage: tests/cluster/component.sh FOLDER stop|start|restart NAME...
#
# NAME: etcd, containerd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet,
# kube-proxy, coredns. It does not wait until the component serves again: how long that may take is
# the test's business.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 3 ] || {
    sed -n 's/^# usage: //p' "$0" >&2
    exit 2
}
folder=$(cd "$1" && pwd -P)
shift
# shellcheck source=tests/cluster/node/state.sh
source "$here/node/state.sh"
inside '--net --mount --pid' "$here/node/component.sh" "$folder" "$@"

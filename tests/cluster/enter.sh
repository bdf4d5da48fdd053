#!/bin/bash
# Runs a command in the network of a cluster, as its administrator: KUBECONFIG is set, and kubectl
# is in PATH.
#
# usage: tests/cluster/enter.sh FOLDER COMMAND...
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || {
    echo "usage: tests/cluster/enter.sh FOLDER COMMAND..." >&2
    exit 2
}
folder=$(cd "$1" && pwd -P)
shift
# shellcheck source=tests/cluster/node/state.sh
source "$here/node/state.sh"
running || {
    echo "cluster: none is running in $folder; bring one up with tests/cluster/up.sh $folder" >&2
    exit 1
}
# Caches of its own: the usual ones outlive the cluster and tell kubectl and helm of kinds that are
# gone.
export KUBECONFIG=$folder/conf/admin.kubeconfig KUBECACHEDIR=$folder/client/kube PATH=$folder/bin:$PATH
export HELM_CACHE_HOME=$folder/client/helm-cache HELM_CONFIG_HOME=$folder/client/helm-config HELM_DATA_HOME=$folder/client/helm-data
first=$(cat "$folder/first-process")
exec nsenter --target "$first" --net -- "$@"

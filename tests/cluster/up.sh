#!/bin/bash
# Brings up a throwaway single-node Kubernetes from nothing, for end-to-end tests and the demo.
#
# usage: tests/cluster/up.sh FOLDER [IMAGE.tar...]
#
# FOLDER (made when missing, otherwise empty) holds all of the cluster's state; the images are
# loaded into it. Progress goes to stderr. Where FOLDER already holds a running cluster nothing is
# done. Needs root.
#
#   tests/cluster/enter.sh FOLDER COMMAND...   runs a command where the cluster can be reached, with kubectl in PATH
#   tests/cluster/load.sh FOLDER IMAGE.tar...  loads more images
#   tests/cluster/component.sh FOLDER stop|start|restart NAME...
#   tests/cluster/down.sh FOLDER               takes it down
#
# The whole cluster lives in network, mount and process namespaces of its own: several stand side by
# side with the same addresses, and whatever it starts, mounts or routes ends with its first
# process. Only its control groups are outside. A cluster that was built by cleaning up after
# itself, process by process, was rejected: pods outlive their kubelet.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
start=$(date +%s.%N)
say() { awk -v t="$(date +%s.%N)" -v s="$start" -v m="$*" 'BEGIN { printf "%6.1f s  %s\n", t - s, m }' >&2; }
fail() {
    echo "cluster: $*" >&2
    exit 1
}

[ $# -ge 1 ] || fail "usage: up.sh FOLDER [IMAGE.tar...]"
[ "$(id -u)" -eq 0 ] || fail "a node needs root: it makes namespaces, bridges and mounts; run it as root"
mkdir -p "$1"
folder=$(cd "$1" && pwd -P)
shift
case $folder/ in
/run/* | /var/log/* | /var/lib/kubelet/* | /var/lib/cni/*)
    fail "$folder is hidden from the node, which has folders of its own there; choose one below /tmp"
    ;;
esac
[ ${#folder} -le 60 ] || fail "$folder is too long a name for the sockets in it; choose one of at most 60 characters"

# shellcheck source=tests/cluster/node/state.sh
source "$here/node/state.sh"
if running; then
    say "the cluster in $folder is up already"
    exit 0
fi
[ -z "$(ls -A "$folder")" ] || fail "$folder is not empty; take down what is in it (down.sh $folder) or choose another"

say "programs"
programs=$("$here/../build-peers.sh" kubernetes node coredns)
program() { sed -n "s/^$1=//p" <<<"$programs"; }
pause=$("$here/images/build.sh" pause | sed -n 's/^pause=//p')

mkdir -p "$folder"/{bin,pki,conf,log,pid,etcd,kubelet,kernel,cni/{net.d,ipam},containerd/{root,state},client,volumes/{1..20}}
ln -s "$(program kubernetes)" "$folder/bin/kubernetes"
ln -s "$(program node)" "$folder/bin/node"
ln -s "$(program coredns)" "$folder/bin/coredns"
printf '#!/bin/sh\nexec "%s" kubectl "$@"\n' "$folder/bin/node" >"$folder/bin/kubectl"
chmod +x "$folder/bin/kubectl"

touch "$folder/log/progress"

# One cluster's kubelet removes control groups of pods that it does not know, so each has a root of
# its own.
make_control_groups

# --kill-child: should this script die, so does the node. Once it is ready it is on its own.
say "node: namespaces"
setsid unshare --net --mount --pid --fork --mount-proc --propagation private \
    "$here/node/init.sh" "$folder" >"$folder/log/init.log" 2>&1 </dev/null &
unshare=$!
echo "$unshare" >"$folder/unshare"

give_up() {
    tail -n 5 "$folder/log/init.log" >&2
    fail "the node did not come up; its logs are in $folder/log, and down.sh $folder removes it"
}
until first_process >"$folder/first-process"; do
    kill -0 "$unshare" 2>/dev/null || give_up
    sleep 0.02
done

shown=0
deadline=$((SECONDS + 120))
until [ -e "$folder/ready" ]; do
    lines=$(wc -l <"$folder/log/progress" 2>/dev/null || echo 0)
    while [ "$shown" -lt "$lines" ]; do
        shown=$((shown + 1))
        say "node: $(sed -n "${shown}p" "$folder/log/progress")"
    done
    if ! running || [ $SECONDS -ge $deadline ]; then give_up; fi
    sleep 0.05
done
"$here/load.sh" "$folder" "$pause" "$@"
say "the cluster in $folder is up"

#!/bin/bash
# The first process of a node: sets up what is private to it, starts its components, and then reaps
# what ends.
#
# usage: init.sh FOLDER    (by up.sh, in new namespaces for network, mounts and processes)
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cluster/node/addresses.sh
source "$here/addresses.sh"

reached() { echo "$*" >>"$folder/log/progress"; }
# until_holds WHAT COMMAND...
until_holds() {
    local what=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || {
            echo "gave up waiting: $what; logs are in $folder/log"
            exit 1
        }
        sleep 0.05
    done
    reached "$what"
}
component() { "$here/component.sh" "$folder" "$@"; }
ask() {
    curl -sf --max-time 5 --cacert "$folder/pki/ca.crt" --cert "$folder/pki/admin.crt" --key "$folder/pki/admin.key" "$api$1"
}

# Places that are fixed in the sources of kubelet, containerd and the network plugins.
mkdir -p /var/lib/kubelet /var/lib/cni
for place in /run /var/log /var/lib/kubelet /var/lib/cni; do
    # A tmpfs over the log folder must not hide this script's own logs, which are in $folder.
    mount -t tmpfs -o mode=755 cluster "$place"
done
mount -t tmpfs -o mode=700 cluster "$folder/etcd"
# The kubelet sets these for the whole machine; here it gets files to write into.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    private=$folder/kernel/${setting//\//.}
    cat "/proc/sys/$setting" >"$private"
    mount --bind "$private" "/proc/sys/$setting"
done

ip link set lo up
ip link add "$node_link" type bridge
ip address add "$node_ip/32" dev "$node_link"
ip link set "$node_link" up
# A process outside pods that dials a Service needs some route to it, for its own address, before
# kube-proxy's rules apply.
ip route add "$service_range" dev "$node_link" src "$node_ip"
sysctl -qw net.ipv4.ip_forward=1
# Not every kernel has it; where it is missing bridged packets do not pass the rules, and a pod
# cannot reach itself by Service.
sysctl -qw net.bridge.bridge-nf-call-iptables=1 || true

"$here/certificates.sh" "$folder"
"$here/configuration.sh" "$folder"
reached "network, certificates, configuration"

component start etcd containerd kube-apiserver
until_holds "container runtime answers" ctr --address "$folder/containerd.sock" version
# A controller manager that meets an API server without its bootstrap roles ends at once; they are
# part of readiness.
until_holds "API server ready" ask /readyz
component start kube-controller-manager kube-scheduler kubelet kube-proxy
KUBECONFIG=$folder/conf/admin.kubeconfig KUBECACHEDIR=$folder/client/kube "$folder/bin/kubectl" apply -f "$folder/conf/cluster.yaml"
component start coredns

node_ready() { ask "/api/v1/nodes/$node" | tr -d ' \n' | grep -o '"type":"Ready","status":"True"'; }
until_holds "node ready" node_ready
until_holds "default service account" ask /api/v1/namespaces/default/serviceaccounts/default
until_holds "cluster DNS ready" curl -sf http://127.0.0.1:18181/ready
touch "$folder/ready"

# bash reaps what is left to the first process while it waits.
while :; do
    sleep infinity &
    wait $! || true
done

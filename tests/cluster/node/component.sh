#!/bin/bash
# Stops, starts or restarts components of a node, from within its namespaces.
#
# usage: component.sh FOLDER stop|start|restart NAME...
set -euo pipefail

folder=$1 action=$2
shift 2
# shellcheck source=tests/cluster/node/addresses.sh
source "$(dirname "$0")/addresses.sh"
conf=$folder/conf pki=$folder/pki
kubernetes=$folder/bin/kubernetes node_program=$folder/bin/node

# command_of NAME: fills $command.
command_of() {
    case $1 in
    etcd)
        # What is written is thrown away: no reason to wait for the disk.
        command=("$kubernetes" etcd --name "$node" --data-dir "$folder/etcd" --unsafe-no-fsync --log-level warn
            --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
            --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380
            --initial-cluster "$node=http://127.0.0.1:2380")
        ;;
    containerd)
        command=(containerd --config "$conf/containerd.toml")
        ;;
    kube-apiserver)
        # It refuses loopback addresses, so it listens on a bridge of the node.
        command=("$kubernetes" kube-apiserver --etcd-servers=http://127.0.0.1:2379
            --bind-address="$node_ip" --secure-port=6443 --advertise-address="$node_ip"
            --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key"
            --client-ca-file="$pki/ca.crt" --token-auth-file="$pki/tokens.csv"
            "--authorization-mode=Node,RBAC" --enable-admission-plugins=NodeRestriction
            --service-cluster-ip-range="$service_range"
            --service-account-issuer=https://kubernetes.default.svc.cluster.local
            --service-account-key-file="$pki/service-account.pub"
            --service-account-signing-key-file="$pki/service-account.key"
            --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt"
            --kubelet-client-key="$pki/apiserver-kubelet-client.key"
            --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP
            --requestheader-client-ca-file="$pki/ca.crt" --requestheader-allowed-names=front-proxy-client
            --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group
            --requestheader-username-headers=X-Remote-User
            --proxy-client-cert-file="$pki/front-proxy-client.crt" --proxy-client-key-file="$pki/front-proxy-client.key"
            --allow-privileged=true --profiling=false)
        ;;
    kube-controller-manager)
        command=("$node_program" kube-controller-manager --kubeconfig="$conf/kube-controller-manager.kubeconfig"
            --authentication-kubeconfig="$conf/kube-controller-manager.kubeconfig"
            --authorization-kubeconfig="$conf/kube-controller-manager.kubeconfig"
            --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true
            --service-account-private-key-file="$pki/service-account.key" --root-ca-file="$pki/ca.crt"
            --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key"
            --service-cluster-ip-range="$service_range" --profiling=false
            --flex-volume-plugin-dir="$folder/kubelet/volumeplugins"
            # Its usual limit makes a cluster of one node wait for itself.
            --kube-api-qps=500 --kube-api-burst=1000)
        ;;
    kube-scheduler)
        command=("$node_program" kube-scheduler --kubeconfig="$conf/kube-scheduler.kubeconfig"
            --authentication-kubeconfig="$conf/kube-scheduler.kubeconfig"
            --authorization-kubeconfig="$conf/kube-scheduler.kubeconfig"
            --bind-address=127.0.0.1 --leader-elect=false --profiling=false)
        ;;
    kubelet)
        command=("$node_program" kubelet --config="$conf/kubelet.yaml" --kubeconfig="$conf/kubelet.kubeconfig"
            --hostname-override="$node" --node-ip="$node_ip"
            --root-dir="$folder/kubelet" --cert-dir="$folder/kubelet/pki")
        ;;
    kube-proxy)
        command=("$node_program" kube-proxy --config="$conf/kube-proxy.yaml")
        ;;
    coredns)
        command=("$folder/bin/coredns" -conf "$conf/Corefile")
        ;;
    *)
        echo "cluster: there is no component '$1'" >&2
        exit 2
        ;;
    esac
}

# runs NAME: the pid file may be older than the process that has its number now. An ended process
# whose parent has not looked yet has no command line.
runs() {
    local pid
    pid=$(cat "$folder/pid/$1" 2>/dev/null) || return
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "${command[0]}"
}

# ended PID: nothing of the process is left. Its command line goes with its first thread, and its
# ports with its last.
ended() {
    local threads
    threads=$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
    [ "$threads" -eq 0 ] || { [ "$threads" -eq 1 ] && grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }
}

stop() {
    runs "$1" || return 0
    # As a crash would: nobody says goodbye, which is the harder case for everybody else.
    local pid
    pid=$(cat "$folder/pid/$1")
    kill -KILL "$pid"
    until ended "$pid"; do sleep 0.02; done
}

start() {
    ! runs "$1" || return 0
    setsid "${command[@]}" >>"$folder/log/$1.log" 2>&1 </dev/null &
    echo $! >"$folder/pid/$1"
}

for name in "$@"; do
    command_of "$name"
    case $action in
    stop) stop "$name" ;;
    start) start "$name" ;;
    restart)
        stop "$name"
        start "$name"
        ;;
    *)
        echo "cluster: '$action' is none of stop, start, restart" >&2
        exit 2
        ;;
    esac
done

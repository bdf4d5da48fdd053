#!/bin/bash
# Makes a cluster's certificates, keys and kubeconfigs; they last 30 days, the cluster hardly an
# hour.
#
# usage: certificates.sh FOLDER
set -euo pipefail

folder=$1
# shellcheck source=tests/cluster/node/addresses.sh
source "$(dirname "$0")/addresses.sh"
cd "$folder/pki"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# certificate NAME SUBJECT [SUBJECT-ALTERNATIVE-NAMES]
certificate() {
    local extensions='basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'
    [ -z "${3:-}" ] || extensions+="subjectAltName=$3\n"
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" -days 30 \
            -extfile <(printf '%b' "$extensions") -out "$1.crt" 2>/dev/null
}

kubeconfig() {
    cat >"$folder/conf/$1.kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "$api", certificate-authority: $folder/pki/ca.crt}}]
users: [{name: $1, user: {client-certificate: $folder/pki/$1.crt, client-key: $folder/pki/$1.key}}]
contexts: [{name: cluster, context: {cluster: cluster, user: $1}}]
current-context: cluster
K
}

key ca
openssl req -x509 -new -key ca.key -subj /CN=cluster-ca -days 30 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
key service-account
openssl ec -in service-account.key -pubout -out service-account.pub 2>/dev/null

cluster_names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
certificate apiserver /CN=kube-apiserver "$cluster_names,IP:$node_ip,IP:$kubernetes_ip" &
certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client &
certificate front-proxy-client /CN=front-proxy-client &
certificate kubelet "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$node_ip" &
certificate admin /O=system:masters/CN=admin &
certificate kube-controller-manager /CN=system:kube-controller-manager &
certificate kube-scheduler /CN=system:kube-scheduler &
certificate kube-proxy /CN=system:kube-proxy &
certificate coredns /CN=coredns &
wait
for user in admin kubelet kube-controller-manager kube-scheduler kube-proxy coredns; do
    kubeconfig "$user"
done
# A bearer token for clients that do without certificates.
openssl rand -hex 16 >admin.token
printf '%s,admin,1,system:masters\n' "$(cat admin.token)" >tokens.csv

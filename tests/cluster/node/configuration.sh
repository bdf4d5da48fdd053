#!/bin/bash
# Writes the configuration files of a cluster's components.
#
# usage: configuration.sh FOLDER
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cluster/node/addresses.sh
source "$here/addresses.sh"
# shellcheck source=tests/cluster/node/state.sh
source "$here/state.sh"
cd "$folder/conf"

# restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in a container, no pod would start otherwise.
cat >containerd.toml <<C
version = 2
root = "$folder/containerd/root"
state = "$folder/containerd/state"
imports = []
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$folder/containerd.sock"
[ttrpc]
  address = "$folder/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "flotta-companion.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_selinux = false
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$folder/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
C

cat >"$folder/cni/net.d/10-cluster.conflist" <<C
{"cniVersion": "1.0.0", "name": "cluster", "plugins": [
  {"type": "bridge", "bridge": "$pod_link", "isGateway": true, "hairpinMode": true, "ipMasq": false, "mtu": 1500,
   "ipam": {"type": "host-local", "dataDir": "$folder/cni/ipam",
            "ranges": [[{"subnet": "$pod_range"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
C

# configMapAndSecretChangeDetectionStrategy: with Watch the first mount of a Secret that was just
# made fails once.
cat >kubelet.yaml <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
healthzBindAddress: 127.0.0.1
readOnlyPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $folder/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $folder/pki/kubelet.crt
tlsPrivateKeyFile: $folder/pki/kubelet.key
containerRuntimeEndpoint: unix://$folder/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$group
failSwapOn: false
failCgroupV1: false
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
resolvConf: ""
podLogsDir: $folder/log/pods
makeIPTablesUtilChains: false
enforceNodeAllocatable: [pods]
evictionHard: {memory.available: "100Mi"}
imageGCHighThresholdPercent: 100
oomScoreAdj: 0
syncFrequency: 5s
configMapAndSecretChangeDetectionStrategy: Get
nodeStatusUpdateFrequency: 2s
maxPods: 60
serializeImagePulls: false
volumePluginDir: $folder/kubelet/volumeplugins
shutdownGracePeriod: 0s
C

cat >kube-proxy.yaml <<C
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $folder/conf/kube-proxy.kubeconfig}
mode: nftables
hostnameOverride: $node
clusterCIDR: $pod_range
bindAddress: $node_ip
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
nodePortAddresses: [$node_ip/32]
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 0s, syncPeriod: 30s}
C

# There is no outside to ask: all other names do not exist.
cat >Corefile <<C
.:53 {
  bind $node_ip
  errors
  ready 127.0.0.1:18181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $folder/conf/coredns.kubeconfig cluster
    ttl 5
  }
  cache 5
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
C

# CoreDNS runs beside the kubelet and not in a pod: one image less, and names work before the first
# pod does.
cat >cluster.yaml <<C
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $dns_ip
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-node, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [$node_ip]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, namespaces, endpoints, pods], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: coredns}]
C

# Volumes for whoever claims one, of the kind that honours a pod's fsGroup. A volume is used once
# and not emptied.
cat >>cluster.yaml <<C
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
C
for volume in "$folder"/volumes/*; do
    cat >>cluster.yaml <<C
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-$(basename "$volume")}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  local: {path: $volume}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]}]}
C
done

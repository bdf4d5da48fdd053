# shellcheck shell=bash disable=SC2034
# Addresses and names of a cluster; sourced. All clusters use
# the same: each has a network of its own.
node=node1
node_ip=172.31.255.1
node_link=node0
pod_link=pods0
pod_range=10.244.0.0/24
service_range=10.96.0.0/16
kubernetes_ip=10.96.0.1
dns_ip=10.96.0.10
api=https://$node_ip:6443

#!/bin/bash
# Prints Flotta's manifests, for `kubectl apply -f -`: its custom resources, rights, Edge API, in
# namespace flotta.
#
# usage: tests/cluster/flotta/render.sh
#
# They are taken from Flotta's published module each time and put together as its users do it;
# nothing of Flotta is kept here but what is changed about it (kustomization.yaml).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tests=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program=$("$tests/build-peers.sh" node | sed -n 's/^node=//p')
module=$(go -C "$tests/edge-api" list -m -f '{{.Dir}}' github.com/project-flotta/flotta-operator)
[ -d "$module/config" ] || {
    echo "flotta: its module has no folder config; build the Edge API first (tests/build-peers.sh edge-api)" >&2
    exit 1
}
mkdir "$work/flotta"
cp -r "$module/config" "$work/flotta/"
chmod -R u+w "$work"
cp "$here/kustomization.yaml" "$work/"

# It warns of fields that have newer names; they are Flotta's.
"$program" kubectl kustomize "$work" >"$work/all" 2>"$work/messages" || {
    grep -v '^# Warning' "$work/messages" >&2
    exit 1
}
# Without a registered kind, kubectl would refuse them.
awk -v RS='---\n' '!/\nkind: (Certificate|Issuer)\n/ { printf "---\n%s", $0 }' "$work/all"

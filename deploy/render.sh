#!/bin/bash
# Renders deploy/flotta-companion.yaml from the chart: what `helm install` installs, for those who
# use no Helm.
#
# usage: deploy/render.sh [HELM] [VALUE...]        (values are arguments of helm template, such as --values FILE)
#
# Hooks are left out: nothing but Helm runs them. So before this is deleted, the RemoteBackend has
# to be told mode Crd.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

cat <<'EOF'
# Made by deploy/render.sh from charts/flotta-companion; change the chart and not this file.
#
#   kubectl apply --server-side -f charts/flotta-companion/crds
#   kubectl wait --for=condition=Established crd/remotebackends.companion.project-flotta.io
#   kubectl apply --server-side -f deploy/flotta-companion.yaml
#
# To remove it, roll the Edge API back first, and wait until that is done:
#
#   kubectl -n flotta patch remotebackend flotta --type merge -p '{"spec":{"mode":"Crd"}}'
#   kubectl -n flotta wait remotebackend flotta --for=jsonpath='{.status.phase}'=Crd --timeout=5m
#   kubectl -n flotta delete remotebackend flotta
#   kubectl delete --ignore-not-found -f deploy/flotta-companion.yaml
EOF
"${1:-helm}" template flotta-companion "$root/charts/flotta-companion" --namespace flotta --no-hooks \
    --kube-version 1.34 "${@:2}" |
    sed '/^ *helm.sh\/chart: /d; /^ *app.kubernetes.io\/managed-by: Helm$/d; /^# Source: /d'

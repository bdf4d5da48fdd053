#!/bin/bash
# Builds the programs of others that the tests run against, once per machine:
#   kubernetes   etcd and kube-apiserver in one binary (tests/kubernetes)
#   edge-api     Flotta's Edge API, httpapi, from its published Go module (tests/edge-api)
#   operator     Flotta's operator, manager, from the same module; only the differential tests need it
# and, for a whole cluster (tests/cluster):
#   node         the other Kubernetes components and kubectl (tests/kubernetes/node)
#   coredns      names in the cluster (tests/coredns)
#   helm         what users install charts with (tests/helm)
#   helm3        the same, the version before
# and, for the chart (tests/chart):
#   helm-unittest, helm-docs, promtool (Debian's, where there is apt)
#   manifests    our own reader of rendered manifests, with the types of Kubernetes (tests/chart/tools/manifests)
#
# usage: tests/build-peers.sh [PROGRAM | cluster | chart]...
#
# Without a name: kubernetes and edge-api. cluster: what a whole cluster needs. chart: what the
# chart's tests need.
#
# Prints one line "name=path" per program on stdout; progress goes to stderr. The binaries are kept
# outside the clone in $FLOTTA_CACHE (default ~/.cache/flotta-companion), each under a hash of
# everything that goes into it, so a second run costs nothing and a changed version is never
# mistaken for the old one.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${FLOTTA_CACHE:-$HOME/.cache/flotta-companion}

command -v go >/dev/null || {
    echo "build-peers: Go is not installed; install the Go toolchain (1.26 or newer) to build the Edge API and kube-apiserver" >&2
    exit 1
}

export CGO_ENABLED=0 GOFLAGS='-mod=readonly -buildvcs=false'
version_package=k8s.io/component-base/version
kubernetes_version=$(awk '$2 == "k8s.io/kubernetes" { print $3 } $1 == "k8s.io/kubernetes" { print $2 }' "$here/kubernetes/go.mod")
minor=${kubernetes_version#v*.}
# Nobody debugs these programs; without what a debugger reads they compile in nine tenths of the
# time.
compiler_flags=(-trimpath '-gcflags=all=-dwarf=false')
kubernetes_flags=(
    "${compiler_flags[@]}" -tags grpcnotrace
    # Without a version kube-apiserver calls itself v0.0.0 and refuses its own feature gates.
    -ldflags "-s -w -X $version_package.gitVersion=$kubernetes_version -X $version_package.gitMajor=1 -X $version_package.gitMinor=${minor%.*} -X $version_package.gitTreeState=clean"
)
small_flags=("${compiler_flags[@]}" -ldflags '-s -w')

# key FOLDER PACKAGE FLAGS...: a hash of the package's sources, its module's versions, the flags and
# the toolchain.
key() {
    local folder=$1 package=$2 sources
    shift 2
    case $package in
    .*) sources=$folder/$package ;;
    # A package of somebody else's module: the versions say everything.
    *) sources=$folder ;;
    esac
    {
        go version
        printf '%s\n' "$package" "$@"
        cat "$folder/go.mod" "$folder/go.sum"
        find "$sources" -maxdepth 1 -type f -name '*.go' -print0 | LC_ALL=C sort -z | xargs -0 --no-run-if-empty cat
    } | sha256sum | cut -c1-16
}

# with_progress TEXT COMMAND...: says what is being done, and every 30 s that it still is.
with_progress() {
    local text=$1 start=$SECONDS
    shift
    echo "$text" >&2
    "$@" >&2 &
    local job=$! tick=0
    while kill -0 "$job" 2>/dev/null; do
        sleep 1
        tick=$((tick + 1))
        ((tick % 30)) || echo "  ... still building, $((SECONDS - start)) s" >&2
    done
    wait "$job" || return
    echo "  done in $((SECONDS - start)) s" >&2
}

# build NAME FOLDER BINARY TEXT PACKAGE FLAGS...
build() {
    local name=$1 folder=$here/$2 binary=$3 text=$4 package=$5
    shift 5
    local home
    home=$cache/$name-$(key "$folder" "$package" "$@")
    if [ ! -x "$home/$binary" ]; then
        mkdir -p "$cache"
        # One builder at a time: a second one waits and then finds the work done.
        exec 9>"$cache/.$name.lock"
        flock 9
        if [ ! -x "$home/$binary" ]; then
            local staging
            staging=$(mktemp -d "$cache/.$name.XXXXXX")
            # The trap would outlive this function otherwise, so the staging folder is removed by
            # hand on failure.
            if ! with_progress "$text" go -C "$folder" build "$@" -o "$staging/$binary" "$package"; then
                rm -rf "$staging"
                echo "build-peers: building $name failed; the reason is above" >&2
                exit 1
            fi
            rm -rf "$home"
            mv "$staging" "$home"
        fi
        flock -u 9
    fi
    echo "$name=$home/$binary"
}

# unpack PACKAGE FOLDER: unpacks Debian's package without installing it, which would start a
# service. Does nothing where there is no apt or no such package.
unpack() {
    local package=$1 folder=$2 staging
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
    mkdir -p "$cache"
    staging=$(mktemp -d "$cache/.$package.XXXXXX")
    if (cd "$staging" && apt-get download "$package" >&2 && dpkg-deb -x "$package"_*.deb unpacked); then
        rm -rf "$folder"
        mv "$staging/unpacked" "$folder"
    fi
    rm -rf "$staging"
}

[ $# -gt 0 ] || set -- kubernetes edge-api
peers=()
for name in "$@"; do
    case $name in
    cluster) peers+=(kubernetes edge-api node coredns helm helm3) ;;
    chart) peers+=(helm helm3 helm-unittest helm-docs promtool manifests) ;;
    *) peers+=("$name") ;;
    esac
done
for peer in "${peers[@]}"; do
    case $peer in
    kubernetes)
        build kubernetes kubernetes kubernetes \
            "building kube-apiserver $kubernetes_version and etcd from Go modules, about 5 minutes the first time" \
            . "${kubernetes_flags[@]}"
        ;;
    node)
        build node kubernetes node \
            "building kubelet, kubectl and the rest of Kubernetes $kubernetes_version, some minutes the first time" \
            ./node "${kubernetes_flags[@]}"
        ;;
    coredns)
        build coredns coredns coredns "building CoreDNS from Go modules, about a minute the first time" . "${small_flags[@]}"
        ;;
    helm)
        build helm helm helm "building Helm 4 from its Go module, a minute or two the first time" \
            helm.sh/helm/v4/cmd/helm "${small_flags[@]}"
        ;;
    helm3)
        build helm3 helm helm "building Helm 3 from its Go module, half a minute after Helm 4" \
            helm.sh/helm/v3/cmd/helm "${small_flags[@]}"
        ;;
    helm-unittest)
        build helm-unittest helm helm-unittest \
            "building helm-unittest from its Go module, some seconds after Helm 3" \
            github.com/helm-unittest/helm-unittest/cmd/helm-unittest "${small_flags[@]}"
        ;;
    helm-docs)
        build helm-docs chart/tools/helm-docs helm-docs "building helm-docs from its Go module, some seconds after Helm 3" \
            github.com/norwoodj/helm-docs/cmd/helm-docs "${small_flags[@]}"
        ;;
    promtool)
        # Debian's is of an older version, which users' Prometheus may be as well, and needs no
        # compiler: what Prometheus is made of takes four minutes of a processor.
        debian=$cache/promtool-debian/usr/bin/promtool
        if command -v promtool >/dev/null; then
            echo "promtool=$(command -v promtool)"
            continue
        fi
        [ -x "$debian" ] || unpack prometheus "$cache/promtool-debian"
        if [ -x "$debian" ]; then
            echo "promtool=$debian"
        else
            build promtool chart/tools/promtool promtool \
                "building promtool from Prometheus' Go module, about two minutes the first time" \
                github.com/prometheus/prometheus/cmd/promtool -tags remove_all_sd "${small_flags[@]}"
        fi
        ;;
    manifests)
        build manifests chart/tools/manifests manifests "building the reader of manifests, half a minute the first time" \
            . "${small_flags[@]}"
        ;;
    edge-api)
        build edge-api edge-api httpapi \
            "building Flotta's Edge API from its Go module, about 2 minutes the first time" \
            github.com/project-flotta/flotta-operator/cmd/httpapi "${small_flags[@]}"
        ;;
    operator)
        build operator edge-api manager \
            "building Flotta's operator from its Go module, some seconds after the Edge API" \
            github.com/project-flotta/flotta-operator/cmd/manager "${small_flags[@]}"
        ;;
    *)
        echo "build-peers: unknown program '$peer'; known are kubernetes, edge-api, operator, node, coredns, helm, helm3, helm-unittest, helm-docs, promtool, manifests, and the sets cluster and chart" >&2
        exit 2
        ;;
    esac
done

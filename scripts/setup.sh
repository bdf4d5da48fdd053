#!/bin/bash
# Installs what a make target needs and this machine lacks. Does nothing, and asks nobody, when
# everything is there.
#
# usage: scripts/setup.sh NEED...
#   cc:         C and C++ compilers (SQLite, the cryptography and libFuzzer are compiled from C and C++)
#   postgres:   PostgreSQL's server programs; tests start servers of their own on free ports
#   shell:      shellcheck, the checker of shell scripts
#   python:     Python with its module venv; the schemas of Kubernetes come as a Python package
#   rust:       cargo and rustc, with the components rustfmt and clippy
#   go:         the Go toolchain (checked only: Go and Rust are what the reader brings)
#   cluster:    what a node of a throwaway Kubernetes needs of the system: containerd, runc, network plugins, nftables
#   deny:       cargo-deny, compiled by cargo: some minutes, once
#
# System packages come from apt, so elsewhere than on Debian and its kin this says what to install
# by hand.
set -euo pipefail

deny_version=0.20.2
packages=()

say() { echo "setup: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
has_cluster() {
    # Root's programs may be missing in other users' PATH.
    local program PATH=$PATH:/usr/sbin:/sbin
    for program in containerd ctr runc nft ip iptables curl openssl nsenter; do
        has "$program" || return
    done
    [ -x /usr/lib/cni/bridge ]
}
has_python() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

install_packages() {
    [ ${#packages[@]} -gt 0 ] || return 0
    has apt-get || fail "${packages[*]} missing, and there is no apt-get here; install them by hand and start again"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || fail "${packages[*]} missing; installing needs root: run 'apt-get install ${packages[*]}' as root and start again"
        root=(sudo)
    fi
    say "installing ${packages[*]} with apt-get"
    # Debian's package would make a cluster and start it; tests start servers of their own. Only for
    # this installation.
    local no_cluster=
    if [[ " ${packages[*]} " == *" postgresql "* ]]; then
        no_cluster=/etc/postgresql-common/createcluster.d/flotta-companion.conf
        "${root[@]}" mkdir -p "$(dirname "$no_cluster")"
        echo 'create_main_cluster = false' | "${root[@]}" tee "$no_cluster" >/dev/null
    fi
    local done_well=1
    "${root[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists that are there"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 || done_well=
    [ -z "$no_cluster" ] || "${root[@]}" rm -f "$no_cluster"
    [ -n "$done_well" ] || fail "apt-get could not install ${packages[*]}; its reason is above"
}

component() {
    has "$2" && "$2" --version >/dev/null 2>&1 && return
    has rustup || fail "$1 is missing and there is no rustup; install the component with whatever installed Rust"
    say "adding the Rust component $1"
    rustup component add "$1" >&2
}

for need in "$@"; do
    case $need in
    cc) { has cc && has c++; } || packages+=(g++) ;;
    postgres) has_postgres || packages+=(postgresql) ;;
    shell) has shellcheck || packages+=(shellcheck) ;;
    python) has_python || packages+=(python3-venv) ;;
    cluster) has_cluster || packages+=(containerd runc containernetworking-plugins nftables iproute2 iptables curl openssl util-linux) ;;
    rust | go | deny) ;;
    *) fail "unknown need '$need'" ;;
    esac
done
install_packages

for need in "$@"; do
    case $need in
    rust)
        has cargo || fail "Rust is not installed; install the toolchain named in Cargo.toml (rust-version) and start again"
        component rustfmt cargo-fmt
        component clippy cargo-clippy
        ;;
    go) has go || fail "Go is not installed; the tests build the real Edge API and kube-apiserver with it" ;;
    deny)
        # cargo also looks into its own bin folder, which may not be in PATH.
        cargo deny --version >/dev/null 2>&1 && continue
        say "compiling cargo-deny $deny_version, once; some minutes on two cores"
        # Its own profile optimises the whole program as one piece, which takes longer than all that
        # it will ever check here.
        CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
            cargo install --locked "cargo-deny@$deny_version" >&2
        ;;
    esac
done

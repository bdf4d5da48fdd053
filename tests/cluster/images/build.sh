#!/bin/bash
# Builds container images FROM scratch, as OCI archives, without a container engine or a registry:
#   pause                what every pod of the test cluster starts with
#   edge-api             Flotta's Edge API, from its published Go module
#   edge-config-server   our server: one static program, no user of its own, nothing to write to
#   flotta-companion     our companion, of the same kind
#
# usage: tests/cluster/images/build.sh [IMAGE...]      (all when none is named)
#
# Prints one line "image=archive" per image on stdout; progress goes to stderr. Archives are kept in
# $FLOTTA_CACHE, each under a hash of what is in it. Our own programs are linked to the C library
# statically, with the compiler that is there: a program for musl would need another toolchain and
# allocates more slowly.
#
#   IMAGE_PROFILE=dev   how throwaway clusters have them: bigger and slower, made of what tests are made of, so that next to
#                       nothing is compiled for them (default: release)
#   CARGO_TARGET_DIR    where the tests' build is (default: target in the clone)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
cache=${FLOTTA_CACHE:-$HOME/.cache/flotta-companion}
registry=flotta-companion.test
profile=${IMAGE_PROFILE:-release}
# Of our own images; others' are as big as they are.
most_bytes=$((20 * 1024 * 1024))
triple=$(rustc -vV | sed -n 's/^host: //p')

# static_program PACKAGE: builds it and prints where it is.
static_program() {
    local static='-C target-feature=+crt-static' target=${CARGO_TARGET_DIR:-$root/target} built
    if [ "$profile" = dev ]; then
        # Only the link differs from the programs that tests start; tests/testkit/src/binary.rs
        # links the server so too.
        built=$target/static/debug/$1
        # shellcheck disable=SC2086  # an option and its value
        CARGO_BUILD_BUILD_DIR=$target cargo rustc --verbose --manifest-path "$root/Cargo.toml" --locked --target-dir "$target/static" \
            --package "$1" --bin "$1" -- $static >&2 || return
    else
        # Named target: without it the flag would reach build scripts and procedural macros, which
        # are loaded dynamically.
        built=$cache/static/$triple/$profile/$1
        RUSTFLAGS=$static cargo build --manifest-path "$root/Cargo.toml" --locked --profile "$profile" \
            --target "$triple" --target-dir "$cache/static" --package "$1" >&2 || return
    fi
    # Names of functions are a fifth of it, and only a backtrace shows them. Put in place whole:
    # clusters that are brought up side by side each build, and must not read what another is
    # writing.
    strip -o "$built-stripped.$$" "$built" && mv "$built-stripped.$$" "$built-stripped" || return
    echo "$built-stripped"
}

# image NAME USER PROGRAM PATH [FLAG...]
image() {
    local name=$1 user=$2 program=$3 path=$4
    shift 4
    local archive
    archive=$cache/images/$name-$({
        cat "$here/main.go" "$program"
        echo "$@" "$user" "$path"
    } | sha256sum | cut -c1-16).tar
    if [ ! -e "$archive" ]; then
        mkdir -p "$cache/images"
        local staging
        staging=$(mktemp "$cache/images/.$name.XXXXXX")
        go -C "$here" run . -o "$staging" -name "$registry/$name:1" -user "$user" "$@" "$program=$path" >&2 || {
            rm -f "$staging"
            exit 1
        }
        mv "$staging" "$archive"
    fi
    echo "$name=$archive"
}

own_image() {
    local program line size
    # Within $() a failure ends nothing but the substitution.
    program=$(static_program "$1") || exit
    line=$(image "$1" 65532:65532 "$program" "/$1") || exit
    size=$(stat -c %s "${line#*=}")
    [ "$profile" != release ] || [ "$size" -le $most_bytes ] || {
        echo "images: $1 has $size bytes; more than $most_bytes are not wanted" >&2
        exit 1
    }
    echo "$line"
}

[ $# -gt 0 ] || set -- pause edge-api edge-config-server flotta-companion
for name in "$@"; do
    case $name in
    pause)
        program=$cache/images/pause-program
        mkdir -p "$cache/images"
        cc -O2 -static -s -Wall -Wextra -Werror -o "$program.$$" "$here/pause/pause.c"
        mv "$program.$$" "$program"
        image pause 65535:65535 "$program" /pause
        ;;
    edge-api)
        program=$("$root/tests/build-peers.sh" edge-api | sed -n 's/^edge-api=//p') || exit
        image edge-api 65532:65532 "$program" /flotta-edge-api
        ;;
    edge-config-server | flotta-companion) own_image "$name" ;;
    *)
        echo "images: there is no image '$name'; there are pause, edge-api, edge-config-server and flotta-companion" >&2
        exit 2
        ;;
    esac
done

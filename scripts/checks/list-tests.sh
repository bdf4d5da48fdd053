#!/bin/bash
# Makes a makefile of the test programs that cargo has built: one check for each, so that they run
# side by side.
#
# usage: scripts/checks/list-tests.sh FOLDER <MESSAGES     (MESSAGES: of cargo build --message-format json)
#   FOLDER     gets tests.mk, and tests.list with the names of the checks
#
# Each is run as `cargo test` runs it, in the folder of its package. Those that take long are listed
# first.
set -euo pipefail

# What takes long is begun first, in this order.
long='flotta-e2e/ flotta-differential/ flotta-companion/ edge-config-server/ flotta-store/ flotta-manifests/'

# Cargo also says of other programs that their sources could have tests; one that is a test says so
# in its profile.
messages=$(grep -E '"reason":"compiler-artifact".*"profile":\{[^}]*"test":true\}.*"executable":"' || true)

# FOLDER PACKAGE TARGET PROGRAM
list=$(sed -nE 's/.*"package_id":"[^"]*[#/]([a-z0-9-]+)@[^"]*","manifest_path":"([^"]*)\/Cargo\.toml","target":\{"kind":\["([^"]*)"\].*"name":"([^"]*)","src_path":.*"executable":"([^"]*)".*/\2 \1 \3-\4 \5/p' <<<"$messages" |
    sed -E 's/ test-([^ ]* [^ ]*)$/ \1/' |
    awk -v long="$long" '{ at = index(long, $2 "/"); print (at ? at : 999), $0 }' | sort -n | cut -d ' ' -f 2-)
if [ -z "$list" ] || [ "$(wc -l <<<"$list")" -ne "$(wc -l <<<"$messages")" ]; then
    echo "list-tests: not all test programs were understood that cargo has built; look at the form of its messages" >&2
    exit 1
fi

awk '{ print "tests/" $2 "/" $3 }' <<<"$list" >"$1/tests.list"
{
    echo ".PHONY: all $(paste -sd ' ' "$1/tests.list")"
    echo "all: $(paste -sd ' ' "$1/tests.list")"
    awk '{ printf "tests/%s/%s:\n\t@cd %s && CARGO_MANIFEST_DIR=%s $(CURDIR)/scripts/checks/run.sh $@ %s\n", $2, $3, $1, $1, $4 }' <<<"$list"
} >"$1/tests.mk"

#!/bin/bash
# Whether licences, sources and versions of dependencies are as deny.toml allows, in both
# workspaces.
#
# usage: scripts/checks/dependencies.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo deny --locked check --hide-inclusion-graph bans licenses sources
cargo deny --config deny.toml --manifest-path tests/fuzz/Cargo.toml --locked check \
    --allow unmatched-skip --hide-inclusion-graph bans licenses sources

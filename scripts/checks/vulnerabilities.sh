#!/bin/bash
# Whether a dependency has a known vulnerability. The database is fetched, which not everybody who
# builds can do: then it says so, and the report lists it as skipped.
#
# usage: scripts/checks/vulnerabilities.sh    (CHECKS: folder of this run)
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! timeout 120 cargo deny fetch db; then
    echo 'known vulnerabilities: the RustSec database could not be fetched' >"$CHECKS/vulnerabilities.skipped"
    echo 'SKIPPED: the RustSec database could not be fetched; the reason is above'
    exit
fi
cargo deny --locked check --disable-fetch advisories

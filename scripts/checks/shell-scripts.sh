#!/bin/bash
# Whether shellcheck has nothing to say about any shell script, found by its first line.
#
# usage: scripts/checks/shell-scripts.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t files < <(find . \( -name .git -o -name target -o -name data \) -prune -o -type f -print0 |
    xargs -0 awk 'FNR == 1 { if (/^#!.*[\/ ](ba)?sh/) print FILENAME; nextfile }')
[ ${#files[@]} -gt 0 ]
shellcheck -x "${files[@]}"
echo "${#files[@]} scripts"

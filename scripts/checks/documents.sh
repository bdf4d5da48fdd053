#!/bin/bash
# Whether the documents speak of what is there: make targets, commands of the server, files.
#
# usage: scripts/checks/documents.sh    (EDGE_CONFIG_SERVER: the server)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

server=${EDGE_CONFIG_SERVER:?names the server}
mapfile -t documents < <(find . -maxdepth 1 -name '*.md'; find docs -name '*.md')
wrong=0
complain() {
    echo "documents: $*" >&2
    wrong=1
}

while read -r target; do
    make --no-print-directory --dry-run "$target" >/dev/null 2>&1 || complain "there is no 'make $target'"
done < <(grep -oh '\(^\|`\)make [a-z][a-z0-9]*' "${documents[@]}" | sed 's/.*make //' | sort -u)

while read -r command; do
    read -ra words <<<"$command"
    "$server" "${words[@]}" --help >/dev/null 2>&1 || complain "there is no 'edge-config-server $command'"
done < <(grep -oh '\(^\|`\)edge-config-server [a-z][a-z -]*' "${documents[@]}" |
    sed 's/^`*edge-config-server //; s/ *--.*//; s/ *$//' | sort -u)

for document in "${documents[@]}"; do
    while read -r link; do
        [ -e "$(dirname "$document")/${link%%#*}" ] || complain "$document links to $link, which is not there"
    done < <(grep -o '](\([^)]*\))' "$document" | sed 's/^](//; s/)$//' | grep -v '^\(http\|#\)')
done

[ $wrong -eq 0 ] && echo "documents: ${#documents[@]} documents, every target, command and link is there"
exit $wrong

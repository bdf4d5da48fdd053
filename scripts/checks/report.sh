#!/bin/bash
# Says of a run of checks what was slowest, what was built and why, what failed, and, in the last
# line, how many passed.
#
# usage: scripts/checks/report.sh FOLDER CHECK...
#   FOLDER     where run.sh has left NAME.result (passed, failed, seconds, seconds of processors, name) and NAME.log
#   CHECK      what was asked for; one without a result was not run, and counts as failed
set -uo pipefail
cd "$1" || exit
shift

results() { find . -name '*.result' -exec cat {} +; }
# Scenarios of clusters, as they tell them.
scenarios() { grep -rhoE --include='*.log' '^--- [a-z-]+/[a-z0-9-]+: .*(passed in|FAILED after) [0-9]+ s' . | sed -E 's/^--- ([^:]*):.* ([0-9]+) s$/\2\t-\t\1/'; }

slowest() {
    printf '%8s %10s  %s\n' seconds processor "$1"
    sort -t $'\t' -k 1,1nr | head -n 10 | awk -F '\t' '{ printf "%8.0f %10s  %s\n", $1, ($2 == "-" ? "" : sprintf("%.0f", $2)), $3 }'
    echo
}

# What cargo has compiled, by reason; what stands in its logs is "Dirty NAME VERSION (PATH):
# REASON".
built() {
    local log name
    while read -r log; do
        name=${log#./}
        awk -v name="${name%.log}" '
            /^ +(Compiling|Checking|Documenting) / { crates++; ours += / \(.*\)$/ }
            /^ +Dirty / { sub(/^[^:]*: /, ""); gsub(/`[^`]*`/, "..."); sub(/ \(.*/, ""); sub(/the dependency .* was rebuilt/, "a dependency was rebuilt"); reasons[$0]++; dirty++ }
            END {
                if (!crates) exit
                text = ""
                for (reason in reasons) text = text sprintf("; %d: %s", reasons[reason], reason)
                printf "%s: %d crates, %d of them ours (%d were not there yet%s)\n", name, crates, ours, crates - dirty, text
            }' "$log"
        # Programs of others, see tests/build-peers.sh.
        awk -v name="${name%.log}" '/^building / { sub(/, .*/, ""); text = $0 } /^  done in / && text { print name ": " text ", not there yet,", $3, $4; text = "" }' "$log"
    done < <(find . -name '*.log' | sort)
}

echo
results | awk -F '\t' -v OFS='\t' '{ print $3, $4, $5 }' | slowest 'check'
[ -z "$(scenarios)" ] || scenarios | slowest 'scenario'
echo 'built:'
built | sed 's/^/  /'
echo "seconds of processors: $(results | awk -F '\t' '{ s += $4 } END { printf "%.0f", s }') in $(($(date +%s) - $(cat began))) s"

read -r passed failed < <(results | awk -F '\t' '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
echo
find . -name '*.skipped' -exec sed 's/^/skipped: /' {} +
while IFS=$'\t' read -r _ _ _ _ name; do
    echo "failed: $name $(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$name.log" | paste -sd ' ')"
done < <(results | awk -F '\t' '$2 > 0')
for check; do
    [ -e "$check.result" ] && continue
    failed=$((failed + 1))
    echo "failed: $check was not run, since what it needs has failed"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/bin/bash
# Checks the chart without a cluster. Every check runs, also after a failure; the last line counts.
#
# usage: tests/chart/run.sh            check
#        tests/chart/run.sh --write    write what is made from the chart anew: golden files, README.md, deploy/
#   EDGE_CONFIG_SERVER, FLOTTA_COMPANION   our programs, where they were built already (default: cargo is asked)
#
# What others have written and is used here is built or installed once, in $FLOTTA_CACHE: some five
# minutes on two idle cores of a fresh machine, nothing later. Each build says how long it took.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

chart=charts/flotta-companion
here=tests/chart
cache=${FLOTTA_CACHE:-$HOME/.cache/flotta-companion}
# The oldest that Chart.yaml allows.
oldest=$(sed -n 's/^kubeVersion: ">=\([0-9.]*\)\.0-0"$/\1/p' "$chart/Chart.yaml")
write=
[ "${1:-}" != --write ] || write=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

passed=0 failed=0
# check NAME COMMAND...: what it says is shown when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $name"
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
        sed 's/^/    /' "$work/said"
    fi
}

start=$SECONDS
programs=$(tests/build-peers.sh chart) || exit
program() { sed -n "s/^$1=//p" <<<"$programs"; }
helm4=$(program helm) helm3=$(program helm3)
# Never the user's own plugins and repositories.
export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm HELM_PLUGINS=$work/helm

# Python packages with the schemas of Kubernetes, in an environment of their own.
python() {
    local home
    home=$cache/chart-python-$(cat "$here/requirements.txt" <(python3 --version) | sha256sum | cut -c1-16)
    if [ ! -e "$home/installed" ]; then
        echo "installing the schemas of Kubernetes with pip, some seconds" >&2
        rm -rf "$home"
        python3 -m venv "$home" && "$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 &&
            touch "$home/installed" || return
    fi
    "$home/bin/python" "$@"
}

python -c 'import kubernetes_validate' || exit
echo "programs of others: ready in $((SECONDS - start)) s"

# The chart with its defaults, and with each example.
cases=(defaults)
for example in examples/values-*.yaml; do
    name=${example#examples/values-}
    cases+=("${name%.yaml}")
done
values() { [ "$1" = defaults ] || echo "--values=examples/values-$1.yaml"; }
# Without the commentary of which file each object is from.
rendered() {
    local helm=$1 arguments
    mapfile -t arguments < <(values "$2")
    "$helm" template flotta-companion "$chart" --namespace flotta --kube-version "$oldest" "${arguments[@]}" "${@:3}"
}

lint() {
    local arguments
    mapfile -t arguments < <(values "$2")
    "$1" lint --strict "$chart" --namespace flotta "${arguments[@]}"
}

golden() {
    rendered "$helm3" "$1" >"$work/$1.yaml" || return
    [ -z "$write" ] || cp "$work/$1.yaml" "$here/golden/$1.yaml"
    diff -u "$here/golden/$1.yaml" "$work/$1.yaml"
}

# Helm's versions differ in empty lines.
both_alike() { rendered "$helm4" "$1" >"$work/four.yaml" && diff -uB "$work/$1.yaml" "$work/four.yaml"; }

# Each line of refused.txt.
refused() {
    local line words arguments helm said wrong=0 lines=0
    while IFS= read -r line; do
        [[ $line && $line != '#'* ]] || continue
        lines=$((lines + 1))
        words=${line#* => }
        read -ra arguments <<<"${line%% => *}"
        for helm in "$helm3" "$helm4"; do
            if said=$("$helm" template flotta-companion "$chart" --namespace flotta --kube-version "$oldest" "${arguments[@]}" 2>&1); then
                echo "not refused: ${arguments[*]}"
                wrong=1
            elif ! grep -qF -- "$words" <<<"$said"; then
                echo "${arguments[*]} is refused without '$words': $said"
                wrong=1
            fi
        done
    done <"$here/refused.txt"
    [ "$lines" -gt 30 ] && [ $wrong -eq 0 ]
}

names_of_alerts() { sed -n 's/^ *- alert: //p' "$work/rules.yaml"; }

# The alerts as the chart renders them, with every alert in the test.
alerts() {
    local alert
    rendered "$helm3" postgres --show-only templates/monitoring/prometheusrule.yaml |
        sed -n '/^spec:/,$ p' | sed '1d; s/^  //' >"$work/rules.yaml"
    cp "$here/alerts/alerts_test.yaml" "$work/" && "$promtool" check rules "$work/rules.yaml" &&
        "$promtool" test rules "$work/alerts_test.yaml" || return
    while read -r alert; do
        grep -q "ALERTS{alertname=\"$alert\", alertstate=\"firing\"}" "$here/alerts/alerts_test.yaml" && continue
        echo "$alert is in no test"
        return 1
    done < <(names_of_alerts)
}

# An alert that says something else must not pass: the tests of alerts are tested, once, with every
# threshold turned round.
alerts_are_tested() {
    sed 's/ == 1$/ == 7/; s/ == 0$/ == 7/; s/ > \([0-9.]*\)$/ > 1e18/; s/ < [0-9]* \* 86400$/ < -1e18/; s/absent(/absent(up) and absent(/' \
        "$work/rules.yaml" >"$work/mutant.yaml"
    sed 's/rules.yaml/mutant.yaml/' "$work/alerts_test.yaml" >"$work/mutant_test.yaml"
    local alert said
    said=$("$promtool" test rules "$work/mutant_test.yaml" 2>&1)
    while read -r alert; do
        grep -q "alertname=.*$alert.*firing" <<<"$said" && continue
        echo "the test of $alert passes with another threshold"
        return 1
    done < <(names_of_alerts)
}

dashboard() { python "$here/dashboard.py" "$chart/monitoring" crates/server/src/metrics crates/companion/src/metrics.rs >"$work/panels.yaml" &&
    "$promtool" check rules "$work/panels.yaml"; }

readme() {
    "$(program helm-docs)" --chart-search-root "$chart" --dry-run --log-level error >"$work/README.md" || return
    [ -z "$write" ] || cp "$work/README.md" "$chart/README.md"
    diff -u "$chart/README.md" "$work/README.md"
}

plain() {
    deploy/render.sh "$helm3" >"$work/deploy.yaml" || return
    [ -z "$write" ] || cp "$work/deploy.yaml" deploy/flotta-companion.yaml
    diff -u deploy/flotta-companion.yaml "$work/deploy.yaml"
}

# What the programs say of themselves: those that were built already, if somebody says so.
built_or_run() {
    local built=$1 package=$2
    shift 2
    if [ -n "$built" ]; then "$built" "$@"; else cargo run --quiet --locked --package "$package" -- "$@"; fi
}
companion() { built_or_run "${FLOTTA_COMPANION:-}" flotta-companion "$@"; }
server() { built_or_run "${EDGE_CONFIG_SERVER:-}" edge-config-server "$@"; }
definition() {
    companion crd >"$work/crd.yaml" || return
    [ -z "$write" ] || cp "$work/crd.yaml" "$chart/crds/remotebackends.yaml"
    diff -u "$chart/crds/remotebackends.yaml" "$work/crd.yaml"
}

# Every setting of the server is one that the chart knows, as its own or as the user's.
settings() {
    server serve --help >"$work/help" || return
    sed -n 's/^ *\(-[a-z], \)\?--\([a-z-]*\).*/\2/p' "$work/help" | grep -vx 'help' | sort -u >"$work/offered"
    sed -n '/define "flotta-companion.settings/ { n; p }' "$chart/templates/_checks.tpl" | tr ' ' '\n' | sort >"$work/known"
    diff -u "$work/known" "$work/offered"
}

version() {
    local version
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
    grep -qx "version: $version" "$chart/Chart.yaml" && grep -qx "appVersion: \"$version\"" "$chart/Chart.yaml" && return
    echo "Chart.yaml is not of version $version, which Cargo.toml names"
    return 1
}

promtool=$(program promtool)
for case in "${cases[@]}"; do
    check "$case: Helm 3 has nothing to complain of" lint "$helm3" "$case"
    check "$case: Helm 4 has nothing to complain of" lint "$helm4" "$case"
    check "$case: renders as in golden/$case.yaml" golden "$case"
    check "$case: Helm 4 renders the same" both_alike "$case"
    check "$case: pods are restricted, monitors are understood" "$(program manifests)" <"$work/$case.yaml"
done
manifests=("${cases[@]/#/$work/}")
check "the schemas of Kubernetes $oldest and newer, and of RemoteBackend" \
    python "$here/schemas.py" "$chart/crds/remotebackends.yaml" "$oldest" "${manifests[@]/%/.yaml}"
check 'what cannot work is refused in a sentence' refused
check 'unit tests' "$(program helm-unittest)" --strict --file "../../$here/unit/*.yaml" "$chart"
check 'every alert fires, and is quiet when all is well' alerts
check 'the tests of alerts notice another threshold' alerts_are_tested
check 'alerts and dashboard ask for metrics that there are' dashboard
check 'README.md is made from values.yaml' readme
check 'deploy/ is made from the chart' plain
check 'the CustomResourceDefinition is that of the companion' definition
check 'the version is that of the programs' version
check 'settings are those of the server' settings

[ -z "$write" ] || echo "written: $here/golden, $chart/README.md, deploy/flotta-companion.yaml, $chart/crds; read them before they are committed"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

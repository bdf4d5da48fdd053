"""Watches a cluster with the chart and compares the connections of its pods with the NetworkPolicies of the chart, which the
cluster need not enforce: a connection that a policy would stop is a fault, a rule that nothing used is told.

usage: connections.py SECONDS [POLICIES.yaml]      (inside the network of the node, as root, with kubectl in PATH)
       connections.py - [POLICIES.yaml]            (until standard input ends; so do the scenarios of make e2e)

The policies are those of the cluster (install the chart with networkPolicy.enabled=true), or those in a file that was rendered
with the values of the release: `tests/cluster/enter.sh FOLDER python3 tests/chart/connections.py 60`.
With a file it needs PyYAML. Connections are those that the node's kernel
tracks (/proc/net/nf_conntrack), after the address of a Service was replaced by a pod's. What comes from the node itself are
probes, which no NetworkPolicy stops.
"""

import json
import pathlib
import re
import select
import subprocess
import sys
import time

NAMESPACE = "flotta"
TRACKED = re.compile(r"(tcp|udp) .*? src=(\S+) .*? src=(\S+) dst=\S+ sport=(\d+) ")


def pods():
    """Labels by address, of pods in the namespace; None for those elsewhere."""
    command = ["kubectl", "get", "pods", "--all-namespaces", "--output=json"]
    answer = subprocess.run(command, capture_output=True, check=False, timeout=30)
    found = {}
    if answer.returncode:
        # A test may be restarting the API server: what was seen before is known still.
        return found
    for pod in json.loads(answer.stdout)["items"]:
        if "podIP" in pod["status"] and not pod["spec"].get("hostNetwork"):
            meta = pod["metadata"]
            found[pod["status"]["podIP"]] = meta.get("labels", {}) if meta["namespace"] == NAMESPACE else None
    return found


def connections():
    """Protocol, caller's address, address and port that answered."""
    for line in pathlib.Path("/proc/net/nf_conntrack").read_text(encoding="utf-8").splitlines():
        match = TRACKED.search(line)
        if match:
            protocol, caller, answerer, port = match.groups()
            yield protocol.upper(), caller, answerer, int(port)


def selects(selector, labels):
    return labels is not None and selector.get("matchLabels", {}).items() <= labels.items()


def lets(rule, peers, labels, protocol, port):
    """Whether a rule lets a connection with such a peer through."""
    ports = rule.get("ports")
    if ports and not any(entry["protocol"] == protocol and entry["port"] == port for entry in ports):
        return False
    return peers not in rule or any(selects(peer["podSelector"], labels) for peer in rule[peers] if "podSelector" in peer)


def judge(policies, side, peers, labels, peer, protocol, port, used):
    """Whether all policies that select a pod let the connection through; none that selects it lets everything through."""
    selected = [policy for policy in policies if selects(policy["spec"]["podSelector"], labels)]
    rules = [(policy["metadata"]["name"], rule) for policy in selected for rule in policy["spec"].get(side, [])]
    letting = [(name, rule) for name, rule in rules if lets(rule, peers, peer, protocol, port)]
    used.update((side, name, json.dumps(rule)) for name, rule in letting)
    return not selected or bool(letting)


def in_force():
    command = ["kubectl", "get", "networkpolicies", f"--namespace={NAMESPACE}", "--output=json"]
    answer = subprocess.run(command, capture_output=True, check=False, timeout=30)
    return [] if answer.returncode else json.loads(answer.stdout)["items"]


def rendered(path):
    import yaml  # Not needed, and so not asked for, where the policies are those of the cluster.

    documents = yaml.safe_load_all(pathlib.Path(path).read_text(encoding="utf-8"))
    return [document for document in documents if document and document["kind"] == "NetworkPolicy"]


def name_of(labels):
    labels = labels or {}
    return labels.get("app.kubernetes.io/name", labels.get("app", "elsewhere"))


def looks(seconds):
    """Every two seconds, until the time is over or standard input has ended."""
    end = None if seconds == "-" else time.monotonic() + float(seconds)
    while end is None or time.monotonic() < end:
        yield
        if end is not None:
            time.sleep(2)
        elif select.select([sys.stdin], [], [], 2)[0] and not sys.stdin.buffer.read1():
            break
    yield


def main(seconds, path=None):
    # Judged in the end: a pod is often called before it is listed with its address.
    addresses, tracked, policies = {}, set(), rendered(path) if path else []
    for _ in looks(seconds):
        tracked.update(connections())
        addresses.update(pods())
        # Of the last time that there were any: a test may have removed them since.
        policies = policies if path else in_force() or policies
    seen, used = {}, set()
    for protocol, caller, answerer, port in tracked:
        source, target = addresses.get(caller), addresses.get(answerer)
        if source is None and target is None:
            continue
        goes = judge(policies, "egress", "to", source, target, protocol, port, used)
        # From the node or from elsewhere: only a pod can be told by its labels.
        comes = caller not in addresses or judge(policies, "ingress", "from", target, source, protocol, port, used)
        connection = f"{name_of(source)} -> {name_of(target)} {protocol} {port}"
        seen[connection] = seen.get(connection, True) and goes and comes
    for connection, passes in sorted(seen.items()):
        print(f"seen: {connection}" + ("" if passes else " WOULD BE STOPPED"))
    for policy in policies:
        for side in ("ingress", "egress"):
            for rule in policy["spec"].get(side, []):
                if (side, policy["metadata"]["name"], json.dumps(rule)) not in used:
                    print(f"not used: {side} of {policy['metadata']['name']}: {json.dumps(rule)}")
    return 0 if policies and seen and all(seen.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

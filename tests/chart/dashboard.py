"""Whether alerts and dashboard ask for metrics that the programs have, and prints the dashboard's expressions as rules, so that
promtool can read them.

usage: dashboard.py FOLDER METRICS...      (METRICS: a file of Rust, or a folder of them with one prefix)
"""

import json
import pathlib
import re
import sys

import yaml

PREFIXES = ("edge_config_", "flotta_companion_")
UNITS = ("_total", "_bucket", "_sum", "_count")


def registered(sources):
    """Names as the programs register them: prefix, name, and the unit at its end."""
    names = set()
    for source in sources:
        source = pathlib.Path(source)
        files = sorted(source.glob("*.rs")) if source.is_dir() else [source]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        prefix = re.search(r'with_prefix\("(\w+)"\)', text).group(1)
        for call, name, rest in re.findall(r'\.register(_with_unit)?\(\s*"(\w+)"(.*?)\);', text, re.S):
            unit = "_seconds" if call and "Unit::Seconds" in rest else ""
            names.add(f"{prefix}_{name}{unit}")
    return names


def asked(expression):
    for name in re.findall(r"\b[a-z_]+\b", expression):
        if name.startswith(PREFIXES):
            for unit in UNITS:
                name = name.removesuffix(unit)
            yield name


def main(folder, *sources):
    folder = pathlib.Path(folder)
    board = json.loads((folder / "dashboard.json").read_text(encoding="utf-8"))
    panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    groups = yaml.safe_load((folder / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule["expr"] for group in groups for rule in group["rules"]]
    names = registered(sources)
    unknown = sorted({name for expression in panels + alerts for name in asked(expression)} - names)
    for name in unknown:
        print(f"{name} is no metric of the programs", file=sys.stderr)
    variables = {"$__rate_interval": "5m", "$namespace": "flotta"}
    rules = []
    for number, expression in enumerate(panels):
        for variable, value in variables.items():
            expression = expression.replace(variable, value)
        rules.append({"record": f"panel:{number}", "expr": expression})
    print(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    return 1 if unknown or not panels or not alerts or len(names) < 20 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

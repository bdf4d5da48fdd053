"""Checks rendered manifests against the schemas of every Kubernetes version that the chart supports, and each RemoteBackend
against the chart's own CustomResourceDefinition. Unknown fields are faults.

usage: schemas.py CRD.yaml OLDEST MANIFEST.yaml...

The schemas come with the package kubernetes-validate. Kinds of the Prometheus Operator have none there; they are checked by
tools/manifests.
"""

import copy
import sys

import jsonschema
import yaml
from kubernetes_validate import utils

ELSEWHERE = {"ServiceMonitor", "PrometheusRule"}


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def strict(schema):
    """The schema with every unknown field refused, and null where it may be."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    if schema.pop("nullable", False) and "type" in schema:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def custom(crd):
    """Validators of the served versions of a CustomResourceDefinition, by apiVersion and kind."""
    spec = crd["spec"]
    found = {}
    for version in spec["versions"]:
        schema = strict(copy.deepcopy(version["schema"]["openAPIV3Schema"]))
        schema["properties"].update({"apiVersion": {}, "kind": {}, "metadata": {}})
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = validator
    return found


def fault_of(document, version, validators):
    validator = validators.get((document["apiVersion"], document["kind"]))
    try:
        if validator:
            validator.validate(document)
        else:
            utils.validate(document, version, strict=True)
    except jsonschema.ValidationError as error:
        return f"{'.'.join(str(part) for part in error.path)}: {error.message}"
    except utils.SchemaNotFoundError as error:
        return error.message
    return None


def number(version):
    return [int(part) for part in version.split(".")[:2]]


def main(crd, oldest, *paths):
    versions = [utils.major_minor(version) for version in utils.all_versions()]
    versions = [version for version in dict.fromkeys(versions) if number(version) >= number(oldest)]
    definitions = documents(crd)
    validators = custom(definitions[0])
    checked = 0
    faults = []
    for version in versions:
        for path in [crd, *paths]:
            for document in documents(path):
                if document["kind"] in ELSEWHERE:
                    continue
                checked += 1
                fault = fault_of(document, version, validators)
                if fault:
                    name = document["metadata"]["name"]
                    faults.append(f"{path}: Kubernetes {version}: {document['kind']} {name}: {fault}")
    for fault in faults:
        print(fault, file=sys.stderr)
    if not checked:
        print(f"schemas: nothing was checked; there is no schema for Kubernetes {oldest} or newer", file=sys.stderr)
        return 1
    print(f"{checked} objects, Kubernetes {versions[0]} to {versions[-1]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Checks files against the JSON Schemas with a reader that is not ours.

usage: validate_schemas.py SCHEMA_FOLDER REPOSITORY
"""
import json
import pathlib
import re
import sys

import jsonschema
import yaml

# Refused by the program for reasons a JSON Schema can state too.
BAD = ["unknown_key", "unknown_nested_key", "missing_unit", "wrong_unit", "negative_fraction", "missing_model",
       "no_version", "future_version", "zero_output", "unknown_precision", "candidates_not_a_list"]


class Loader(yaml.SafeLoader):
    """Scalars as in YAML 1.2: no dates, and 671e9 is a number."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:float",
                             re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$"),
                             list("-+.0123456789"))


def errors_of(validator, path):
    document = yaml.load(path.read_text(), Loader)
    return [f"{path}: {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(document)]


def main():
    schemas, repository = map(pathlib.Path, sys.argv[1:3])
    validators = {}
    for path in schemas.glob("*.json"):
        schema = json.loads(path.read_text())
        jsonschema.Draft7Validator.check_schema(schema)
        validators[path.stem] = jsonschema.Draft7Validator(schema)
    files = [("scenario", p) for p in sorted((repository / "scenarios").glob("*.yaml"))]
    files += [("scenario", p) for p in sorted((repository / "scenarios/articles").glob("*.yaml"))]
    files += [("scenario", p) for p in sorted((repository / "tests/fixtures").glob("*.yaml"))
              if "candidates:" in p.read_text()]
    for kind, folder in [("model", "llm"), ("hardware", "hardware"), ("prices", "prices"), ("traffic", "traffic"),
                         ("routing", "routing")]:
        files += [(kind, p) for p in sorted((repository / "models" / folder).glob("[!_]*.yaml"))]
    failures = [error for kind, path in files for error in errors_of(validators[kind], path)]
    for name in BAD:
        path = repository / "tests/bad_inputs" / f"{name}.yaml"
        if not errors_of(validators["scenario"], path):
            failures.append(f"{path}: the schema accepts it")
    print("\n".join(failures) if failures else f"{len(files)} files agree")
    return bool(failures)


sys.exit(main())

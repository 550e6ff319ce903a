#!/usr/bin/env python3
"""Checks with the jsonschema package that every text of instances.json is valid under its schema.

  check_instances.py            needs jsonschema, which tests/requirements.txt names
"""
import json
import pathlib
import sys

import jsonschema

HERE = pathlib.Path(__file__).resolve().parent


def main():
    schemas = json.loads((HERE / "schemas.json").read_text(encoding="utf-8"))
    instances = json.loads((HERE / "instances.json").read_text(encoding="utf-8"))
    checked = failed = 0
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for text in instances[name]:
            checked += 1
            problems = list(validator.iter_errors(json.loads(text)))
            if problems:
                failed += 1
                print(f"{name}: {text}\n  {problems[0].message}")
    print(f"{checked} instances of {len(schemas)} schemas, {failed} not valid")
    return 1 if failed or set(instances) != set(schemas) else 0


sys.exit(main())

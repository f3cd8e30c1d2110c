"""Validates JSON against a JSON Schema (2020-12).

The argument is the schema's file. Reads one document per line and writes one line of JSON: the list of errors.
"""

import json
import sys

from jsonschema import Draft202012Validator


def unique(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"a name occurs twice among {names}")
    return dict(pairs)


with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)

faults = []
for line in sys.stdin:
    try:
        document = json.loads(line, object_pairs_hook=unique)
        faults += [f"{fault.json_path}: {fault.message} in {line}" for fault in validator.iter_errors(document)]
    except ValueError as error:
        faults.append(f"{error} in {line}")
print(json.dumps(faults))

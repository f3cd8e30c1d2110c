"""Prints what CloudFormation makes of template.yaml, for each item of the list in JSON on standard input: the name of a
stage of samconfig.toml, or parameters. It asks AWS for nothing.
"""

import json
import logging
import os
import sys

import tomlkit
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
logging.disable(logging.CRITICAL)


class NoManagedPolicies:
    """The template names none by a short name."""

    def load(self):
        return {}


def overrides(stage):
    pairs = CONFIG[stage]["deploy"]["parameters"]["parameter_overrides"]
    return dict(pair.split("=", 1) for pair in pairs)


def translated(wanted):
    template = yaml_parse(TEMPLATE)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # Where `sam deploy` would have put the code.
            resource["Properties"]["CodeUri"] = "s3://a-bucket/a-key"
    given = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    given.update(overrides(wanted) if isinstance(wanted, str) else wanted)
    unknown = given.keys() - template["Parameters"].keys()
    if unknown:
        sys.exit(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
    return {"parameters": given, "template": transform(template, dict(given), NoManagedPolicies())}


os.chdir(sys.argv[1])
with open("template.yaml", encoding="utf-8") as file:
    TEMPLATE = file.read()
with open("samconfig.toml", encoding="utf-8") as file:
    CONFIG = tomlkit.load(file).unwrap()
json.dump([translated(wanted) for wanted in json.load(sys.stdin)], sys.stdout, default=str)

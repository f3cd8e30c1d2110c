"""Writes what CloudFormation makes of template.yaml for each stage of samconfig.toml, as one JSON object:
{stage: {"parameters": {...}, "template": {...}}}. It asks AWS for nothing.
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


def translated(parameters):
    with open("template.yaml", encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # Where `sam deploy` would have put the code.
            resource["Properties"]["CodeUri"] = "s3://a-bucket/a-key"
    given = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    given.update(parameters)
    return given, transform(template, dict(given), NoManagedPolicies())


with open("samconfig.toml", encoding="utf-8") as file:
    config = tomlkit.load(file).unwrap()
answer = {}
for stage in (name for name in config if name != "version"):
    overrides = config[stage]["deploy"]["parameters"]["parameter_overrides"]
    parameters, template = translated(dict(pair.split("=", 1) for pair in overrides))
    answer[stage] = {"parameters": parameters, "template": template}
json.dump(answer, sys.stdout)

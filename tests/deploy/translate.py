"""Writes what CloudFormation makes of template.yaml for each stage of samconfig.toml, as one JSON object:
{stage: {"parameters": {...}, "template": {...}}}. So too for each variant on standard input, if there is an object
{variant: parameters}. It asks AWS for nothing.
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
    template = yaml_parse(TEMPLATE)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # Where `sam deploy` would have put the code.
            resource["Properties"]["CodeUri"] = "s3://a-bucket/a-key"
    given = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    unknown = parameters.keys() - given.keys()
    if unknown:
        sys.exit(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
    # What `cargo xtask deploy` makes of the code and the rest.
    given["Revision"] = "revision"
    given.update(parameters)
    return {"parameters": given, "template": transform(template, dict(given), NoManagedPolicies())}


with open("template.yaml", encoding="utf-8") as file:
    TEMPLATE = file.read()
with open("samconfig.toml", encoding="utf-8") as file:
    config = tomlkit.load(file).unwrap()
wanted = {
    stage: dict(pair.split("=", 1) for pair in settings["deploy"]["parameters"]["parameter_overrides"])
    for stage, settings in config.items()
    if stage != "version"
}
wanted.update(json.loads(sys.stdin.read() or "{}"))
json.dump({name: translated(parameters) for name, parameters in wanted.items()}, sys.stdout)

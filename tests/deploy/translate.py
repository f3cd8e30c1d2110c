"""Transforms template.yaml like CloudFormation, for the stages of samconfig.toml or for other parameters, without AWS.

As a program, it writes every stage as one JSON object: {stage: {"parameters": {...}, "template": {...}}}. If standard input
has an object {variant: parameters}, it also writes each variant.
"""

import json
import logging
import os
import sys

import tomlkit
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """There are none to load: the template refers to no managed policy by a short name."""

    def load(self):
        return {}


def stages():
    """The parameters of each stage in samconfig.toml."""
    with open("samconfig.toml", encoding="utf-8") as file:
        config = tomlkit.load(file).unwrap()
    return {
        stage: dict(pair.split("=", 1) for pair in settings["deploy"]["parameters"]["parameter_overrides"])
        for stage, settings in config.items()
        if stage != "version"
    }


def stack_of(stage):
    """The name of the stack of a stage."""
    with open("samconfig.toml", encoding="utf-8") as file:
        return tomlkit.load(file)[stage]["global"]["parameters"]["stack_name"]


def translated(parameters):
    """The template with these parameters and defaults for the others: (parameters, template)."""
    # The translator requires a region, but any will do.
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    logging.disable(logging.CRITICAL)
    with open("template.yaml", encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The place where `sam deploy` would upload the code.
            resource["Properties"]["CodeUri"] = "s3://a-bucket/a-key"
    given = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    unknown = parameters.keys() - given.keys()
    if unknown:
        sys.exit(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
    # The revision that `cargo xtask deploy` computes.
    given["Revision"] = "revision"
    given.update(parameters)
    return given, transform(template, dict(given), NoManagedPolicies())


def main():
    os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
    wanted = stages() | json.loads(sys.stdin.read() or "{}")
    stacks = {}
    for name, parameters in wanted.items():
        given, template = translated(parameters)
        stacks[name] = {"parameters": given, "template": template}
    json.dump(stacks, sys.stdout)


if __name__ == "__main__":
    main()

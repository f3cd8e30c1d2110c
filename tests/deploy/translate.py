"""What CloudFormation makes of template.yaml: of a stage of samconfig.toml, or of other parameters. It asks AWS for nothing.

As a program, it writes every stage as one JSON object: {stage: {"parameters": {...}, "template": {...}}}. So too each
variant on standard input, if there is an object {variant: parameters}.
"""

import json
import logging
import os
import sys

import tomlkit
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """The template names none by a short name."""

    def load(self):
        return {}


def stages():
    """The parameters of each stage, as samconfig.toml has them."""
    with open("samconfig.toml", encoding="utf-8") as file:
        config = tomlkit.load(file).unwrap()
    return {
        stage: dict(pair.split("=", 1) for pair in settings["deploy"]["parameters"]["parameter_overrides"])
        for stage, settings in config.items()
        if stage != "version"
    }


def stack_of(stage):
    """The name of a stage's stack."""
    with open("samconfig.toml", encoding="utf-8") as file:
        return tomlkit.load(file)[stage]["global"]["parameters"]["stack_name"]


def translated(parameters):
    """The stack with these parameters, and the defaults of all others: (parameters, template)."""
    # The translator wants one, whichever it is.
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    logging.disable(logging.CRITICAL)
    with open("template.yaml", encoding="utf-8") as file:
        template = yaml_parse(file.read())
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

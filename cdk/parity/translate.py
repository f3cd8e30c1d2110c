"""Prints template.yaml as the CloudFormation that SAM makes of it, for parameters given as JSON on standard input."""

import json
import os
import sys

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    translated = []
    for parameters in json.load(sys.stdin):
        template = yaml_parse(text)
        for resource in template["Resources"].values():
            # Nothing is uploaded: any address of S3 does.
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = "s3://bucket/key"
        given = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
        given.update(parameters)
        session = boto3.session.Session(region_name=os.environ["AWS_DEFAULT_REGION"])
        try:
            translator = Translator({}, Parser(), boto_session=session)
            translated.append(translator.translate(template, given))
        except InvalidDocumentException as error:
            sys.exit("\n".join(cause.message for cause in error.causes))
    json.dump(translated, sys.stdout)


main()

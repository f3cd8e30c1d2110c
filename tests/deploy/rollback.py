"""Turns the traffic of a stack back to the versions of its functions from before a deployment.

rollback.py --stack NAME --record FILE writes down which version each alias leads to; rollback.py --stack NAME --restore FILE
leads the aliases there again. A stage of samconfig.toml is named with --stage. A stack that does not exist has no aliases,
and an alias that is new stays where it is.
"""

import argparse
import json
import os
import sys

import boto3
from botocore.exceptions import ClientError

ALIAS = "AWS::Lambda::Alias"


def aliases(stack, session):
    """The ARN of each alias of a stack, and the version that it leads to."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    try:
        found = [resource for page in pages for resource in page["StackResourceSummaries"]]
    except ClientError as error:
        if "does not exist" in str(error):
            return {}
        raise
    arns = [it["PhysicalResourceId"] for it in found if it["ResourceType"] == ALIAS and it.get("PhysicalResourceId")]
    functions = session.client("lambda")
    return {arn: functions.get_alias(**named(arn))["FunctionVersion"] for arn in arns}


def named(arn):
    """The function and the name of an alias."""
    function, name = arn.rsplit(":", 1)
    return {"FunctionName": function, "Name": name}


def restore(before, stack, session):
    """Leads each alias to its version of `before`, and says which were moved."""
    functions = session.client("lambda")
    for arn, version in aliases(stack, session).items():
        if before.get(arn, version) != version:
            functions.update_alias(**named(arn), FunctionVersion=before[arn], RoutingConfig={"AdditionalVersionWeights": {}})
            print(f"{arn}: back from {version} to {before[arn]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--stage")
    place.add_argument("--stack")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--record", metavar="FILE")
    work.add_argument("--restore", metavar="FILE")
    arguments = parser.parse_args()
    stack = arguments.stack
    if stack is None:
        from translate import stack_of

        stack = stack_of(arguments.stage)
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
    if arguments.record:
        with open(arguments.record, "w", encoding="utf-8") as file:
            json.dump(aliases(stack, session), file, indent=2)
    else:
        with open(arguments.restore, encoding="utf-8") as file:
            restore(json.load(file), stack, session)
    return 0


if __name__ == "__main__":
    sys.exit(main())

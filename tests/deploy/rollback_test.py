"""Turning traffic back: each alias leads to the version from before, and nothing else moves."""

import io
import json
import unittest
import zipfile

import boto3
from botocore.stub import Stubber
from moto import mock_aws

from rollback import aliases, restore

STACK = "atelier-prod"


class Session:
    """moto's, but for CloudFormation, which lists these aliases."""

    def __init__(self, session, arns):
        self.session, self.arns = session, arns

    def client(self, service):
        client = self.session.client(service)
        if service == "cloudformation":
            stubber = Stubber(client)
            if self.arns is None:
                stubber.add_client_error("list_stack_resources", "ValidationError", f"Stack {STACK} does not exist")
            else:
                aliases = [("AWS::Lambda::Alias", arn) for arn in self.arns]
                summaries = [resource(*it) for it in [*aliases, ("AWS::SNS::Topic", "arn:of:a:topic")]]
                stubber.add_response("list_stack_resources", {"StackResourceSummaries": summaries}, {"StackName": STACK})
            stubber.activate()
        return client


def resource(kind, name):
    return {
        "LogicalResourceId": "It",
        "PhysicalResourceId": name,
        "ResourceType": kind,
        "LastUpdatedTimestamp": "2026-11-27T00:00:00Z",
        "ResourceStatus": "CREATE_COMPLETE",
    }


@mock_aws
class Rollback(unittest.TestCase):
    def setUp(self):
        self.session = boto3.Session("local", "local", region_name="eu-central-1")
        self.functions = self.session.client("lambda")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        iam = self.session.client("iam")
        self.role = iam.create_role(RoleName="it", AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def function(self, name, versions):
        """A function with this number of versions. The alias `live` leads to the last one."""
        function = {"FunctionName": f"{STACK}-{name}"}
        settings = {"Runtime": "provided.al2023", "Role": self.role, "Handler": "bootstrap"}
        self.functions.create_function(**function, **settings, Code={"ZipFile": code("0")})
        for version in range(1, versions + 1):
            self.functions.update_function_code(**function, ZipFile=code(str(version)))
            self.functions.publish_version(**function)
        return self.functions.create_alias(**function, Name="live", FunctionVersion=str(versions))["AliasArn"]

    def aliases(self, *arns):
        return aliases(STACK, Session(self.session, arns))

    def test_an_alias_leads_where_it_led_before(self):
        one, other = self.function("get-product", 2), self.function("list-products", 2)
        before = {one: "1", other: "2"}
        self.assertEqual(self.aliases(one, other), {one: "2", other: "2"})
        restore(before, STACK, Session(self.session, [one, other]))
        self.assertEqual(self.aliases(one, other), before)

    def test_a_canary_that_is_left_over_ends(self):
        alias = self.function("get-product", 2)
        shared = {"AdditionalVersionWeights": {"1": 0.1}}
        self.functions.update_alias(FunctionName=f"{STACK}-get-product", Name="live", RoutingConfig=shared)
        restore({alias: "1"}, STACK, Session(self.session, [alias]))
        now = self.functions.get_alias(FunctionName=f"{STACK}-get-product", Name="live")
        self.assertEqual(now["FunctionVersion"], "1")
        self.assertFalse(now.get("RoutingConfig", {}).get("AdditionalVersionWeights"))

    def test_what_is_new_stays_and_what_is_gone_is_not_missed(self):
        new = self.function("get-product", 1)
        gone = new.replace("get-product", "gone")
        restore({gone: "1"}, STACK, Session(self.session, [new]))
        self.assertEqual(self.aliases(new), {new: "1"})

    def test_a_first_deployment_has_nothing_to_go_back_to(self):
        self.assertEqual(aliases(STACK, Session(self.session, None)), {})


def code(content):
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("bootstrap", content)
    return zipped.getvalue()


if __name__ == "__main__":
    unittest.main()

"""The facts about a stack before its deployment, from template.yaml and from the CDK app's template."""

import functools
import json
import os
import unittest
from pathlib import Path

from facts import Facts, Template
from translate import stages, translated

STAGES = stages()
CONTRACT = json.loads(Path("api/openapi.json").read_text(encoding="utf-8"))
# The parameter with the reserved concurrency of functions with each database role.
CONCURRENCY = {"catalog_reader": "ReaderConcurrency", "catalog_writer": "WriterConcurrency", None: "DocumentConcurrency"}


@functools.cache
def sam(stage, **changed):
    parameters, template = translated(STAGES[stage] | changed)
    return Facts(template, parameters)


def known(facts):
    names = ["reserved", "engine_version", "has_proxy", "zones", "way", "ways", "cache", "has_alarm_email"]
    return {name: getattr(facts, name) for name in names}


class Evaluation(unittest.TestCase):
    def value(self, it, **parameters):
        conditions = {"IsBig": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Size"}, "1"]}]}}
        declared = {name: {"Type": "String"} for name in parameters} | {"Size": {"Type": "Number", "Default": 1}}
        template = {"Parameters": declared, "Conditions": conditions, "Resources": {"It": it}}
        return Template(template, parameters).resources.get("It")

    def test_what_a_condition_leaves_out_is_not_there(self):
        it = {"Condition": "IsBig", "Type": "A"}
        self.assertIsNone(self.value(it))
        self.assertEqual(self.value(it, Size="2"), it)

    def test_a_value_that_is_none_takes_its_name_with_it(self):
        it = {"A": {"Fn::If": ["IsBig", {"Ref": "Size"}, {"Ref": "AWS::NoValue"}]}, "B": [{"Ref": "AWS::NoValue"}]}
        self.assertEqual(self.value(it), {"B": []})
        self.assertEqual(self.value(it, Size="2"), {"A": "2", "B": []})

    def test_what_only_aws_knows_stays(self):
        it = {"A": {"Ref": "AWS::Region"}, "B": {"Fn::Select": [0, {"Fn::GetAZs": ""}]}}
        self.assertEqual(self.value(it), it)

    def test_a_list_is_taken_apart(self):
        declared = {"Zones": {"Type": "CommaDelimitedList", "Default": "a,b"}}
        it = {"First": {"Fn::Select": ["1", {"Ref": "Zones"}]}, "All": {"Fn::Join": ["", {"Ref": "Zones"}]}}
        template = Template({"Parameters": declared, "Resources": {"It": it}}, {})
        self.assertEqual(template.resources["It"], {"First": "b", "All": "ab"})


class Stack(unittest.TestCase):
    def test_each_stage_is_what_it_is(self):
        operations = [operation for item in CONTRACT["paths"].values() for operation in item.values()]
        roles = {operation["x-function"]: operation["x-database-role"] for operation in operations}
        for stage, parameters in STAGES.items():
            reserved = sum(int(parameters.get(CONCURRENCY[role], 0)) for role in roles.values())
            self.assertEqual(sam(stage).reserved, reserved, stage)
            self.assertEqual(reserved > 0, stage != "dev", stage)
        ways = {stage: sam(stage).way for stage in STAGES}
        self.assertEqual(ways, {"dev": "direct", "staging": "proxy", "prod": "proxy"})
        for stage in STAGES:
            facts = sam(stage)
            self.assertEqual((facts.ways, facts.has_proxy), ({facts.way}, facts.way == "proxy"))
            self.assertEqual((facts.zones, facts.cache, facts.bootstrap), ([0, 1], "false", None))

    def test_both_ways_are_open_while_the_profile_changes(self):
        for stage in STAGES:
            facts = sam(stage, BothPaths="true")
            self.assertEqual((facts.way, facts.ways), (sam(stage).way, {"direct", "proxy"}))
            self.assertTrue(facts.has_proxy)

    def test_who_uses_the_cache(self):
        for value in ["false", "writes", "true"]:
            self.assertEqual(sam("prod", Cache=value).cache, value)

    def test_zones_are_those_that_are_named(self):
        zones = ["us-east-1a", "us-east-1c"]
        self.assertEqual(sam("prod", AvailabilityZones=",".join(zones)).zones, zones)

    def test_alarms_reach_an_address_or_nobody(self):
        self.assertFalse(sam("prod", AlarmEmail="nobody").has_alarm_email)
        self.assertTrue(sam("prod", AlarmEmail="ann@example.com").has_alarm_email)

    def test_reserved_concurrency_is_counted_function_by_function(self):
        parameters, template = translated(STAGES["prod"])
        template["Resources"]["GetProduct"]["Properties"]["ReservedConcurrentExecutions"] = 21
        self.assertEqual(Facts(template, parameters).reserved, sam("prod").reserved + 1)

    @unittest.skipUnless("TEST_SYNTHESISED" in os.environ, "the app has not been synthesised")
    def test_the_cdk_app_asks_the_same_of_an_account(self):
        for stage in STAGES:
            file = Path(os.environ["TEST_SYNTHESISED"]) / f"atelier-cdk-{stage}.template.json"
            facts = Facts(json.loads(file.read_text(encoding="utf-8")), {})
            self.assertEqual(known(facts), known(sam(stage)))
            self.assertTrue(facts.bootstrap.startswith("/cdk-bootstrap/"))


if __name__ == "__main__":
    unittest.main()

"""The checks of an account: what each one refuses, advises and accepts."""

import unittest
from types import SimpleNamespace

import boto3
from botocore.exceptions import NoCredentialsError
from botocore.stub import ANY, Stubber
from moto import mock_aws
from moto.cloudformation.models import cloudformation_backends
from moto.core import DEFAULT_ACCOUNT_ID

import preflight
from commands import check_aws, commands_of
from preflight import Deployment, OK, WARNING, WRONG

STACK = "atelier-prod"
EMPTY = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'


def facts(**changed):
    """The facts of a stack with a proxy, with changes."""
    usual = {
        "reserved": 275,
        "engine_version": "17.7",
        "has_proxy": True,
        "zones": [0, 1],
        "way": "proxy",
        "ways": {"proxy"},
        "cache": "false",
        "has_alarm_email": True,
        "bootstrap": None,
    }
    return SimpleNamespace(**usual | changed)


@mock_aws
class Account(unittest.TestCase):
    def setUp(self):
        self.stubs = {}
        self.session = boto3.Session("local", "local", region_name="eu-central-1")

    def client(self, service):
        return self.stubs.get(service) or self.session.client(service)

    def stub(self, service, *answers):
        """Stubs the responses of operations that moto lacks."""
        client = self.session.client(service)
        stubber = Stubber(client)
        for operation, expected, answer in answers:
            if isinstance(answer, str):
                stubber.add_client_error(operation, answer, "no")
            else:
                stubber.add_response(operation, answer, expected)
        stubber.activate()
        self.stubs[service] = client

    def deployment(self, stage="prod", deployed=None, **changed):
        deployment = Deployment(stage, STACK, facts(**changed), self.client)
        deployment.deployed = deployed
        return deployment

    def found(self, check, **options):
        return list(check(self.deployment(**options)))

    def refusal(self, check, **options):
        """The single refusal of `check`. Asserts that the commands that it advises exist."""
        (refusal,) = [finding for kind, finding in self.found(check, **options) if kind == WRONG]
        for tool, *words in commands_of(refusal):
            if tool == "aws":
                check_aws(words)
        return refusal

    def assert_passes(self, check, **options):
        self.assertNotIn(WRONG, [kind for kind, _ in self.found(check, **options)])

    # Credentials and region

    def test_without_credentials_nothing_else_is_asked(self):
        def client(_):
            raise NoCredentialsError

        said = []
        deployment = Deployment("prod", STACK, facts(), client)
        self.assertFalse(preflight.look(deployment, said.append))
        self.assertEqual(said[0], "WRONG credentials: Unable to locate credentials")
        self.assertEqual(len(said), 2)

    def test_a_region_must_be_enabled(self):
        self.assert_passes(preflight.region)
        self.session = boto3.Session("local", "local", region_name="ap-east-1")
        advice = "aws account enable-region --region-name ap-east-1"
        self.assertIn(advice, self.refusal(preflight.region))

    # The deployed stack

    def create(self, status):
        """Creates a stack with `status`; moto's own are always complete."""
        stacks = cloudformation_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].stacks
        if not stacks:
            self.session.client("cloudformation").create_stack(StackName=STACK, TemplateBody=EMPTY)
        (stack,) = stacks.values()
        stack.status = status

    def test_a_stack_that_does_not_exist_is_made(self):
        self.assertEqual(self.found(preflight.stack), [(OK, f"{STACK} does not exist yet")])

    def test_a_complete_stack_is_compared(self):
        self.create("UPDATE_ROLLBACK_COMPLETE")
        deployment = self.deployment()
        self.assertEqual(list(preflight.stack(deployment)), [(OK, f"{STACK} is UPDATE_ROLLBACK_COMPLETE")])
        self.assertEqual(deployment.deployed.reserved, 0)

    def test_a_change_set_that_was_never_carried_out_is_not_compared(self):
        self.create("REVIEW_IN_PROGRESS")
        deployment = self.deployment()
        self.assertEqual(list(preflight.stack(deployment)), [(OK, f"{STACK} is REVIEW_IN_PROGRESS")])
        self.assertIsNone(deployment.deployed)

    def test_a_stack_in_trouble_is_named_with_the_way_out(self):
        for status, advice in {
            "ROLLBACK_COMPLETE": f"aws cloudformation delete-stack --stack-name {STACK}",
            "CREATE_FAILED": f"aws cloudformation delete-stack --stack-name {STACK}",
            "UPDATE_ROLLBACK_FAILED": f"aws cloudformation continue-update-rollback --stack-name {STACK}",
            "UPDATE_FAILED": f"aws cloudformation rollback-stack --stack-name {STACK}",
            "UPDATE_IN_PROGRESS": "wait for its end",
            "UPDATE_ROLLBACK_IN_PROGRESS": "wait for its end",
        }.items():
            with self.subTest(status):
                self.create(status)
                refusal = self.refusal(preflight.stack)
                self.assertIn(f"{STACK} is {status}", refusal)
                self.assertIn(advice, refusal)

    # Quotas

    def limits(self, quota, free):
        limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": free}
        self.stub("lambda", ("get_account_settings", {}, {"AccountLimit": limit}))

    def test_what_is_reserved_must_leave_a_hundred(self):
        self.limits(1000, 375)
        self.assert_passes(preflight.concurrency)
        self.limits(1000, 374)
        self.assertIn("a quota of 1001 or more", self.refusal(preflight.concurrency))

    def test_a_new_account_asks_for_a_thousand(self):
        self.limits(10, 10)
        refusal = self.refusal(preflight.concurrency)
        self.assertIn("275 are to be reserved and 100 must remain, of 10 that are free", refusal)
        self.assertIn("--desired-value 1000", refusal)
        self.limits(10, 10)
        self.assert_passes(preflight.concurrency, reserved=0)

    def test_what_the_stack_reserves_already_is_free_for_it(self):
        self.limits(400, 125)
        self.assert_passes(preflight.concurrency, deployed=facts(reserved=275))
        self.limits(400, 125)
        self.assertIn("a quota of 401", self.refusal(preflight.concurrency, deployed=facts(), reserved=301))

    # Zones

    def test_the_first_two_zones_are_taken(self):
        found = self.found(preflight.zones)
        self.assertEqual(found, [(OK, "eu-central-1a (euc1-az1)"), (OK, "eu-central-1b (euc1-az2)")])

    def zones(self, *ids):
        found = [{"ZoneName": f"us-east-1{letter}", "ZoneId": zone} for letter, zone in zip("abcdef", ids)]
        # In arbitrary order.
        self.stub("ec2", ("describe_availability_zones", {"Filters": ANY}, {"AvailabilityZones": found[::-1]}))

    def test_a_zone_without_rds_proxy_is_refused_with_two_that_have_it(self):
        self.zones("use1-az6", "use1-az3", "use1-az2")
        advice = "RDS Proxy is not available in us-east-1b (use1-az3): set AvailabilityZones=us-east-1a,us-east-1c"
        self.assertEqual(self.refusal(preflight.zones), advice)
        self.zones("use1-az6", "use1-az3", "use1-az2")
        self.assert_passes(preflight.zones, has_proxy=False)
        self.zones("use1-az6", "use1-az3", "use1-az2")
        self.assert_passes(preflight.zones, zones=["us-east-1a", "us-east-1c"])

    def test_a_zone_that_does_not_exist_is_refused(self):
        refusal = self.refusal(preflight.zones, zones=["eu-central-1a", "eu-central-1z"])
        self.assertIn("eu-central-1z is not one of eu-central-1a, eu-central-1b", refusal)

    def test_one_zone_is_not_enough(self):
        self.zones("use1-az6")
        self.assertIn("two are needed", self.refusal(preflight.zones))

    def test_subnets_stay_where_they_are(self):
        chosen = {"zones": ["eu-central-1b", "eu-central-1c"]}
        refusal = self.refusal(preflight.zones, deployed=facts(), **chosen)
        self.assertIn("set AvailabilityZones=eu-central-1a,eu-central-1b", refusal)
        named = {"zones": ["eu-central-1a", "eu-central-1b"]}
        self.assert_passes(preflight.zones, deployed=facts(), **named)

    # The database's engine

    def engine(self, versions, options, others=()):
        version = {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}
        asked = version | {"DBInstanceClass": "db.serverless", "Vpc": True}
        listed = [{"EngineVersion": version} for version in versions]
        answers = [("describe_db_engine_versions", version, {"DBEngineVersions": listed})]
        if listed:
            ordered = {"OrderableDBInstanceOptions": options}
            answers.append(("describe_orderable_db_instance_options", asked, ordered))
        else:
            others = [{"EngineVersion": version} for version in others]
            answers.append(
                ("describe_db_engine_versions", {"Engine": "aurora-postgresql"}, {"DBEngineVersions": others})
            )
        self.stub("rds", *answers)

    def test_an_engine_that_can_be_had_passes(self):
        self.engine(["17.7"], [{"DBInstanceClass": "db.serverless"}])
        self.assert_passes(preflight.engine)

    def test_a_version_that_was_withdrawn_is_refused_with_its_successors(self):
        self.engine([], [], ["16.9", "17.8", "17.9"])
        self.assertIn("set EngineVersion, to 17.8 or 17.9", self.refusal(preflight.engine))

    def test_a_version_must_run_serverless(self):
        self.engine(["17.7"], [])
        self.assertIn("is not available as db.serverless here", self.refusal(preflight.engine))

    # CDK

    def test_cdk_is_bootstrapped_first(self):
        parameter = "/cdk-bootstrap/hnb659fds/version"
        self.assertEqual(self.found(preflight.bootstrap), [])
        self.assertIn("cdk bootstrap", self.refusal(preflight.bootstrap, bootstrap=parameter))
        self.session.client("ssm").put_parameter(Name=parameter, Value="28", Type="String")
        self.assertEqual(self.found(preflight.bootstrap, bootstrap=parameter), [(OK, "version 28")])

    # Changes that need two steps

    def test_the_way_to_the_database_changes_while_both_are_open(self):
        direct, proxy = {"way": "direct", "ways": {"direct"}}, {"way": "proxy", "ways": {"proxy"}}
        both = {"ways": {"direct", "proxy"}}
        for old, new in [(direct, proxy), (proxy, direct)]:
            found = self.found(preflight.changes, deployed=facts(**old), **new)
            self.assertEqual([kind for kind, _ in found], [WRONG, WRONG])
            self.assertIn("first deploy BothPaths=true alone", found[0][1])
            self.assertIn("keep BothPaths=true in this deployment", found[1][1])
            # Both at once: CloudFormation guarantees no order for them.
            self.assertIn("first deploy", self.refusal(preflight.changes, deployed=facts(**old), **(new | both)))
            self.assertIn("keep", self.refusal(preflight.changes, deployed=facts(**(old | both)), **new))
            # The documented steps.
            steps = [old, old | both, new | both, new]
            for before, after in zip(steps, steps[1:]):
                self.assertEqual(self.found(preflight.changes, deployed=facts(**before), **after), [])

    def test_a_cache_is_told_of_writes_before_it_is_read_and_after(self):
        for old, new in [("false", "true"), ("true", "false")]:
            refusal = self.refusal(preflight.changes, deployed=facts(cache=old), cache=new)
            self.assertIn("first deploy Cache=writes", refusal)
            for step in [(old, "writes"), ("writes", new), (old, old)]:
                self.assertEqual(self.found(preflight.changes, deployed=facts(cache=step[0]), cache=step[1]), [])

    def test_a_new_stack_may_be_anything(self):
        self.assertEqual(self.found(preflight.changes, cache="true"), [])

    # Alarms

    def test_prod_is_warned_when_nobody_is_told_of_alarms(self):
        (found,) = self.found(preflight.alarms, has_alarm_email=False)
        self.assertEqual(found, (WARNING, "alarms notify nobody: set AlarmEmail"))
        self.assertEqual(self.found(preflight.alarms), [])
        self.assertEqual(self.found(preflight.alarms, stage="staging", has_alarm_email=False), [])

    # All of them

    def test_all_faults_are_said_at_once(self):
        self.create("ROLLBACK_COMPLETE")
        self.limits(10, 10)
        self.engine([], [], ["17.8"])
        said = []
        deployment = self.deployment(zones=["eu-central-1x", "eu-central-1y"], bootstrap="/none")
        self.assertFalse(preflight.look(deployment, said.append))
        wrong = [line.split(":")[0] for line in said if line.startswith(WRONG)]
        names = ["stack", "concurrency", "zones", "zones", "engine", "bootstrap"]
        self.assertEqual(wrong, [f"WRONG {name}" for name in names])

    def test_a_role_that_may_not_look_is_warned_and_goes_on(self):
        self.engine(["17.7"], [{"DBInstanceClass": "db.serverless"}])
        self.stub("lambda", ("get_account_settings", {}, "AccessDeniedException"))
        said = []
        self.assertTrue(preflight.look(self.deployment(), said.append))
        (warning,) = [line for line in said if line.startswith(WARNING)]
        self.assertTrue(warning.startswith("warning concurrency: not checked, "), warning)
        self.stub("lambda", ("get_account_settings", {}, "ServiceException"))
        self.engine(["17.7"], [{"DBInstanceClass": "db.serverless"}])
        self.assertFalse(preflight.look(self.deployment(), said.append))

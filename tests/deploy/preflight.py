"""Checks, before anything is created or changed, that the deployment will not fail half-way, and will not fail requests.

With --stage, the stack is that of template.yaml and samconfig.toml; with --stack and --template as well, one that the CDK
app has synthesised. Credentials and region come from the environment, as for the AWS CLI. Every check reports its findings;
if one is WRONG, the exit code is 1.
"""

import argparse
import functools
import json
import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from facts import Facts

OK, WARNING, WRONG = "ok", "warning", "WRONG"
# Lambda requires that this many executions remain unreserved.
UNRESERVED_AT_LEAST = 100
# RDS Proxy is not available in these zones, by AWS's documentation: it ignores subnets in them, and needs two usable ones.
ZONES_WITHOUT_PROXY = {"use1-az3"}
ENGINE = "aurora-postgresql"
INSTANCE_CLASS = "db.serverless"
# A stack in one of these states can only be deleted.
NEVER_COMPLETE = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
COMPLETE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
COMPLETE |= {"IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


class Deployment:
    """The future state of a stack, and the current state of its account."""

    def __init__(self, stage, name, facts, client):
        self.stage, self.name, self.facts, self.client = stage, name, facts, client
        self.status, self.deployed = None, None

    def find(self):
        """Reads the currently deployed stack."""
        formation = self.client("cloudformation")
        try:
            stack = formation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return
            raise
        self.status = stack["StackStatus"]
        if self.status in COMPLETE:
            given = {it["ParameterKey"]: it["ParameterValue"] for it in stack.get("Parameters", [])}
            # The template after its transformation.
            template = formation.get_template(StackName=self.name, TemplateStage="Processed")["TemplateBody"]
            self.deployed = Facts(template, given)


def credentials(deployment):
    identity = deployment.client("sts").get_caller_identity()
    yield OK, f"{identity['Arn']} in account {identity['Account']}"


def region(deployment):
    compute = deployment.client("ec2")
    name = compute.meta.region_name
    (found,) = compute.describe_regions(RegionNames=[name], AllRegions=True)["Regions"]
    if found["OptInStatus"] == "not-opted-in":
        yield WRONG, f"{name} is not enabled in this account: `aws account enable-region --region-name {name}`"
    else:
        yield OK, name


def stack(deployment):
    name = deployment.name
    deployment.find()
    status = deployment.status
    if status is None:
        yield OK, f"{name} does not exist yet"
    elif status in NEVER_COMPLETE:
        yield (
            WRONG,
            f"{name} is {status}, it was never complete and can only be deleted. Its events say why: "
            f"`aws cloudformation describe-stack-events --stack-name {name}`; then "
            f"`aws cloudformation delete-stack --stack-name {name}` and "
            f"`aws cloudformation wait stack-delete-complete --stack-name {name}`",
        )
    elif status == "UPDATE_ROLLBACK_FAILED":
        yield WRONG, f"{name} is {status}: `aws cloudformation continue-update-rollback --stack-name {name}`"
    elif status == "UPDATE_FAILED":
        yield WRONG, f"{name} is {status}: `aws cloudformation rollback-stack --stack-name {name}`"
    elif status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        yield WRONG, f"{name} is {status}: another deployment is under way, wait for its end"
    else:
        yield OK, f"{name} is {status}"


def concurrency(deployment):
    wanted = deployment.facts.reserved
    limits = deployment.client("lambda").get_account_settings()["AccountLimit"]
    limit, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    if deployment.deployed:
        free += deployment.deployed.reserved
    missing = wanted + UNRESERVED_AT_LEAST - free
    if wanted and missing > 0:
        yield (
            WRONG,
            f"{wanted} are to be reserved and {UNRESERVED_AT_LEAST} must remain, of {free} that are free: reserve less, or "
            f"ask for a quota of {limit + missing} or more: `aws service-quotas request-service-quota-increase "
            f"--service-code lambda --quota-code L-B99A9384 --desired-value {max(1000, limit + missing)}`",
        )
    else:
        yield OK, f"{wanted} reserved, of {free} that are free and a quota of {limit}"


def zones(deployment):
    found = deployment.client("ec2").describe_availability_zones(
        Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    )["AvailabilityZones"]
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in sorted(found, key=lambda zone: zone["ZoneName"])}
    unfit = ZONES_WITHOUT_PROXY if deployment.facts.has_proxy else set()
    fit = [name for name, zone in ids.items() if zone not in unfit]
    advice = f"set AvailabilityZones={','.join(fit[:2])}"
    chosen = names(deployment.facts.zones, ids)
    if len(chosen) < 2 or len(fit) < 2:
        yield WRONG, f"two are needed, and there are {', '.join(fit)}: deploy to another region"
    for name in chosen:
        if name not in ids:
            yield WRONG, f"{name} is not one of {', '.join(ids)}: {advice}"
        elif name not in fit:
            yield WRONG, f"RDS Proxy is not available in {name} ({ids[name]}): {advice}"
        else:
            yield OK, f"{name} ({ids[name]})"
    if deployment.deployed and (now := names(deployment.deployed.zones, ids)) != chosen:
        yield WRONG, f"subnets cannot move from {', '.join(now)}: set AvailabilityZones={','.join(now)}"


def names(chosen, available):
    """The names of zones, some of which are given as an index into the region's zones."""
    known = dict(enumerate(available)) | {name: name for name in chosen if isinstance(name, str)}
    return sorted(known[zone] for zone in chosen if zone in known)


def engine(deployment):
    databases, wanted = deployment.client("rds"), deployment.facts.engine_version
    if not databases.describe_db_engine_versions(Engine=ENGINE, EngineVersion=wanted)["DBEngineVersions"]:
        found = databases.describe_db_engine_versions(Engine=ENGINE)["DBEngineVersions"]
        major = wanted.split(".")[0]
        others = [it["EngineVersion"] for it in found if it["EngineVersion"].split(".")[0] == major]
        yield WRONG, f"there is no {ENGINE} {wanted} here: set EngineVersion, to {' or '.join(others) or 'another major'}"
        return
    asked = {"Engine": ENGINE, "EngineVersion": wanted, "DBInstanceClass": INSTANCE_CLASS, "Vpc": True}
    options = databases.describe_orderable_db_instance_options(**asked)["OrderableDBInstanceOptions"]
    if options:
        yield OK, f"{ENGINE} {wanted} on {INSTANCE_CLASS}"
    else:
        yield WRONG, f"{ENGINE} {wanted} is not available as {INSTANCE_CLASS} here: deploy to another region"


def bootstrap(deployment):
    parameter = deployment.facts.bootstrap
    if parameter is None:
        return
    try:
        version = deployment.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        yield (
            WRONG,
            f"CDK has no bucket and no roles here ({parameter} does not exist): "
            '`npm exec --prefix cdk -- cdk bootstrap "aws://$(aws sts get-caller-identity --query Account --output text)'
            '/$AWS_REGION"`',
        )
    else:
        yield OK, f"version {version}"


def changes(deployment):
    """Changes that would fail requests, or give wrong responses, while old and new function versions run."""
    old, new = deployment.deployed, deployment.facts
    if old is None:
        return
    if new.way not in old.ways:
        yield WRONG, "Profile changes, and functions cannot use the new way yet: first deploy BothPaths=true alone"
    if old.way not in new.ways:
        yield WRONG, "Profile changes, and functions still use the old way: keep BothPaths=true in this deployment"
    if {old.cache, new.cache} == {"false", "true"}:
        yield (
            WRONG,
            f"Cache changes from {old.cache} to {new.cache}: some functions would read stale values after others' writes, "
            "which bypass the cache; first deploy Cache=writes",
        )


def alarms(deployment):
    if deployment.stage == "prod" and not deployment.facts.has_alarm_email:
        yield WARNING, "alarms notify nobody: set AlarmEmail"


def look(deployment, say=print):
    """Runs all checks and reports their findings. Returns whether nothing is wrong."""
    is_right = True
    for check in [credentials, region, stack, concurrency, zones, engine, bootstrap, changes, alarms]:
        try:
            findings = list(check(deployment))
        except ClientError as error:
            # A role that may deploy need not have permission to read.
            is_denied = error.response["Error"]["Code"] in DENIED
            findings = [(WARNING, f"not checked, {error}") if is_denied else (WRONG, str(error))]
        except BotoCoreError as error:
            findings = [(WRONG, str(error))]
        for kind, finding in findings:
            say(f"{kind} {check.__name__}: {finding}")
            is_right = is_right and kind != WRONG
        if check is credentials and not is_right:
            say("nothing else can be checked; a region that has to be enabled first refuses all credentials, too")
            return False
    return is_right


@functools.cache
def session():
    return boto3.Session(region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--stack")
    parser.add_argument("--template")
    arguments = parser.parse_args()
    if arguments.template:
        with open(arguments.template, encoding="utf-8") as file:
            name, facts = arguments.stack, Facts(json.load(file), {})
    else:
        import translate

        parameters, template = translate.translated(translate.stages()[arguments.stage])
        name, facts = translate.stack_of(arguments.stage), Facts(template, parameters)
    return 0 if look(Deployment(arguments.stage, name, facts, lambda service: session().client(service))) else 1


if __name__ == "__main__":
    sys.exit(main())

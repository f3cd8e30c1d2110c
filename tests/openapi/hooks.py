"""Hooks for schemathesis: how requests are signed, and rules of this API that no schema can express.

Requests are signed by botocore for IAM (AWS Signature Version 4), with the key in AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY for the region AWS_REGION.
"""

import os
import re
import unicodedata
from urllib.parse import urlsplit

import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance, use_after_free

SIGNER = SigV4Auth(
    Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]),
    "execute-api",
    os.environ["AWS_REGION"],
)

SIGNATURE = {"authorization", "x-amz-date", "x-amz-content-sha256"}
INVISIBLE = "must not be empty: none of its characters is visible"
UUID = "(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class SignatureV4(requests.auth.AuthBase):
    def __call__(self, prepared):
        # Sign only the host and what botocore adds, as most clients do.
        request = AWSRequest(
            method=prepared.method,
            url=prepared.url,
            data=prepared.body,
            headers={"Host": urlsplit(prepared.url).netloc},
        )
        SIGNER.add_auth(request)
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Content-SHA256"):
            if name in request.headers:
                prepared.headers[name] = request.headers[name]
        return prepared


schemathesis.auth.set_from_requests(SignatureV4())


@schemathesis.hook
def filter_headers(ctx, headers):
    """White space around a header's value is not part of it (RFC 9110, section 5.5), and cannot make a request invalid."""
    return all(value == value.strip() for value in headers.values() if isinstance(value, str))


@schemathesis.hook
def map_query(ctx, query):
    """Nobody waits for changes here: thousands of requests would."""
    if query and re.fullmatch("1?[0-9]|20", str(query.get("wait"))):
        query["wait"] = 0
    return query


def says_what_no_schema_can(response):
    """Whether a request that matches its schema is refused for a reason that no schema can express."""
    if not response.content:
        # HEAD has no body; the same GET has the reason.
        sent = response.request
        headers = {name: value for name, value in sent.headers.items() if name.lower() not in SIGNATURE}
        status = response.status_code
        response = requests.get(sent.url, headers=headers, auth=SignatureV4(), timeout=30)
        if response.status_code != status:
            return False
    problem = response.json()
    faults = [(fault.get("parameter", fault.get("pointer")), fault["detail"]) for fault in problem.get("errors", [])]
    details = {detail for _, detail in faults}
    kind = (response.status_code, problem["type"].rsplit(":", 1)[-1])
    return (
        # A condition may be false.
        kind == (412, "precondition-failed")
        # An idempotency key belongs to its first request.
        or kind == (422, "idempotency-key-reused")
        # Whether an artisan exists is known to the database alone.
        or (kind == (422, "invalid-body") and faults == [("/artisan_id", "must be the id of an existing artisan")])
        # One character of a line must be visible, which is more than a pattern can say.
        or (kind in [(422, "invalid-body"), (400, "invalid-parameters")] and details == {INVISIBLE})
        # A cursor is authenticated: only cursors from responses are valid.
        or (kind == (400, "invalid-parameters") and faults == [("cursor", "is not a cursor of this query")])
    )


def breaks_its_schema(case):
    """Whether a parameter violates its schema after all: the coverage phase sends `0` in headers for whose pattern it cannot
    generate values, and the stateful phase turns a null member into the id `None`."""
    for parameter in case.operation.definition.raw["parameters"]:
        sent = {"path": case.path_parameters, "header": case.headers}.get(parameter["in"]) or {}
        schema = parameter["schema"]
        pattern = UUID if schema.get("format") == "uuid" else schema.get("pattern", "")
        if parameter["name"] in sent and not re.search(pattern, str(sent[parameter["name"]])):
            return True
    return False


@schemathesis.check
def valid_data_is_accepted(ctx, response, case):
    """Schemathesis' own check, with these exceptions."""
    if breaks_its_schema(case):
        return None
    media_type = response.headers.get("content-type", [""])[0]
    if media_type == "application/problem+json" and says_what_no_schema_can(response):
        return None
    return positive_data_acceptance(ctx, response, case)


def is_too_long_only_as_sent(case, response):
    """Whether a text exceeds its length until it is stored: in NFC, with line feeds alone, a line without white space around
    it. The response, which has to match its own schema, shows the text as it is stored."""
    if not (isinstance(case.body, dict) and response.status_code in (200, 201)):
        return False
    schemas = case.operation.schema.raw_schema["components"]["schemas"].values()
    fields = [field for schema in schemas for field in schema.get("properties", {}).items()]
    limits = {name: field["maxLength"] for name, field in fields if "maxLength" in field}
    stored = response.json()
    for name, sent in case.body.items():
        if isinstance(sent, str) and len(sent) > limits.get(name, len(sent)) >= len(stored[name]):
            text = unicodedata.normalize("NFC", sent).replace("\r\n", "\n")
            return stored[name] in (text, text.strip())
    return False


@schemathesis.check
def invalid_data_is_refused(ctx, response, case):
    """Schemathesis' own check, except for texts that are short enough as they are stored."""
    if is_too_long_only_as_sent(case, response):
        return None
    return negative_data_rejection(ctx, response, case)


@schemathesis.check
def what_is_deleted_is_gone(ctx, response, case):
    """Schemathesis' own check, except for histories, which outlive their resources."""
    if case.path.endswith("/history"):
        return None
    return use_after_free(ctx, response, case)

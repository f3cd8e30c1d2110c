"""Calls a deployed API as its clients do, with signed requests, and prints the results.

--stage selects a stack of samconfig.toml, --stack a stack by its name; its URL and settings come from CloudFormation. --url
selects any other API. Credentials and region come from the environment, as for the AWS CLI. The test creates one product and
deletes it. The last line of its output is the URL.
"""

import argparse
import http.client
import json
import os
import sys
import time
import uuid
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from translate import stack_of

# A sleeping database takes 15 s to resume, or 30 s after a day.
READY_WITHIN_SECONDS = 120
# Firewalls often block requests without a User-Agent.
USER_AGENT = "smoke-test/1"


class Api:
    def __init__(self, url, auth, session, key=None):
        self.url, self.auth, self.session, self.key = url, auth, session, key

    def send(self, method, path, headers=None, body=None, signed=True):
        headers = {"Accept": "*/*", "User-Agent": USER_AGENT, **(headers or {})}
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if self.key:
            headers["x-api-key"] = self.key
        request = AWSRequest(method, self.url + path, headers=headers, data=data)
        if signed and self.auth == "iam":
            credentials = self.session.get_credentials()
            if credentials is None:
                raise SystemExit("there are no AWS credentials to sign with")
            SigV4Auth(credentials, "execute-api", self.session.region_name).add_auth(request)
        elif signed and self.auth == "cognito":
            request.headers["Authorization"] = os.environ["SMOKE_TOKEN"]
        url = urlsplit(request.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.netloc, timeout=35)
        target = url.path + (f"?{url.query}" if url.query else "")
        connection.request(method, target, data or None, dict(request.headers.items()))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text

    def expect(self, status, method, path, headers=None, body=None, signed=True):
        got, answered, text = self.send(method, path, headers, body, signed)
        line = f"{method} {path}{'' if signed else ' (not signed)'}: {got}"
        if got != status:
            raise SystemExit(f"FAILED {line}, not {status}; {answered.get('x-correlation-id', '')} {text}")
        print(f"ok {line}", flush=True)
        return answered, text


def deployed(name, session):
    """The API of a stack, from the stack's outputs."""
    stack = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    key = None
    if "ApiKeyId" in outputs:
        key = session.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
    return Api(outputs["Url"], outputs["AuthMode"], session, key)


def smoke(api):
    _, text = api.expect(200, "GET", "/openapi.json", signed=False)
    assert json.loads(text)["openapi"].startswith("3."), text
    if api.auth != "none":
        refusal, _ = api.expect(401 if api.auth == "cognito" else 403, "GET", "/v1/products", signed=False)
        assert refusal["content-type"] == "application/problem+json", refusal
    wait_for_the_database(api)
    api.expect(200, "GET", "/v1/products?limit=1")

    name, key = f"Smoke test {uuid.uuid4()}", {"Idempotency-Key": str(uuid.uuid4())}
    created, text = api.expect(201, "POST", "/v1/products", key, {"name": name, "price": 100})
    # The stage is part of the path, unless the API has a custom domain.
    product = created["location"].removeprefix(urlsplit(api.url).path)
    try:
        replayed, again = api.expect(201, "POST", "/v1/products", key, {"name": name, "price": 100})
        assert replayed["idempotency-replayed"] == "true" and json.loads(again) == json.loads(text), again
        read, text = api.expect(200, "GET", product)
        assert json.loads(text)["name"] == name, text
        api.expect(304, "GET", product, {"If-None-Match": read["etag"]})
        api.expect(200, "PATCH", product, {"If-Match": read["etag"]}, {"price": 120})
        api.expect(412, "PATCH", product, {"If-Match": read["etag"]}, {"price": 130})
        api.expect(422, "POST", "/v1/products", None, {"name": "", "price": -1})
    finally:
        api.expect(204, "DELETE", product, {"If-Match": "*"})
    gone, _ = api.expect(404, "GET", product)
    assert gone["content-type"] == "application/problem+json", gone


def wait_for_the_database(api):
    end = time.monotonic() + READY_WITHIN_SECONDS
    while api.send("GET", "/health")[0] == 503 and time.monotonic() < end:
        print("waiting for the database", flush=True)
        time.sleep(5)
    api.expect(200, "GET", "/health")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--stage")
    place.add_argument("--stack")
    place.add_argument("--url")
    parser.add_argument("--auth", choices=["iam", "cognito", "none"], default="iam")
    arguments = parser.parse_args()
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
    if stack := arguments.stack or (arguments.stage and stack_of(arguments.stage)):
        api = deployed(stack, session)
    else:
        api = Api(arguments.url, arguments.auth, session)
    try:
        smoke(api)
    except (AssertionError, KeyError) as error:
        raise SystemExit(f"FAILED: {error!r}") from error
    print(api.url)


sys.exit(main())

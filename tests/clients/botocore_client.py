"""Sends requests signed by botocore.

Reads one JSON object per line, {"method", "url", "headers", "body", "key", "secret", "token", "presign"}, and writes one
per response, {"status", "headers", "body"}. The URL and its query are sent exactly as they were signed.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def call(asked):
    body = asked["body"].encode()
    signed = AWSRequest(asked["method"], asked["url"], headers=dict(asked["headers"]), data=body)
    credentials = Credentials(asked["key"], asked["secret"], asked["token"])
    if asked["presign"]:
        SigV4QueryAuth(credentials, "execute-api", "us-east-1", expires=60).add_auth(signed)
    else:
        SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(signed)

    url = urlsplit(signed.url)
    connection = http.client.HTTPConnection(url.netloc)
    target = url.path + (f"?{url.query}" if url.query else "")
    connection.request(asked["method"], target, body or None, dict(signed.headers.items()))
    answer = connection.getresponse()
    return {"status": answer.status, "headers": dict(answer.getheaders()), "body": answer.read().decode()}


for line in sys.stdin:
    print(json.dumps(call(json.loads(line))), flush=True)

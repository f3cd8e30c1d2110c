"""Serves AWS with moto on a port of 127.0.0.1 until standard input ends, which means that the parent has ended.

Operations that moto lacks and a deployment needs get the responses of a suitable account. Writes one line when it is ready.
"""

import json
import os
import sys
import threading
from io import BytesIO
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCOUNT = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}, "AccountUsage": {}}
DATABASES = {
    "DescribeDBEngineVersions": "<DBEngineVersions><DBEngineVersion><EngineVersion>{EngineVersion}</EngineVersion>"
    "</DBEngineVersion></DBEngineVersions>",
    "DescribeOrderableDBInstanceOptions": "<OrderableDBInstanceOptions><OrderableDBInstanceOption>"
    "<DBInstanceClass>{DBInstanceClass}</DBInstanceClass></OrderableDBInstanceOption></OrderableDBInstanceOptions>",
}


class WithoutGaps:
    """moto, with operations that it lacks."""

    def __init__(self, moto):
        self.moto = moto

    def __call__(self, environ, start_response):
        text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(text)
        if environ["PATH_INFO"].startswith("/2016-08-19/account-settings"):
            return self.answer(start_response, "application/json", json.dumps(ACCOUNT))
        # Other protocols send no forms, and need not be UTF-8.
        form = {name: values[0] for name, values in parse_qs(text.decode("latin-1")).items()}
        action = form.get("Action")
        if action in DATABASES:
            result = f"<{action}Result>{DATABASES[action].format(**form)}</{action}Result>"
            return self.answer(start_response, "text/xml", f"<{action}Response>{result}</{action}Response>")
        return self.moto(environ, start_response)

    @staticmethod
    def answer(start_response, kind, text):
        start_response("200 OK", [("Content-Type", kind)])
        return [text.encode()]


moto = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", int(sys.argv[1]), WithoutGaps(moto), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)

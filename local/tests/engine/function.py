"""A function for tests: implements the Runtime API with the standard library only and runs the event's command.

An event is {"do": COMMAND, ...}, or a proxy event with the same in its query string."""

import base64
import http.client
import json
import os
import signal
import socket
import sys
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
RUNTIME = "/2018-06-01/runtime"
CONNECTION = http.client.HTTPConnection(API)


def call(method, path, body=None, headers={}, connection=CONNECTION):
    connection.request(method, RUNTIME + path, body, headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def call_apart(method, path, body=None):
    """Calls on a separate connection. Returns status and body."""
    connection = http.client.HTTPConnection(API)
    status, _, answer = call(method, path, body, connection=connection)
    connection.close()
    return {"status": status, "body": json.loads(answer)}


def rendezvous(port):
    """Connects to the test, sends the process id, and waits until the test sends a byte or closes the connection."""
    with socket.create_connection(("127.0.0.1", int(port))) as test:
        test.sendall(b"%d\n" % os.getpid())
        return test.recv(1)


def run(event, headers, raw):
    ask = event.get("queryStringParameters") or event
    do = ask.get("do", "echo")
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    if do == "echo":
        return answer(event)
    if do == "raw":
        return json.dumps({"statusCode": 200, "body": raw}).encode()
    if do == "pid":
        return answer({"pid": os.getpid()})
    if do == "span":
        start = time.monotonic_ns()
        time.sleep(float(ask["seconds"]))
        return answer({"pid": os.getpid(), "start": start, "end": time.monotonic_ns()})
    if do == "environment":
        return answer({"variables": dict(os.environ), "headers": headers})
    if do == "wait":
        rendezvous(ask["port"])
        return answer({"pid": os.getpid()})
    if do == "linger":
        # The connection stays open for as long as the process lives.
        global lingering
        lingering = socket.create_connection(("127.0.0.1", int(ask["port"])))
        lingering.sendall(b"%d\n" % os.getpid())
        return answer({"pid": os.getpid()})
    if do == "log":
        print("to stdout", flush=True)
        print("to stderr", file=sys.stderr, flush=True)
        return answer({})
    if do == "log-much":
        for number in range(int(ask["lines"])):
            os.write(1, b"out %d\n" % number)
            os.write(2, b"err %d\n" % number)
        return answer({})
    if do == "log-long":
        os.write(1, b"x" * int(ask["bytes"]) + b"\nunfinished")
        return answer({})
    if do == "exit":
        for number in range(30):
            print("line", number, flush=True)
        os._exit(3)
    if do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "count-and-kill":
        rendezvous(ask["port"])
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "payload":
        return ask["payload"].encode()
    if do == "proxy":
        payload = {"statusCode": int(ask.get("status", 200)), "body": ask.get("body", "")}
        payload["headers"] = json.loads(ask.get("headers", "{}"))
        payload["multiValueHeaders"] = json.loads(ask.get("multiValueHeaders", "{}"))
        return json.dumps(payload).encode()
    if do == "base64":
        body = base64.b64encode(bytes(range(256))).decode()
        return json.dumps({"statusCode": 200, "body": body, "isBase64Encoded": True}).encode()
    if do == "size":
        return answer("x" * (int(ask["bytes"]) - len(answer(""))))
    if do == "next":
        return answer(call_apart("GET", "/invocation/next"))
    if do == "unknown-id":
        return answer(call_apart("POST", "/invocation/00000000-0000-0000-0000-000000000000/response", "{}"))
    if do == "init-error":
        return answer(call_apart("POST", "/init/error", "{}"))
    if do == "unknown-path":
        return answer(call_apart("GET", "/invocation"))
    if do == "twice":
        first = call_apart("POST", f"/invocation/{request_id}/response", answer({"pid": os.getpid()}))
        second = call_apart("POST", f"/invocation/{request_id}/response", "{}")
        print(json.dumps([first["status"], second["status"]]), flush=True)
        return None
    if do == "answer-and-exit":
        call_apart("POST", f"/invocation/{request_id}/response", answer({"pid": os.getpid()}))
        os._exit(0)
    raise ValueError(f"no such command: {do}")


def answer(body):
    return json.dumps({"statusCode": 200, "body": json.dumps(body)}).encode()


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "init-error":
        print("about to report", flush=True)
        call("POST", "/init/error", json.dumps({"errorType": "Runtime.Broken", "errorMessage": "no database"}))
        print("reported", flush=True)
        sys.exit(1)
    if mode == "init-exit":
        print("about to give up", file=sys.stderr, flush=True)
        sys.exit(7)
    if mode == "init-hang":
        rendezvous(sys.argv[2])
    while True:
        _, headers, event = call("GET", "/invocation/next")
        path = f"/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
        try:
            payload = run(json.loads(event), headers, event.decode())
        except Exception as error:
            report = {"errorType": type(error).__name__, "errorMessage": str(error)}
            call("POST", path + "/error", json.dumps(report))
            continue
        if payload is not None:
            call("POST", path + "/response", payload)


main()

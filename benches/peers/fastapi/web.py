"""The web application behind the Lambda Web Adapter: FastAPI under uvicorn."""

import json
from contextlib import asynccontextmanager
from time import perf_counter

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from fastapi import FastAPI

import catalogue

logger = Logger(service="catalogue")
metrics = Metrics(namespace="Catalogue", service="catalogue")


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with catalogue.pool() as app.state.pool:
        yield


class Telemetry:
    """Writes the metrics and the log line of each request before the response, after which Lambda freezes the process."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
                    # The adapter checks with a request to / whether the application is ready.
        if scope["type"] != "http" or scope["path"] == "/":
            return await self.app(scope, receive, send)
        started = perf_counter()
        status = None

        async def write_and_send(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body"):
                write(scope, status, (perf_counter() - started) * 1000)
            await send(message)

        await self.app(scope, receive, write_and_send)


def write(scope, status, milliseconds):
    metrics.add_metric(name="RequestCount", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="Latency", unit=MetricUnit.Milliseconds, value=milliseconds)
    metrics.flush_metrics()
    context = json.loads(dict(scope["headers"]).get(b"x-amzn-lambda-context", b"{}"))
    logger.info(
        "request",
        function_request_id=context.get("request_id"),
        method=scope["method"],
        path=scope["path"],
        status=status,
        duration_ms=milliseconds,
    )


app = FastAPI(lifespan=lifespan)
catalogue.add_routes(app)
app.add_middleware(Telemetry)

"""The Lambda handler: FastAPI behind Mangum."""

import asyncio
from time import perf_counter

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from fastapi import FastAPI
from mangum import Mangum

import catalogue

logger = Logger(service="catalogue")
metrics = Metrics(namespace="Catalogue", service="catalogue")

app = FastAPI()
catalogue.add_routes(app)

# Mangum starts and ends a lifespan for each request, which would connect each time. So the pool is opened once here, on the
# event loop that Mangum uses for requests.
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def open_pool():
    app.state.pool = await catalogue.pool()


loop.run_until_complete(open_pool())
adapter = Mangum(app, lifespan="off")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics
def handler(event, context):
    started = perf_counter()
    response = adapter(event, context)
    milliseconds = (perf_counter() - started) * 1000
    metrics.add_metric(name="RequestCount", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="Latency", unit=MetricUnit.Milliseconds, value=milliseconds)
    logger.info(
        "request",
        method=event["httpMethod"],
        path=event["path"],
        status=response["statusCode"],
        duration_ms=milliseconds,
    )
    return response

"""GET /v1/products/{id} with Powertools' own resolver and psycopg."""

import os
from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from json import dumps
from time import perf_counter
from uuid import UUID

import psycopg
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from psycopg.rows import dict_row

SELECT = """
    select id, artisan_id, name, description, price, currency, version, created_at, updated_at
    from products
    where id = %s
"""

logger = Logger(service="catalogue")
metrics = Metrics(namespace="Catalogue", service="catalogue")


def connect():
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, row_factory=dict_row)


# Opened while the function is initialised, and kept.
connection = connect()


def plain(value):
    """Converts types that JSON lacks, as the API does: times are in UTC, without trailing zeros."""
    if isinstance(value, datetime):
        written = value.astimezone(timezone.utc).replace(tzinfo=None).isoformat()
        return (written.rstrip("0").rstrip(".") if "." in written else written) + "Z"
    return str(value)


app = APIGatewayRestResolver(serializer=partial(dumps, default=plain, ensure_ascii=False, separators=(",", ":")))


@app.get("/v1/products/<id>")
def get_product(id: str):
    global connection
    try:
        id = UUID(id)
    except ValueError:
        raise BadRequestError("id must be a UUID") from None
    if connection.closed:
        connection = connect()
    # psycopg prepares a statement automatically after five executions.
    row = connection.execute(SELECT, (id,)).fetchone()
    if row is None:
        raise NotFoundError("There is no such product.")
    return Response(
        HTTPStatus.OK, content_types.APPLICATION_JSON, row, headers={"ETag": f'"{id}.{row["version"]}"'}
    )


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics
def handler(event, context):
    started = perf_counter()
    response = app.resolve(event, context)
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

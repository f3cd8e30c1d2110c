"""GET /v1/products/{id} with FastAPI and asyncpg, shared by both ways to run it on Lambda."""

import os
from datetime import datetime, timezone
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, PlainSerializer

SELECT = """
    select id, artisan_id, name, description, price, currency, version, created_at, updated_at
    from products
    where id = $1
"""


def rfc3339(time: datetime) -> str:
    """A time as the API writes it: in UTC, without trailing zeros."""
    written = time.astimezone(timezone.utc).replace(tzinfo=None).isoformat()
    return (written.rstrip("0").rstrip(".") if "." in written else written) + "Z"


Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]


class Product(BaseModel):
    id: UUID
    artisan_id: UUID | None
    name: str
    description: str
    price: int
    currency: str
    version: int
    created_at: Time
    updated_at: Time


async def unchanged(_connection: asyncpg.Connection) -> None:
    """Replaces the queries with which a pool resets a connection: a read leaves no state to reset."""


def pool() -> asyncpg.Pool:
    """A pool of one connection, since an execution environment of Lambda has one request at a time."""
    return asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=1, reset=unchanged)


async def get_product(request: Request, response: Response, id: UUID):
    row = await request.app.state.pool.fetchrow(SELECT, id)
    if row is None:
        raise HTTPException(404, "There is no such product.")
    response.headers["ETag"] = f'"{id}.{row["version"]}"'
    return dict(row)


def add_routes(app: FastAPI) -> None:
    app.get("/v1/products/{id}", response_model=Product)(get_product)

"""Keeps a copy of the catalogue in an SQLite file in step with the API.

    python follow.py URL FILE [--once]

Makes a copy unless FILE has one, then follows what changes; with --once, ends when there is nothing more. It may end at any
time, and go on later. Signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION if they are
set. Needs the packages botocore and requests.
"""

import argparse
import datetime
import json
import os
import sqlite3
from urllib.parse import urlencode

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

COLLECTIONS = {"product": "products", "artisan": "artisans"}

SCHEMA = """
create table if not exists resources (kind text, id text, version integer, content text, primary key (kind, id));
create table if not exists progress (cursor text);
"""


class Api:
    def __init__(self, url):
        self.url = url
        self.session = requests.Session()
        key = os.environ.get("AWS_ACCESS_KEY_ID")
        self.signer = key and SigV4Auth(
            Credentials(key, os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN")),
            "execute-api",
            os.environ["AWS_REGION"],
        )

    def get(self, path, **query):
        """The JSON of a response, or None if it is 404."""
        url = f"{self.url}{path}" + (f"?{urlencode(sorted(query.items()))}" if query else "")
        signed = AWSRequest("GET", url)
        if self.signer:
            self.signer.add_auth(signed)
        response = self.session.get(url, headers=dict(signed.headers.items()), timeout=60)
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return response.json()

    def walk(self, path):
        """All items of a list."""
        cursor = {}
        while cursor is not None:
            page = self.get(path, limit=100, **cursor)
            yield from page["items"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None


def store(file, kind, content):
    row = (kind, content["id"], content["version"], json.dumps(content))
    file.execute("insert or replace into resources values (?, ?, ?, ?)", row)


def patched(content, patch):
    """JSON Merge Patch (RFC 7396), except that a member that is null stays: what has no value is null in the API, too."""
    return content | patch


def apply(api, file, change):
    kind, key = change["resource"], (change["resource"], change["id"])
    known = file.execute("select version, content from resources where kind = ? and id = ?", key).fetchone()
    if known and known[0] >= change["version"]:
        return  # The copy has it: it was made after this change.
    if change["changes"] is not None and (known or change["inverse"] is None):
        store(file, kind, patched(json.loads(known[1]) if known else {}, change["changes"]))
        return
    # A deletion, or contents that the history does not have any more.
    content = api.get(f"/v1/{COLLECTIONS[kind]}/{change['id']}") if change["inverse"] is None or not known else None
    if content:
        store(file, kind, content)
    else:
        file.execute("delete from resources where kind = ? and id = ?", key)


def follow(api, file, once):
    progress = file.execute("select cursor from progress").fetchone()
    if not progress:
        with file:
            # First the place in the feed, then the copy: what happens in between is in both.
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            progress = (api.get("/v1/changes", limit=1, since=now)["next_cursor"],)
            for kind, collection in COLLECTIONS.items():
                for content in api.walk(f"/v1/{collection}"):
                    store(file, kind, content)
            file.execute("insert into progress values (?)", progress)
    (cursor,) = progress
    while True:
        page = api.get("/v1/changes", cursor=cursor, limit=100, wait=0 if once else 20)
        cursor = page["next_cursor"]
        # The copy and the place that it has reached change together.
        with file:
            for change in page["items"]:
                apply(api, file, change)
            file.execute("update progress set cursor = ?", (cursor,))
        if once and not page["items"]:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("file")
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    file = sqlite3.connect(arguments.file)
    file.executescript(SCHEMA)
    follow(Api(arguments.url), file, arguments.once)

"""Staging tables as `pgtandem import mongo` writes them, without its files."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from helpers import ROOT

MAKES = """
CREATE SCHEMA IF NOT EXISTS staging;
CREATE TABLE IF NOT EXISTS staging.{0} (
    _id text PRIMARY KEY, document jsonb NOT NULL, import bigint NOT NULL);
CREATE TEMPORARY TABLE incoming (document jsonb);
"""
WRITES = """
INSERT INTO staging.{0} (_id, document, import)
SELECT pgtandem.mongo_id(document -> '_id'), document, 1 FROM incoming
ON CONFLICT (_id) DO UPDATE SET document = excluded.document, import = staging.{0}.import + 1
WHERE staging.{0}.document <> excluded.document
"""
DELETES = """
DELETE FROM staging.{0}
WHERE _id NOT IN (SELECT pgtandem.mongo_id(document -> '_id') FROM incoming)
"""


def stage(dsn: str, table: str, documents: Iterable[Any], full: bool = False) -> None:
    """Import documents, each JSON text or a value; with `full` what they lack is deleted."""
    with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
        name = sql.Identifier(table)
        connection.execute(sql.SQL(MAKES).format(name))
        with connection.cursor().copy("COPY incoming FROM STDIN (FORMAT csv)") as copy:
            for each in documents:
                text = each if isinstance(each, str) else json.dumps(each)
                copy.write('"' + text.replace('"', '""') + '"\n')
        connection.execute(sql.SQL(WRITES).format(name))
        if full:
            connection.execute(sql.SQL(DELETES).format(name))
        connection.execute("DROP TABLE incoming")


def example(dsn: str, export: str, documents: int = 200, form: str = "canonical") -> None:
    """Import what examples/mongo_tasks/generate.py writes for an export, but for its bad lines."""
    collections = generate.exported(export, documents, seed=1)
    for collection, some in collections.items():
        stage(
            dsn,
            "subtasks" if collection == "dramatiq_tasks" else collection,
            [generate.written(each, form) for each in some],
            full=export == "full",
        )


def _generator() -> Any:
    path = ROOT / "examples" / "mongo_tasks" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()

"""Kill psql or its backend anywhere in a contract on columns or its revert; then run it again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from helpers import environment, psql
from mappings import Built, build
from test_contract_columns import DIFFERING, LEGACY, MANY, MAPPING, SHAPE, compare, rows

CONTENT = "SELECT id, name, email, vip, country, number, serial FROM shop.customer ORDER BY id"


def killed(built: Built, script: Path, moment: float, what: str) -> bool:
    """Start a script, and kill it at a moment; whether it was still at work."""
    program = subprocess.Popen(
        ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", script],
        env=environment(built.dsn) | {"PGAPPNAME": "victim"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(moment)
    alive = program.poll() is None
    if what == "client" and alive:
        os.killpg(program.pid, signal.SIGKILL)
    with psycopg.connect(built.dsn, autocommit=True) as db:
        if what == "backend":
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'victim'"
            )
        program.wait(30)
        deadline = time.monotonic() + 30
        while rows(db, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'victim'"):
            assert time.monotonic() < deadline, "its backend goes on alone"
            time.sleep(0.01)
    return alive


@pytest.mark.parametrize("what", ["client", "backend"])
def test_killed_at_any_moment(dsn: str, tmp_path: Path, what: str) -> None:
    built = build(dsn, MAPPING, LEGACY + MANY, ("expand", "sync", "backfill"), directory=tmp_path)
    compare(dsn)
    with psycopg.connect(dsn, autocommit=True) as db:
        before = rows(db, SHAPE), rows(db, CONTENT)
        db.execute(
            "UPDATE pgtandem.mapping SET settings = settings || "
            """'{"backfill": {"chunk_time": "1ms", "pause": "20ms"}}'"""
        )
        hits = 0
        for kind in ("deploy", "revert"):
            script = built.directory / kind / "crm_contract.sql"
            # A little later each time, until it is done before.
            for moment in (0.03 + 0.01 * number for number in range(120)):
                if not killed(built, script, moment, what):
                    break
                hits += 1
            psql(script, dsn)
            psql(script, dsn)
            if kind == "deploy":
                psql(built.directory / "verify" / "crm_contract.sql", dsn)
                db.execute("UPDATE crm.person SET name = 'since' WHERE id BETWEEN 1 AND 2000")
                db.execute("DELETE FROM crm.person WHERE id = 2001")
                db.execute("DELETE FROM shop.customer WHERE id = 2001")
        assert hits > 4, "it was killed too late"
        assert rows(db, SHAPE) == before[0]
        expected = [
            (key, "since" if key <= 2000 else name, *rest)
            for key, name, *rest in before[1]
            if key != 2001
        ]
        assert rows(db, CONTENT) == expected
        assert rows(db, DIFFERING) == []
        for table in ("companion", "walk", "recheck", "worker"):
            assert rows(db, f"TABLE pgtandem.{table}") == []

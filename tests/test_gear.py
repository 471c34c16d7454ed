"""The example gear, as Sqitch deploys and reverts it: what a person reads on the way."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from conftest import GEAR
from helpers import psql, run


@pytest.fixture
def legacy(dsn: str) -> str:
    """The engine and gear's old system; the connection string."""
    psql(GEAR / "legacy.sql", dsn)
    return dsn


def told(dsn: str, *arguments: str, check: bool = True) -> str:
    """What Sqitch prints where NOTICEs are not held back."""
    command: list[str | Path] = ["env", "PGOPTIONS=", "sqitch", *arguments, "--target", "db:pg:"]
    return run(command, dsn, GEAR, check).stdout


def test_a_clean_deploy_has_nothing_to_remark(legacy):
    out = told(legacy, "deploy", "--to-change", "gear_items_user_fkey")
    assert "+ gear_expand" in out
    assert "NOTICE" not in out
    out = told(legacy, "revert", "-y", "--to-change", "gear_tables")
    assert "NOTICE" not in out


def test_a_revert_that_would_lose_rows_says_that_the_sync_is_off(legacy):
    told(legacy, "deploy", "--to-change", "gear_items_user_fkey")
    with psycopg.connect(legacy, autocommit=True) as connection:
        user = "INSERT INTO user_core.users (name, email) VALUES ('Ana', 'ana@x.invalid')"
        connection.execute(f"WITH u AS ({user} RETURNING id) INSERT INTO gear_ops.gear_items"
                           " (id, user_id, name, status) SELECT gen_random_uuid(), id, 'rope',"
                           " 'retired' FROM u")  # fmt: skip
        out = told(legacy, "revert", "-y", check=False)
        assert "ERROR:  reverting gear_tables would destroy rows that exist nowhere else" in out
        assert "The sync is off by now: what is written stays on its side." in out
        assert "To sync again: sqitch deploy --to gear_sync." in out
        row = connection.execute("SELECT count(*) FROM gear_ops.gear_items").fetchone()
        assert row == (1,)
    assert "+ gear_sync" in told(legacy, "deploy", "--to", "gear_sync")

"""The engine goes as cleanly as it came, and not while a mapping stands on it."""

from __future__ import annotations

import psycopg
import pytest

from helpers import ROOT, planned, psql, sqitch


@pytest.mark.both
def test_the_engine_reverts_to_nothing(dsn: str) -> None:
    sqitch("revert", "-y", dsn=dsn)
    with psycopg.connect(dsn) as db:
        assert db.execute("SELECT to_regnamespace('pgtandem')").fetchone() == (None,)
    sqitch("deploy", dsn=dsn)
    assert f"Name:     {planned(ROOT)[-1]}" in sqitch("status", dsn=dsn)


def test_each_script_may_run_again(dsn: str) -> None:
    """Sqitch may be killed after a script has committed, before it notes that."""
    for change in reversed(planned(ROOT)):
        psql(ROOT / "revert" / f"{change}.sql", dsn)
        psql(ROOT / "revert" / f"{change}.sql", dsn)
    for change in planned(ROOT):
        psql(ROOT / "deploy" / f"{change}.sql", dsn)
        psql(ROOT / "deploy" / f"{change}.sql", dsn)
        psql(ROOT / "verify" / f"{change}.sql", dsn)


def test_sqitch_refuses_while_a_mapping_is_deployed(gear_dsn: str) -> None:
    told = sqitch("revert", "-y", dsn=gear_dsn, check=False)
    assert "required by currently deployed change: gear:gear_sync" in told
    assert "required by currently deployed change: gear:gear_expand" in told
    with psycopg.connect(gear_dsn) as db:
        assert db.execute("SELECT phase FROM pgtandem.status").fetchone() == ("sync",)


def test_a_revert_by_hand_is_refused_too(gear_dsn: str) -> None:
    with pytest.raises(AssertionError, match="other objects depend on it"):
        psql(ROOT / "revert" / "mapping.sql", gear_dsn)
    with psycopg.connect(gear_dsn) as db:
        assert db.execute("SELECT name FROM pgtandem.mapping").fetchone() == ("gear",)

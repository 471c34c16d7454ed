"""Kill Sqitch, a session or the server anywhere in a deploy or revert; run it again: it is done."""

from __future__ import annotations

import time

import pytest

from chaos.victim import PHASES, moments
from conftest import GEAR
from helpers import psql, sqitch

BEFORE = dict(zip(PHASES, ("gear_tables", *PHASES), strict=False))
BEFORE["gear_contract"] = "gear_items_user_fkey"


def ready(victim, command: str, change: str) -> str:
    """Bring gear to just before a deploy or revert; return the change to name to Sqitch."""
    to = BEFORE[change] if command == "deploy" else change
    if change == "gear_contract" and command == "revert":
        ready(victim, "deploy", change)
    victim.sqitch("deploy", to) if to != "gear_tables" else None
    if change == "gear_contract" and command == "deploy":
        victim.execute("CALL pgtandem.compare('gear')")
    return change if command == "deploy" else BEFORE[change]


def well(victim, command: str, change: str) -> None:
    """Books and database agree, every change verifies, and no row is lost."""
    last = change if command == "deploy" else BEFORE[change]
    assert victim.deployed()[-1] == last
    sqitch("verify", "--to-change", last, dsn=victim.dsn, project=GEAR)
    rows = "SELECT count(*), sum(hashtext(t::text)) FROM user_core.old_equipment AS t"
    assert victim.value(rows) == 20_000
    if last in {"gear_backfill", "gear_items_user_fkey"}:
        victim.execute("CALL pgtandem.backfill('gear')")
        victim.equal()


CASES = [(command, change) for command in ("deploy", "revert") for change in PHASES]


@pytest.mark.parametrize(("command", "change"), CASES)
def test_killed_before_sqitch_noted_it(victim, command, change):
    """The script has committed, but Sqitch was killed before it wrote that down."""
    to = ready(victim, command, change)
    psql(GEAR / command / f"{change}.sql", victim.dsn)
    victim.sqitch(command, to)
    well(victim, command, change)


@pytest.mark.parametrize(("command", "change"), CASES)
def test_killed_at_any_moment(victim, command, change):
    """Each kind of kill at a random moment, one after the other."""
    to = ready(victim, command, change)
    for what, moment in zip(
        ("client", "session", "server"), moments(hash_of(change), 3, 0.7), strict=True
    ):
        program = victim.start_sqitch(command, to)
        time.sleep(moment)
        victim.kill(what, program)
        victim.until("SELECT count(*) < 2 FROM pg_stat_activity WHERE application_name = 'victim'")
    victim.sqitch(command, to)
    well(victim, command, change)


@pytest.mark.parametrize(
    ("change", "before"),
    [("gear_tables", "@ROOT"), ("gear_items_user_fkey", "gear_backfill")],
)
def test_a_script_of_the_example_is_killed_before_sqitch_noted_it(victim, change, before):
    """Those written by hand may run again, too."""
    if before == "@ROOT":
        sqitch("revert", "-y", dsn=victim.dsn, project=GEAR)
    else:
        victim.sqitch("deploy", before)
    psql(GEAR / f"deploy/{change}.sql", victim.dsn)
    victim.sqitch("deploy", change)
    assert victim.deployed()[-1] == change
    sqitch("verify", "--to-change", change, dsn=victim.dsn, project=GEAR)
    psql(GEAR / f"revert/{change}.sql", victim.dsn)
    if before == "@ROOT":
        sqitch("revert", "-y", dsn=victim.dsn, project=GEAR)
        assert victim.deployed() == []
    else:
        victim.sqitch("revert", before)
        assert victim.deployed()[-1] == before


def hash_of(name: str) -> int:
    return sum(name.encode())

"""Drains that look behind what was touched, and backfills in place: killed, and run again."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

import random

import pytest

from chaos.victim import Victim
from isolation import derived_world as worlds
from mappings import Built, build


def agree(victim: Victim, name: str) -> None:
    """The copy is complete, nothing is queued, and both sides are equal."""
    victim.execute(f"CALL pgtandem.drain('{name}')")
    assert victim.value("SELECT copy_state FROM pgtandem.mapping") == "complete"
    assert victim.value("SELECT count(*) FROM pgtandem.recheck") == 0
    differing = "WHERE changed OR NOT in_source OR NOT in_target"
    assert victim.execute(f"SELECT key FROM pgtandem_{name}.compared() {differing}") == []


@pytest.fixture
def sums(empty: Victim) -> Built:
    """Twelve thousand messages behind a thousand persons."""
    built = build(empty.dsn, worlds.JOINS, worlds.JOINED)
    empty.execute("INSERT INTO bill.person SELECT n, 'p' FROM generate_series(10, 999) AS n")
    empty.execute("INSERT INTO bill.talk SELECT n, n FROM generate_series(10, 999) AS n")
    return built


@pytest.mark.parametrize("what", ["client", "backend"])
def test_drain_killed(empty: Victim, sums: Built, what: str) -> None:
    """In the middle of looking up and settling: no entry is lost, and none is done twice for good."""
    victim = empty
    victim.execute("CALL pgtandem.backfill('sums')")
    victim.execute(
        "INSERT INTO bill.message SELECT n, 10 + n % 990, n % 5 FROM generate_series(1, 12000) AS n"
    )
    chance = random.Random(what)
    for share in (0.9, chance.uniform(0.1, 0.5)):
        program = victim.start("psql", "-Xqc", "CALL pgtandem.drain('sums')")
        victim.until(
            f"SELECT count(*) < {share} * 12000 OR count(*) = 0 FROM pgtandem.recheck WHERE via IS NOT NULL"
        )
        victim.kill(what, program)
        if what == "client":  # its session goes on, and may be done first
            break
    victim.until(
        "SELECT count(*) = 0 FROM pg_stat_activity "
        "WHERE application_name = 'victim' AND state = 'active'"
    )
    agree(victim, "sums")
    assert victim.value("SELECT sum(days) FROM bill.sum") == victim.value(
        "SELECT sum(n) FROM (SELECT count(DISTINCT day) AS n FROM bill.message GROUP BY talk_id) AS d"
    )


@pytest.mark.parametrize("what", ["session", "server"])
def test_close_killed(empty: Victim, sums: Built, what: str) -> None:
    """While the backfill looks behind what was touched, at the close of the copy."""
    victim = empty
    victim.execute(
        "INSERT INTO bill.message SELECT n, 10 + n % 990, n % 5 FROM generate_series(1, 12000) AS n"
    )
    for share in (0.9, 0.3):
        program = victim.start("psql", "-Xqc", "CALL pgtandem.backfill('sums')")
        victim.until(
            f"SELECT count(*) < {share} * 12000 FROM pgtandem.recheck WHERE via IS NOT NULL"
        )
        victim.kill(what, program)
    victim.execute("CALL pgtandem.backfill('sums')")
    agree(victim, "sums")


@pytest.mark.parametrize("what", ["client", "session", "backend", "server"])
def test_backfill_in_place_killed(empty: Victim, what: str) -> None:
    """Each row is brought over once, and what an application wrote meanwhile stays."""
    victim = empty
    build(victim.dsn, worlds.RENAMED, worlds.PEOPLE)
    victim.execute("ALTER TABLE shop.person DISABLE TRIGGER USER")
    victim.execute(
        "INSERT INTO shop.person (id, name, pad) SELECT n, 'v' || n, repeat('x', 400) FROM generate_series(10, 20000) AS n"
    )

    for name in ("write", "update", "moved", "keep"):
        victim.execute(f'ALTER TABLE shop.person ENABLE ALWAYS TRIGGER "~pgtandem_renamed_{name}"')
    victim.slow_down()
    chance = random.Random(what)
    for share in sorted(chance.uniform(0, 0.6) for _ in range(3)):
        program = victim.start("psql", "-Xqc", "CALL pgtandem.backfill('renamed')")
        victim.until(
            f"SELECT copy_state = 'complete' OR blocks_done > {share} * blocks AND blocks > 0 "
            "FROM pgtandem.progress"
        )
        victim.execute(
            "UPDATE shop.person SET full_name = 'new' WHERE id % 1000 = 0 AND full_name IS NULL"
        )
        victim.execute(
            "UPDATE shop.person SET name = 'old' WHERE id % 1000 = 1 AND full_name IS NULL"
        )
        victim.kill(what, program)
    victim.execute("CALL pgtandem.backfill('renamed')")
    agree(victim, "renamed")
    assert victim.value("SELECT count(*) FROM shop.person WHERE full_name IS NULL") == 0
    assert victim.value("SELECT count(*) FROM shop.person WHERE seen <> 0") == 0

"""Kill the backfill anywhere; run it again, and it ends in the same state."""

from __future__ import annotations

import random

import pytest

from chaos.victim import CALL


@pytest.mark.parametrize("what", ["client", "session", "backend", "server"])
def test_backfill_killed(victim, what):
    victim.sqitch("deploy", "gear_sync")
    victim.slow_down()
    chance = random.Random(what)
    for share in sorted(chance.uniform(0, 1) for _ in range(3)):
        program = victim.start_backfill()
        victim.until(
            f"SELECT copy_state = 'complete' OR blocks_done > {share} * blocks AND blocks > 0 "
            "FROM pgtandem.progress"
        )
        victim.kill(what, program)
    victim.execute(CALL)
    victim.complete()


def test_two_workers_and_a_killed_one(victim):
    """The other worker takes over what the killed one had claimed."""
    victim.sqitch("deploy", "gear_sync")
    victim.slow_down()
    first, second = victim.start_backfill(), victim.start_backfill()
    victim.until("SELECT workers = 2 AND blocks_done > 10 FROM pgtandem.progress")
    pid = victim.value("SELECT min(pid) FROM pgtandem.worker")
    victim.execute(f"SELECT pg_terminate_backend({pid})")
    codes = sorted((first.wait(60), second.wait(60)))
    assert codes[0] == 0
    victim.complete()


def test_killed_client_leaves_no_session(victim):
    """With client_connection_check_interval the session ends soon, even while it is paused."""
    victim.sqitch("deploy", "gear_sync")
    victim.execute("SELECT pgtandem.pause('gear')")
    program = victim.start(
        "psql", "-Xqc", "SET client_connection_check_interval = '500ms'", "-c", CALL
    )
    victim.until("SELECT coalesce(waiting_for LIKE 'paused%', false) FROM pgtandem.progress")
    victim.kill("client", program)
    victim.until("SELECT workers = 0 FROM pgtandem.progress", 5)
    victim.execute("SELECT pgtandem.resume('gear')")
    victim.execute(CALL)
    victim.complete()


def test_second_call_beside_an_orphan(victim):
    """Without it the session goes on alone; a second run works beside it."""
    victim.sqitch("deploy", "gear_sync")
    victim.slow_down()
    program = victim.start_backfill()
    victim.until("SELECT blocks_done > 10 FROM pgtandem.progress")
    victim.kill("client", program)
    victim.execute(CALL)
    victim.complete()
    victim.until("SELECT workers = 0 FROM pgtandem.progress")

"""The backfill, beside one big statement and beside batches by key."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from bench.measure import Section, compare, interleave
from bench.world import World, script

DATABASE = "gear"
MIDDLE = "80000000-0000-0000-0000-000000000000"
NOTE = (
    "`CALL pgtandem.backfill('gear')` in one session or two, until it says that the copy "
    "is complete (proven so: the wait for older transactions and the drain of the queue are in "
    "the figure), with every sync trigger on both tables. The competitors write the same "
    "target with the same indexes, but without any trigger on it, and prove nothing. TRUNCATE "
    "and CHECKPOINT between. The keyset batches run in a procedure (no round trips), without "
    "waiting for their commits to reach the disk."
)

Call = tuple[str, dict[str, Any] | None]


def _reset(world: World) -> None:
    with world.connect(DATABASE) as session:
        session.execute(script("reset"))
        session.execute("CHECKPOINT")


def _timed(world: World, calls: Sequence[Call], *, ours: bool = False) -> float:
    """Seconds until all calls, each in a session of its own, are done; the sessions are there."""
    sessions = [world.connect(DATABASE) for _ in calls]
    if ours:
        sessions[0].execute(script("triggers_on"))
    with ThreadPoolExecutor(len(calls)) as pool:
        start = time.perf_counter()
        list(pool.map(lambda each: each[0].execute(*each[1]), zip(sessions, calls, strict=True)))
        seconds = time.perf_counter() - start
    with world.connect(DATABASE) as session:
        row = session.execute(script("count_target")).fetchone()
    for each in sessions:
        each.close()
    assert row
    assert row[0] == world.rows, f"{row[0]} rows were copied"
    return seconds


def run(world: World, rounds: int) -> Section:
    """Compare; every figure is seconds."""
    with world.connect(DATABASE) as session:
        session.execute(script("keyset"))
    keyset, ours = script("keyset_call"), (script("backfill"), None)
    whole = {"worker": 1, "low": None, "high": None}
    low = {"worker": 1, "low": None, "high": MIDDLE}
    high = {"worker": 2, "low": MIDDLE, "high": None}
    contestants: dict[str, Callable[[], float]] = {
        "bare": partial(_timed, world, [(script("bare_insert"), None)]),
        "keyset": partial(_timed, world, [(keyset, whole)]),
        "keyset 2": partial(_timed, world, [(keyset, low), (keyset, high)]),
        "ours 1": partial(_timed, world, [ours], ours=True),
        "ours 2": partial(_timed, world, [ours, ours], ours=True),
    }
    figures = interleave(contestants, rounds, partial(_reset, world))
    return Section(
        "Backfill",
        ratios=[
            compare("1 job: one bare INSERT ... SELECT", figures, "ours 1", "bare", "s", 1.0),
            compare("2 jobs: one bare INSERT ... SELECT", figures, "ours 2", "bare", "s", 1.6),
            compare("1 job: keyset batches of 1,000", figures, "ours 1", "keyset", "s", 1.5),
            compare("2 jobs: keyset batches of 1,000", figures, "ours 2", "keyset", "s", 2.5),
            compare("2 jobs: keyset batches in 2 sessions", figures, "ours 2", "keyset 2", "s"),
        ],
        notes=[NOTE],
    )

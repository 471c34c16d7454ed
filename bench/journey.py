"""Stages computed from messages and payments, and entitlements kept in sync by a queue."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from statistics import median, quantiles
from typing import Any

import psycopg

from bench.measure import Ratio, Section, compare, interleave, session_time
from bench.world import HERE, ROOT, World, script

DATABASE = "journey"
EXAMPLE = ROOT / "examples" / "vibelife_v5"
CLIENTS, RATE, SECONDS = 4, 200, 4
LOOP, LOOPED = "loop", 1000  # users that the loop is measured with
INTERVALS = ("200ms", "1s")
OURS = "pgtandem_entitlements"
NOTE = (
    "`CALL pgtandem.backfill('journey')` of `examples/vibelife_v5` in one session or two, until it "
    "says that the copy is complete, with every trigger on: three columns of each user, computed "
    "from ten messages on average, of which half are the user's, and from payments. The other two "
    "write without any trigger and prove nothing. The UPDATE is `bench/update_journey.sql`; it "
    "locks every user until its end, and what was written meanwhile it has not read. The loop is "
    f"the plan's, one user at a time by psycopg, each a commit; measured with {LOOPED:,} users and "
    "multiplied. Between them the columns go back to their defaults, and the table is packed."
)
PAYING = (
    f"A payment queues its user. The first lines: pgbench, {CLIENTS} clients, a payment of a "
    "random user a transaction, `synchronous_commit = off`; payments a second, without the drain, "
    "which took {drained:.0f} µs of processor time a payment afterwards (that column counts it). "
    "The hand-written trigger is in `bench/hand_journey.sql`: it holds the user's entitlement and "
    "makes it right before the payment is committed, so two transactions that pay for the same "
    "users wait for each other, or end in a deadlock. The table: "
    f"{RATE} payments a second, each of another user, commits that reach the disk, and one "
    "`pgtandem drain entitlements --follow`; from one commit's time in the server to the other's."
)


def _stage(days: int, has_paid: bool) -> str:
    """As the plan has it."""
    if days >= 60 and has_paid:
        return "symbiosis"
    if days >= 14 and has_paid:
        return "dependence"
    if days >= 3:
        return "trust"
    return "understanding" if days >= 1 else "first_sight"


def _one(session: psycopg.Connection[Any], name: str, **values: object) -> Any:
    """The first column of the only row."""
    row = session.execute(script(name), values).fetchone()
    assert row
    return row[0]


def _deploy(world: World) -> None:
    """The database as it is after journey_sync."""
    world.database(DATABASE)
    world.run(["sqitch", "deploy", "--target", f"db:pg:{DATABASE}"], DATABASE)
    world.psql(EXAMPLE / "legacy.sql", DATABASE)
    world.psql(EXAMPLE / "generate.sql", DATABASE, users=world.rows, messages=10 * world.rows)
    _sqitch(world, "journey_sync")


def _sqitch(world: World, change: str) -> None:
    world.run(["sqitch", "deploy", "--to-change", change, "--target", f"db:pg:{DATABASE}"],
              DATABASE, EXAMPLE)  # fmt: skip
    with world.connect(DATABASE) as session:
        session.execute("VACUUM (FREEZE, ANALYZE)")
        session.execute("CHECKPOINT")


def _reset(world: World) -> None:
    world.psql(HERE / "reset_journey.sql", DATABASE)


def _check(world: World, name: str) -> None:
    """Fail where a contestant has left users wrong; of the loop, only the stage can be right."""
    with world.connect(DATABASE) as session:
        row = session.execute(script("count_journey")).fetchone()
    expected = (0, LOOPED) if name == LOOP else (world.rows, world.rows)
    assert row == expected, f"{name}: users that are right, and that have the right stage: {row}"


def _statement(world: World, name: str, jobs: int = 1, *, ours: bool = False) -> float:
    """Seconds until a script is done in all sessions; the sessions are there."""
    sessions = [world.connect(DATABASE) for _ in range(jobs)]
    if ours:
        sessions[0].execute(script("journey_triggers_on"))
    with ThreadPoolExecutor(jobs) as pool:
        start = time.perf_counter()
        list(pool.map(lambda session: session.execute(script(name)), sessions))
        seconds = time.perf_counter() - start
    for each in sessions:
        each.close()
    return seconds


def _loop(world: World) -> float:
    """Seconds for all users, from those for some of them; the list of users is there already."""
    days, paid, update = map(script, ("loop_active_days", "loop_has_paid", "loop_update"))
    with world.connect(DATABASE) as session:
        session.prepare_threshold = 1
        users = session.execute(script("loop_users"), {"users": LOOPED}).fetchall()
        start = time.perf_counter()
        for user, *_ in users:
            active = session.execute(days, {"user": user}).fetchone()
            has_paid = session.execute(paid, {"user": user}).fetchone()
            assert active
            assert has_paid
            stage = _stage(active[0], has_paid[0])
            now = datetime.now(UTC).replace(tzinfo=None)
            session.execute(update, {"stage": stage, "now": now, "user": user})
        seconds = time.perf_counter() - start
    return seconds * world.rows / LOOPED


def _switch(world: World, kind: str) -> None:
    """Let only one trigger of the payments fire: "none", "hand", or ours."""
    with world.connect(DATABASE) as session:
        session.execute(script("switch_triggers"), {"kind": kind})


def _pay(world: World, kind: str, payments: int, drained: list[float]) -> float:
    """Payments a second; of ours also the microseconds of processor time that one is drained in."""
    _switch(world, kind)
    printed = world.pgbench(
        "-M", "prepared", "-c", str(CLIENTS), "-t", str(payments // CLIENTS),
        "-D", f"rows={world.rows}", "-f", HERE / "pay_again.sql",
        database=DATABASE, PGOPTIONS="-c synchronous_commit=off",
    )  # fmt: skip
    found = re.search(r"(?m)^tps = ([\d.]+)", printed)
    assert found, printed
    if kind == OURS:
        with world.connect(DATABASE) as session:
            assert _one(session, "queued") == payments
            began = session_time(session)
            session.execute(script("drain_entitlements"))
            drained.append((session_time(session) - began) / payments)
            assert _one(session, "queued") == 0
    return float(found[1])


@contextmanager
def _following(world: World, interval: str) -> Iterator[None]:
    """`pgtandem drain --follow` beside what is done meanwhile; it ends with an empty queue."""
    command = [sys.executable, "-m", "pgtandem", "drain", "entitlements", "--follow"]
    process = subprocess.Popen(
        [*command, "--interval", interval], env=world.environment(DATABASE), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed


def _until_empty(session: psycopg.Connection[Any]) -> None:
    limit = time.monotonic() + 60
    while _one(session, "queued"):
        assert time.monotonic() < limit, "the queue does not become empty"
        time.sleep(0.1)


def _delays(world: World, interval: str) -> list[float]:
    """Milliseconds from each payment's commit until the entitlement is right."""
    with world.connect(DATABASE) as session, _following(world, interval):
        session.execute(script("pay"))
        _until_empty(session)  # the drain is at work
        before = _one(session, "last_turn")
        world.pgbench(
            "-M", "prepared", "-c", str(CLIENTS), "-T", str(SECONDS), "-R", str(RATE),
            "-f", HERE / "pay.sql", database=DATABASE,
        )  # fmt: skip
        _until_empty(session)
        found = [row[0] for row in session.execute(script("delays"), {"turn": before})]
        paid = _one(session, "last_turn") - before
    assert None not in found, f"{found.count(None)} entitlements are not right"
    assert len(found) == paid, f"{paid - len(found)} payments are not there"
    return found


def _table(delays: dict[str, list[float]]) -> str:
    lines = [
        "| from a payment to the entitlement | p50 | p99 | longest | payments |",
        "|---|--:|--:|--:|--:|",
    ]
    for interval, found in delays.items():
        cells = (median(found), quantiles(found, n=100)[98], max(found))
        milliseconds = " | ".join(f"{cell:.0f} ms" for cell in cells)
        lines.append(f"| `--follow --interval {interval}` | {milliseconds} | {len(found):,} |")
    return "\n".join(lines)


def _backfills(world: World, rounds: int) -> list[Ratio]:
    """Every figure is seconds."""
    contestants = {
        "update": partial(_statement, world, "update_journey"),
        LOOP: partial(_loop, world),
        "ours 1": partial(_statement, world, "backfill_journey", ours=True),
        "ours 2": partial(_statement, world, "backfill_journey", 2, ours=True),
    }
    ran: list[str] = []

    def note(name: str) -> float:
        ran.append(name)
        return contestants[name]()

    def check_and_reset() -> None:
        # Not in what is measured: the check is as much work as a backfill.
        for name in ran:
            _check(world, name)
        ran.clear()
        _reset(world)

    found = interleave({name: partial(note, name) for name in contestants}, rounds, check_and_reset)
    check_and_reset()
    found[LOOP] = [replace(each, cost=each.cost * world.rows / LOOPED) for each in found[LOOP]]
    return [
        compare(f"{jobs} job{'s' if jobs > 1 else ''}: {what}", found, f"ours {jobs}", theirs, "s")
        for jobs in (1, 2)
        for what, theirs in (("the plan's loop", LOOP), ("the best single UPDATE", "update"))
    ]


def _payments(world: World, rounds: int, payments: int) -> tuple[list[Ratio], str]:
    """What a payment costs its writer, and what its drain takes."""
    drained: list[float] = []
    kinds = ("none", "hand", OURS)
    found = interleave(
        {kind: partial(_pay, world, kind, payments, drained) for kind in kinds}, rounds, wait=False
    )
    ratios = [
        compare("a payment: hand-written, at once", found, OURS, "hand", "/s", 0.95),
        compare("a payment: no trigger", found, OURS, "none", "/s"),
    ]
    return ratios, PAYING.format(drained=median(drained))


def run(world: World, rounds: int, payments: int = 4000) -> Section:
    """Compare; every figure is seconds, or payments a second."""
    _deploy(world)
    section = Section("Computed columns, and a queue", _backfills(world, rounds))
    _statement(world, "backfill_journey", ours=True)
    _sqitch(world, "entitlements_sync")
    with world.connect(DATABASE) as session:
        session.execute(script("backfill_entitlements"))
    _sqitch(world, "entitlements_backfill")
    world.psql(HERE / "hand_journey.sql", DATABASE)
    _switch(world, OURS)
    delays: dict[str, list[float]] = {interval: [] for interval in INTERVALS}
    for _ in range(2):
        for interval in INTERVALS:
            delays[interval] += _delays(world, interval)
    ratios, paying = _payments(world, rounds, payments)
    section.ratios += ratios
    section.notes += [NOTE, paying, _table(delays)]
    world.drop(DATABASE)
    return section

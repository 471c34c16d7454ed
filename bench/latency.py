"""How long a writer waits while the backfill runs, and while it does not."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from bench.measure import ENOUGH, Limit, Section, Watch, counted, wait_until_quiet
from bench.world import HERE, World, script

DATABASE = "gear"
CLIENTS, RATE = 4, 500


@dataclass
class Waits:
    """Milliseconds that single updates took, from when they were due, round by round."""

    quiet: list[list[float]] = field(default_factory=list)
    disturbed: list[list[float]] = field(default_factory=list)

    @property
    def taken(self) -> list[float]:
        """Those of the quiet rounds, if there are enough, else of all."""
        enough = len(self.quiet) >= ENOUGH
        rounds = self.quiet if enough else self.quiet + self.disturbed
        return [each for one in rounds for each in one]

    @property
    def p99(self) -> float:
        """99 of 100 took less."""
        return quantiles(self.taken, n=100)[98]

    @property
    def longest(self) -> float:
        """The longest."""
        return max(self.taken)


def _reset(world: World) -> None:
    with world.connect(DATABASE) as session:
        session.execute(script("reset"))
        session.execute(script("triggers_on"))
        session.execute("CHECKPOINT")


def _write(world: World, directory: Path) -> None:
    """The old application: updates at a steady rate, a little longer than a copy takes."""
    seconds = 2 + world.rows // 200_000
    world.pgbench(
        "-M", "prepared", "-c", str(CLIENTS), "-T", str(seconds), "-R", str(RATE),
        "-D", f"rows={world.rows}", "-f", HERE / "update_source.sql",
        "-l", f"--log-prefix={directory}/log",
        database=DATABASE,
    )  # fmt: skip


def _read(directory: Path, first: float, last: float) -> list[float]:
    """The updates that ended between two times; pgbench logs microseconds, lag included."""
    taken = []
    for file in directory.glob("log*"):
        for line in file.read_text().splitlines():
            word = line.split()
            if first <= int(word[4]) + int(word[5]) / 1e6 <= last:
                taken.append(int(word[2]) / 1000)
    return taken


def _round(world: World, jobs: int, waits: Waits) -> None:
    """One stretch of writing into an empty target, with or without so many jobs beside it."""
    _reset(world)
    wait_until_quiet()
    with TemporaryDirectory() as name, ThreadPoolExecutor(jobs + 1) as pool:
        directory = Path(name)
        watch = Watch()
        writing = pool.submit(_write, world, directory)
        time.sleep(0.7)  # pgbench connects
        first = time.time()
        copies: list[Future[None]] = [pool.submit(_copy, world) for _ in range(jobs)]
        for copy in copies:
            copy.result()
        last = time.time()
        _, quiet = watch.look()
        writing.result()
        if not jobs:
            last, (_, quiet) = time.time(), watch.look()
        counted[quiet] += 1
        (waits.quiet if quiet else waits.disturbed).append(_read(directory, first, last))


def _copy(world: World) -> None:
    with world.connect(DATABASE) as session:
        session.execute(script("backfill"))


def run(world: World, rounds: int) -> Section:
    """Compare; every figure is milliseconds."""
    waits = {jobs: Waits() for jobs in (0, 1, 2)}
    for _ in range(rounds):
        for jobs, found in waits.items():
            _round(world, jobs, found)
    section = Section("A writer during the backfill")
    for jobs in (1, 2):
        section.limits += [
            Limit(f"p99, {jobs} job{'s' if jobs > 1 else ''}", waits[0].p99, waits[jobs].p99,
                  "ms", times=1.5 if jobs == 1 else None),
            Limit(f"longest, {jobs} job{'s' if jobs > 1 else ''}", waits[0].longest,
                  waits[jobs].longest, "ms", at_most=250),
        ]  # fmt: skip
    section.notes.append(
        f"{CLIENTS} clients send {RATE} single-row updates a second to the source at fixed times, "
        "whatever came before (so a wait counts for everybody behind it), with commits that reach "
        "the disk and the two-way sync on; beside it nothing, or the backfill. Only updates that "
        f"ended while the copy ran count: {len(waits[1].taken):,} with one job, "
        f"{len(waits[2].taken):,} with two, {len(waits[0].taken):,} without. Quiet rounds: "
        f"{len(waits[1].quiet)}, {len(waits[2].quiet)} and {len(waits[0].quiet)} of {rounds}."
    )
    return section

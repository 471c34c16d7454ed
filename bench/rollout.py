"""Asking for a flag, and reading one row by its key."""

from __future__ import annotations

import re
from functools import partial

from bench.measure import Section, compare, interleave
from bench.world import HERE, World

DATABASE = "rollout"
CLIENTS = 4
AIM = 0.6  # of the speed of a row by its key: a flag and a list are two of them
KEY = "key"
FLAGS = ("off", "percentage", "allow", "cohort")
NOTE = (
    f"pgbench, {CLIENTS} clients, prepared statements; statements a second, the way there and back "
    "included: `pgtandem.enabled(flag, id)` against two columns of one row, found by its primary "
    "key, of 100,000 accounts drawn at random. There are 54 flags. The allow list has 10,000 "
    "users; the cohort is a function that looks for a payment by its key."
)


def _asked(world: World, what: str, count: int) -> float:
    """Statements a second."""
    file = "read_by_key" if what == KEY else f"ask_{what}"
    printed = world.pgbench(
        "-M", "prepared", "-c", str(CLIENTS), "-t", str(count // CLIENTS),
        "-f", HERE / f"{file}.sql", database=DATABASE,
    )  # fmt: skip
    found = re.search(r"(?m)^tps = ([\d.]+)", printed)
    assert found, printed
    return float(found[1])


def run(world: World, rounds: int, count: int = 8000) -> Section:
    """Compare; every figure is statements a second."""
    name = world.database(DATABASE)
    world.run(["sqitch", "deploy", "--target", f"db:pg:{name}"], name)
    world.psql(HERE / "rollout.sql", name)
    section = Section("Asking for a flag")
    found = interleave(
        {what: partial(_asked, world, what, count) for what in (KEY, *FLAGS)}, rounds, wait=False
    )
    section.ratios += [
        compare(f"{what}: one row by its key", found, what, KEY, "/s", AIM) for what in FLAGS
    ]
    section.notes.append(NOTE)
    world.drop(name)
    return section

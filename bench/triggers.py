"""Single-row updates with the sync triggers, and with those that one writes by hand."""

from __future__ import annotations

import re
from functools import partial

from bench.measure import Figures, Section, compare, interleave, session_time, typical
from bench.world import HERE, World, script

CLIENTS = 4
OURS = "pgtandem_gear"
NOTE = (
    f"pgbench, {CLIENTS} clients, an update of one row a transaction, `synchronous_commit = off`; "
    "updates a second. The competitors are in `bench/hand.sql`: one static upsert in one function, "
    "made quick by everything that was learned here. record stores an error instead of failing the "
    "write, as gear's mapping does; strict does not. They lack: the check that the target kept the "
    "values, the queue that keeps a chunk in flight from bringing a deleted row back, what the "
    "application's own triggers and cascades write in between, and key changes that keep the new "
    "application's columns. The lines with columns in WHEN show the usual advice."
)


def _switch(world: World, database: str, kind: str) -> None:
    """Let only the triggers of one kind fire: "none", "hand_...", or "pgtandem_gear"."""
    with world.connect(database) as session:
        session.execute(script("switch_triggers"), {"kind": kind})
        session.execute(script("vacuum"))


def _updates(world: World, database: str, file: str, kind: str, updates: int) -> float:
    """Updates a second with one kind of triggers."""
    _switch(world, database, kind)
    printed = world.pgbench(
        "-M", "prepared", "-c", str(CLIENTS), "-t", str(updates // CLIENTS),
        "-D", f"rows={world.rows}", "-f", HERE / f"{file}.sql",
        database=database, PGOPTIONS="-c synchronous_commit=off",
    )  # fmt: skip
    found = re.search(r"(?m)^tps = ([\d.]+)", printed)
    assert found, printed
    return float(found[1])


def _microseconds(world: World, database: str, what: str, kind: str) -> float:
    """What one update takes inside the server, with one kind of triggers."""
    _switch(world, database, kind)
    with world.connect(database) as session:
        session.execute(script("update_many"), {"what": what, "count": 300})
        began = session_time(session)
        session.execute(script("update_many"), {"what": what, "count": 3000})
        return (session_time(session) - began) / 3000


def _costs(world: World, rounds: int) -> list[str]:
    """A table of what the triggers add to an update inside the server."""
    lines = ["| processor time in the server | by hand | columns in WHEN | pgtandem |",
             "|---|--:|--:|--:|"]  # fmt: skip
    for database, what, hand in (
        ("one_way", "source", "hand_record"),
        ("two_way", "source", "hand_both"),
        ("two_way", "target", "hand_both"),
        ("one_way", "unmapped", "hand_record"),
        ("two_way", "unmapped", "hand_both"),
    ):
        kinds = {kind: partial(_microseconds, world, database, what, kind)
                 for kind in ("none", hand, "hand_when", OURS)}  # fmt: skip
        found = interleave(kinds, rounds, wait=False)
        costs = [
            typical(found[kind]) - typical(found["none"]) for kind in (hand, "hand_when", OURS)
        ]
        if database == "one_way":
            cells = [f"{costs[0]:.1f} µs", "", f"{costs[2]:.1f} µs"]
        else:
            cells = [f"{cost:.1f} µs" for cost in costs]
        name = database.replace("_", "-")
        column = "an unmapped column" if what == "unmapped" else f"the {what}"
        lines.append(f"| {name}, {column} written | {' | '.join(cells)} |")
    return ["\n".join(lines)]


def prepare(world: World) -> None:
    """The databases one_way and two_way, every page with room for updates, as after some use."""
    for name, sync in (("one_way", {"ways": "forward"}), ("two_way", {})):
        world.make_synced(name, **sync)
        with world.connect(name) as session:
            session.execute(script("hand"))
            session.execute(script("switch_triggers"), {"kind": "none"})
            session.execute(script("make_room"))
            session.execute(script("vacuum"))


def run(world: World, rounds: int, updates: int = 12000) -> Section:
    """Compare; every figure is updates a second."""
    prepare(world)
    section = Section("Single-row updates under sync")

    def figures(database: str, file: str, *kinds: str) -> Figures:
        return interleave(
            {kind: partial(_updates, world, database, file, kind, updates) for kind in kinds},
            rounds,
            wait=False,
        )

    one = figures("one_way", "update_source", "none", "hand_strict", "hand_record", OURS)
    both = figures("two_way", "update_source", "hand_both", "hand_when", OURS)
    back = figures("two_way", "update_target", "hand_both", OURS)
    unmapped = figures("two_way", "update_unmapped", "none", "hand_when", OURS)
    section.ratios += [
        compare(what, found, OURS, theirs, "/s", aim)
        for what, found, theirs, aim in (
            ("one-way: hand-written, record", one, "hand_record", 0.95),
            ("one-way: hand-written, strict", one, "hand_strict", None),
            ("one-way: no trigger", one, "none", None),
            ("two-way, source written: hand-written", both, "hand_both", 0.95),
            ("two-way, source written: with columns in WHEN", both, "hand_when", None),
            ("two-way, target written: hand-written", back, "hand_both", 0.95),
            ("two-way, unmapped column: no trigger", unmapped, "none", 0.98),
            ("two-way, unmapped column: with columns in WHEN", unmapped, "hand_when", None),
        )
    ]
    section.notes += [NOTE, *_costs(world, max(3, rounds // 2))]
    world.drop("one_way", "two_way")
    return section

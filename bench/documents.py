"""Single-row updates whose columns become paths of a JSONB document: unified_profiles."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Figures, Section, compare, interleave
from bench.world import HERE, ROOT, World, rendered, script

CLIENTS = 4
DATABASE = "unified_profiles"
EXAMPLE = ROOT / "examples" / DATABASE
OURS = "pgtandem"
NOTE = (
    f"pgbench, {CLIENTS} clients, an update of one column of one user a transaction, "
    "`synchronous_commit = off`; updates a second. The source is `examples/unified_profiles`, 26 "
    "of its columns are paths of a document in four parts. The competitors are in "
    "`bench/hand_documents.sql`, both one way and for updates alone. *all paths* writes every path "
    "at each update, *changed parts* those parts alone whose columns changed, as pgtandem does "
    "with a row that is copied. They lack: the check that the target kept the values, the error "
    "where a path leads through a scalar (they overwrite it), what the application's own triggers "
    "write in between, users without a document (the second one), a failed row's way into a queue "
    "that is drained, and the way back. The two-way lines compare with the same one-way "
    "competitors. The mapping's indexes are not there: they would cost all contestants the same."
)


def _deploy(world: World) -> None:
    """The database, both tables filled and in sync, every row copied."""
    world.database(DATABASE)
    world.run(["sqitch", "deploy", "--target", f"db:pg:{DATABASE}"], DATABASE)
    world.psql(EXAMPLE / "legacy.sql", DATABASE)
    world.psql(HERE / "room_documents.sql", DATABASE)
    world.psql(EXAMPLE / "generate.sql", DATABASE, users=world.rows)
    world.run(["sqitch", "deploy", "--to-change", "retire_019", "--target", f"db:pg:{DATABASE}"],
              DATABASE, EXAMPLE)  # fmt: skip
    _copy(world)
    world.psql(HERE / "hand_documents.sql", DATABASE)


def _one_way(world: World) -> None:
    """The same with the triggers of a mapping that has no way back."""
    world.psql(EXAMPLE / "revert" / f"{DATABASE}_sync.sql", DATABASE)
    with TemporaryDirectory() as directory:
        for number, text in enumerate(rendered(EXAMPLE, ways="forward")):
            file = Path(directory, f"{number}.sql")
            file.write_text(text, encoding="utf-8")
            world.psql(file, DATABASE)
    _copy(world)


def _copy(world: World) -> None:
    with world.connect(DATABASE) as session:
        session.execute(script("backfill_documents"))
    world.psql(HERE / "copied_documents.sql", DATABASE)
    with world.connect(DATABASE) as session:
        session.execute("VACUUM (FREEZE, ANALYZE)")
        session.execute("CHECKPOINT")


def _updates(world: World, file: str, kind: str, updates: int) -> float:
    """Updates a second with one kind of triggers: "none", "hand_...", or ours."""
    with world.connect(DATABASE) as session:
        session.execute(script("switch_triggers"), {"kind": kind})
        session.execute(script("vacuum_documents"))
    printed = world.pgbench(
        "-M", "prepared", "-c", str(CLIENTS), "-t", str(updates // CLIENTS),
        "-D", f"rows={world.rows}", "-f", HERE / f"{file}.sql",
        database=DATABASE, PGOPTIONS="-c synchronous_commit=off",
    )  # fmt: skip
    found = re.search(r"(?m)^tps = ([\d.]+)", printed)
    assert found, printed
    return float(found[1])


def run(world: World, rounds: int, updates: int = 8000) -> Section:
    """Compare; every figure is updates a second."""
    _deploy(world)
    section = Section("Single-row updates under sync, into a document")

    def figures(file: str, *kinds: str) -> Figures:
        contestants = {kind: partial(_updates, world, file, kind, updates) for kind in kinds}
        return interleave(contestants, rounds, wait=False)

    kinds = ("none", "hand_whole", "hand_parts", OURS)
    for way in ("two-way", "one-way"):
        if way == "one-way":
            _one_way(world)
        mapped = figures("update_document", *kinds)
        beside = figures("update_beside_document", "none", "hand_whole", OURS)
        section.ratios += [
            compare(f"{way}: {what}", found, OURS, theirs, "/s", aim)
            for what, found, theirs, aim in (
                ("hand-written, all paths", mapped, "hand_whole", 0.95),
                ("hand-written, changed parts", mapped, "hand_parts", 0.95),
                ("no trigger", mapped, "none", None),
                ("unmapped column: no trigger", beside, "none", 0.98),
                ("unmapped column: hand-written", beside, "hand_whole", None),
            )
        ]
        with world.connect(DATABASE) as session:
            row = session.execute(script("failed_documents")).fetchone()
        assert row
        assert row[0] == 0, f"{row[0]} updates were not brought over"
    section.notes.append(NOTE)
    world.drop(DATABASE)
    return section

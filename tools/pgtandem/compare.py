"""Comparing image and target: all of it in several sessions on one snapshot, or some keys."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

import psycopg
from psycopg import sql

from pgtandem import db, deployed, sessions
from pgtandem.errors import PgtandemError

EXAMPLES = 20  # of what a check finds
STORED = 10_000  # differences that are looked at one by one, and stored
BEAT_SECONDS = 0.5
Work = Callable[[sessions.Connection, sql.Composable, dict[str, Any]], Any]


@dataclass(frozen=True)
class Difference:
    """What differs in a key.

    Attributes:
        key: the text of a JSON array.
        kind: missing (in the target), extra (in it) or changed.
        area: of the column; None where it is in none, and for the whole row.
        column: of the target; None for the whole row.
        old: what the target should hold, as text, cut after 1,000 characters.
        new: what it holds, likewise.
        is_json: both are the text of JSON: the column is a path in a document.
    """

    key: str
    kind: Literal["missing", "extra", "changed"]
    area: str | None
    column: str | None
    old: str | None
    new: str | None
    is_json: bool


@dataclass
class Area:
    """Columns that belong together, and how many rows differ in them.

    Attributes:
        place: its place in the mapping, from 1.
        area: its name; None: the columns that are in none.
        columns: of the target.
        changed: rows that differ in one of them; a row may differ in several areas.
    """

    place: int
    area: str | None
    columns: list[str]
    changed: int = 0


@dataclass(frozen=True)
class Category:
    """Rows of the image that the mapping counts apart, and how many of them differ.

    Attributes:
        category: its name; other: those of none.
        rows: of the image.
        missing: those that the target lacks.
        changed: those that differ in a column.
    """

    category: str
    rows: int
    missing: int
    changed: int


@dataclass(frozen=True)
class Check:
    """What a check of the mapping found.

    Attributes:
        check: its name.
        found: how many things are wrong.
        examples: the first EXAMPLES of them, each a row of the check's query.
    """

    check: str
    found: int
    examples: list[dict[str, Any]]


@dataclass
class Comparison:
    """The result of a comparison on one snapshot.

    Attributes:
        mapping: its name.
        hash: of the mapping that was deployed in the snapshot.
        scope: full (every row) or sample.
        started_at: a time before the snapshot.
        snapshot: PostgreSQL's name of it.
        source_rows: rows of the image that were compared.
        target_rows: rows of the target that were compared.
        missing: images that the target lacks.
        extra: rows of the target without an image.
        changed: rows that differ in a column.
        areas: the same by the areas of the mapping; empty where it has none.
        categories: the same by its categories; empty where it has none.
        differences: of the keys that differ, the first STORED.
        shown: those of one area, where one was asked for; else the same.
        queued: how many of the keys in `differences` were in the queue, in the snapshot.
        waiting: of a mapping in mode queued, keys that a drain has still to bring over; no
            differences.
        checks: what the checks of the mapping found, in its order; empty where none were run.
        seconds: what it took, without the checks.
        stored: its number in pgtandem.comparison; None on a standby.
    """

    mapping: str
    hash: str
    scope: Literal["full", "sample"]
    started_at: datetime
    snapshot: str
    source_rows: int = 0
    target_rows: int = 0
    missing: int = 0
    extra: int = 0
    changed: int = 0
    areas: list[Area] = field(default_factory=list)
    categories: list[Category] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    shown: list[Difference] = field(default_factory=list)
    queued: int = 0
    waiting: int = 0
    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0
    stored: int | None = None

    @property
    def differing(self) -> int:
        """The number of keys that differ."""
        return self.missing + self.extra + self.changed

    @property
    def holds(self) -> bool:
        """Whether nothing differs, and no check found anything."""
        return not self.differing and not any(each.found for each in self.checks)

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add the figures of a range."""
        for name in ("source_rows", "target_rows", "missing", "extra", "changed"):
            setattr(self, name, getattr(self, name) + counts[name])
        for area, changed in zip(self.areas, counts["areas"], strict=True):
            area.changed += changed

    def leave_to_drain(self, keys: set[str]) -> None:
        """Take keys that wait for a drain out of what differs."""
        self.waiting = len(keys)
        gone = [each for each in self.differences if each.key in keys]
        for kind in ("missing", "extra", "changed"):
            count = len({each.key for each in gone if each.kind == kind})
            setattr(self, kind, getattr(self, kind) - count)
        for area in self.areas:
            area.changed -= len(
                {e.key for e in gone if e.kind == "changed" and e.area == area.area}
            )
        self.differences = [each for each in self.differences if each.key not in keys]
        self.shown = [each for each in self.shown if each.key not in keys]

    def columns_of(self, name: str) -> list[str]:
        """The columns of an area.

        Raises:
            PgtandemError: where the mapping has no area of that name.
        """
        known = {area.area: area for area in self.areas if area.area}
        if name in known:
            return known[name].columns
        near = difflib.get_close_matches(name, known, n=1)
        raise PgtandemError(
            f'Mapping "{self.mapping}" has no area "{name}".',
            detail=f"Areas: {', '.join(known) or 'none'}.",
            hint=f'Did you mean "{near[0]}"?' if near else "They stand under areas in the mapping.",
        )


def full(
    team: sessions.Team,
    mapping: deployed.Mapping,
    on_beat: Callable[[], object],
    area: str | None = None,
    checks: bool = False,
) -> Comparison:
    """Compare every row, in as many ranges of keys as the team has sessions.

    Args:
        team: its sessions must be idle; they are in no transaction afterwards.
        mapping: what to compare.
        on_beat: called twice a second.
        area: show the differences of this area alone.
        checks: run the checks of the mapping, too, in the same snapshot.

    Raises:
        PgtandemError: where there is no such area; where a check fails.
        psycopg.Error: TD025 where a key is in the source twice; what PostgreSQL raises.
    """
    began = time.monotonic()
    comparison, cuts, snapshot_id = _begin(team.sessions[0], mapping, len(team.sessions), "full")
    bounds = [None, *cuts, None]
    ranges = [{"low": low, "high": high, "mapping": mapping.name} for low, high in pairwise(bounds)]
    busy = team.sessions[: len(ranges)]
    for session in busy[1:]:
        _read_only(session)
        session.execute(db.load_query("compare_join").format(snapshot=sql.Literal(snapshot_id)))
    compared = db.load_query("compared_range").format(schema=mapping.schema)

    def run(work: Work, **more: Any) -> list[Any]:
        futures = [
            team.start(session, work, compared, bound | more)
            for session, bound in zip(busy, ranges, strict=True)
        ]
        return sessions.results(futures, BEAT_SECONDS, on_beat)

    _look(comparison, run, area)
    waiting = _look_at_queue(busy[0], mapping, comparison)
    _look_at_categories(comparison, run, waiting)
    comparison.seconds = time.monotonic() - began
    if checks and "checked" in mapping.routines:
        comparison.checks = sessions.results(
            [team.start(busy[0], _run_checks, mapping)], BEAT_SECONDS, on_beat
        )[0]
    for session in busy:
        _end(session)
    return comparison


def sample(
    session: sessions.Connection, mapping: deployed.Mapping, keys: int, area: str | None = None
) -> Comparison:
    """Compare about so many keys, half from blocks of the source, half from the target's."""
    began = time.monotonic()
    comparison, _, _ = _begin(session, mapping, 1, "sample")
    row = session.execute(
        db.load_query("sample_keys"), {"mapping": mapping.name, "keys": keys}
    ).fetchone()
    assert row
    _compare_keys(session, mapping, row["keys"], comparison, area)
    _end(session)
    comparison.seconds = time.monotonic() - began
    return comparison


def some(session: sessions.Connection, mapping: deployed.Mapping, keys: str) -> Comparison:
    """Compare the keys of a JSON array, as they are now."""
    began = time.monotonic()
    comparison, _, _ = _begin(session, mapping, 1, "sample")
    _compare_keys(session, mapping, keys, comparison)
    _end(session)
    comparison.seconds = time.monotonic() - began
    return comparison


def save(session: sessions.Connection, comparison: Comparison) -> None:
    """Store a comparison and its differences, and note its number in it."""
    with session.transaction():
        row = session.execute(db.load_query("save_comparison"), vars(comparison)).fetchone()
        assert row
        comparison.stored = row["id"]
        session.cursor().executemany(
            db.load_query("save_difference"),
            [vars(each) | {"comparison": comparison.stored} for each in comparison.differences],
        )
        session.cursor().executemany(
            db.load_query("save_area"),
            [vars(each) | {"comparison": comparison.stored} for each in comparison.areas],
        )


def _read_only(session: sessions.Connection) -> None:
    session.autocommit = False
    session.read_only = True
    session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ


def _end(session: sessions.Connection) -> None:
    session.rollback()
    session.isolation_level = None
    session.read_only = None
    session.autocommit = True


def _begin(
    session: sessions.Connection,
    mapping: deployed.Mapping,
    parts: int,
    scope: Literal["full", "sample"],
) -> tuple[Comparison, list[str], str]:
    """Take the snapshot; the values that cut the keys into ranges, and the snapshot's id."""
    _read_only(session)
    row = session.execute(
        db.load_query("compare_start"), {"mapping": mapping.name, "parts": parts}
    ).fetchone()
    assert row
    if scope == "full":
        session.execute(db.load_query("compare_unique"), {"mapping": mapping.name})
    comparison = Comparison(
        mapping.name, row["hash"], scope, row["started_at"], row["snapshot"],
        areas=[Area(**area) for area in row["areas"]],
        categories=[Category(name, 0, 0, 0) for name in row["categories"]],
    )  # fmt: skip
    return comparison, row["cuts"], row["snapshot_id"]


def _look(comparison: Comparison, run: Callable[..., list[Any]], area: str | None) -> None:
    """Count, and look for what differs only if something does."""
    columns = comparison.columns_of(area) if area else None
    for counts in run(_counts, areas=[each.columns for each in comparison.areas]):
        comparison.add(counts)
    if comparison.differing:
        comparison.differences = [d for found in run(_differences, columns=None) for d in found]
        del comparison.differences[STORED:]
    comparison.shown = comparison.differences
    if columns is not None:
        # Of what is stored, none may be of this area.
        found = run(_differences, columns=columns) if comparison.differing else []
        comparison.shown = [d for differences in found for d in differences]


def _counts(
    session: sessions.Connection, compared: sql.Composable, bound: dict[str, Any]
) -> dict[str, Any]:
    area = db.load_query("compare_area")
    columns = {f"area_{place}": each for place, each in enumerate(bound["areas"], 1)}
    areas = sql.SQL(", ").join(area.format(columns=sql.Placeholder(name)) for name in columns)
    query = db.load_query("compare_counts").format(compared=compared, areas=areas)
    row = session.execute(query, bound | columns).fetchone()
    assert row
    return row


def _differences(
    session: sessions.Connection, compared: sql.Composable, bound: dict[str, Any]
) -> list[Difference]:
    query = db.load_query("compare_differences").format(compared=compared)
    return [Difference(**row) for row in session.execute(query, bound | {"limit": STORED})]


def _compare_keys(
    session: sessions.Connection,
    mapping: deployed.Mapping,
    keys: str,
    comparison: Comparison,
    area: str | None = None,
) -> None:
    compared = db.load_query("compared_keys").format(schema=mapping.schema)

    def run(work: Work, **more: Any) -> list[Any]:
        return [work(session, compared, {"keys": keys, "mapping": mapping.name} | more)]

    _look(comparison, run, area)
    waiting = _look_at_queue(session, mapping, comparison)
    _look_at_categories(comparison, run, waiting)


def _look_at_categories(
    comparison: Comparison, run: Callable[..., list[Any]], waiting: set[str]
) -> None:
    """Count by category, where there are any; a key that waits for a drain does not differ."""
    names = [each.category for each in comparison.categories]
    if not names:
        return
    schema = sql.Identifier(f"pgtandem_{comparison.mapping}")

    def count(
        session: sessions.Connection, compared: sql.Composable, bound: dict[str, Any]
    ) -> list[dict[str, Any]]:
        query = db.load_query("compare_categories").format(compared=compared, schema=schema)
        return session.execute(query, bound).fetchall()

    found = [row for rows in run(count, waiting=list(waiting)) for row in rows]
    comparison.categories = [
        Category(
            name,
            *(
                sum(row[what] for row in found if row["category"] == name)
                for what in ("rows", "missing", "changed")
            ),
        )
        for name in names
    ]


def _run_checks(session: sessions.Connection, mapping: deployed.Mapping) -> list[Check]:
    """Run the checks of a mapping one after the other."""
    names = session.execute(db.load_query("compare_checks"), {"mapping": mapping.name}).fetchall()
    query = db.load_query("compare_check").format(schema=mapping.schema)
    checks = []
    for name in (row["name"] for row in names):
        try:
            row = session.execute(query, {"name": name, "examples": EXAMPLES}).fetchone()
        except psycopg.DataError as error:
            raise PgtandemError(
                f'The check "{name}" of mapping "{mapping.name}" fails.',
                detail=error.diag.message_primary or "",
                hint="Mend its query under checks in the mapping, and render again.",
                sqlstate=error.sqlstate,
            ) from error
        assert row
        checks.append(Check(name, row["found"], row["examples"]))
    return checks


def _look_at_queue(
    session: sessions.Connection, mapping: deployed.Mapping, comparison: Comparison
) -> set[str]:
    """Count what differs and waits in the queue; in mode queued that is no difference yet.

    Returns the keys that are none.
    """
    if not comparison.differences:
        return set()
    touched: sql.Composable = sql.SQL("")
    if "touched" in mapping.routines:
        touched = db.load_query("compare_touched").format(schema=mapping.schema)
    keys = list({each.key for each in comparison.differences})
    query = db.load_query("compare_queued").format(touched=touched)
    rows = session.execute(query, {"mapping": mapping.name, "keys": keys}).fetchall()
    queued = {row["key"] for row in rows}
    # Of more keys than are looked at one by one, nobody knows which wait.
    if mapping.mode == "queued" and comparison.differing <= len(keys):
        comparison.leave_to_drain(queued)
        return queued
    comparison.queued = len(queued)
    return set()

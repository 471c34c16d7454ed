"""Comparing image and target: all of it in several sessions on one snapshot, or some keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

import psycopg
from psycopg import sql

from pgtandem import db, deployed, sessions

STORED = 10_000  # differences that are looked at one by one, and stored
BEAT_SECONDS = 0.5


@dataclass(frozen=True)
class Difference:
    """What differs in a key.

    Attributes:
        key: the text of a JSON array.
        kind: missing (in the target), extra (in it) or changed.
        column: of the target; None for the whole row.
        old: what the target should hold, as text, cut after 1,000 characters.
        new: what it holds, likewise.
    """

    key: str
    kind: Literal["missing", "extra", "changed"]
    column: str | None
    old: str | None
    new: str | None


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
        differences: of the keys that differ, the first STORED.
        seconds: what it took.
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
    differences: list[Difference] = field(default_factory=list)
    seconds: float = 0.0
    stored: int | None = None

    @property
    def differing(self) -> int:
        """The number of keys that differ."""
        return self.missing + self.extra + self.changed

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add the figures of a range."""
        for name in ("source_rows", "target_rows", "missing", "extra", "changed"):
            setattr(self, name, getattr(self, name) + counts[name])


def full(
    team: sessions.Team, mapping: deployed.Mapping, on_beat: Callable[[], object]
) -> Comparison:
    """Compare every row, in as many ranges of keys as the team has sessions.

    Args:
        team: its sessions must be idle; they are in no transaction afterwards.
        mapping: what to compare.
        on_beat: called twice a second.

    Raises:
        psycopg.Error: TD025 where a key is in the source twice; what PostgreSQL raises.
    """
    began = time.monotonic()
    comparison, cuts, snapshot_id = _begin(team.sessions[0], mapping, len(team.sessions), "full")
    bounds = [None, *cuts, None]
    ranges = [{"low": low, "high": high} for low, high in pairwise(bounds)]
    busy = team.sessions[: len(ranges)]
    for session in busy[1:]:
        _read_only(session)
        session.execute(db.load_query("compare_join").format(snapshot=sql.Literal(snapshot_id)))
    compared = db.load_query("compared_range").format(schema=mapping.schema)

    def run(work: Callable[..., Any]) -> list[Any]:
        futures = [
            team.start(session, work, compared, bound)
            for session, bound in zip(busy, ranges, strict=True)
        ]
        return sessions.results(futures, BEAT_SECONDS, on_beat)

    for counts in run(_counts):
        comparison.add(counts)
    if comparison.differing:
        for differences in run(_differences):
            comparison.differences += differences
        del comparison.differences[STORED:]
    for session in busy:
        _end(session)
    comparison.seconds = time.monotonic() - began
    return comparison


def sample(session: sessions.Connection, mapping: deployed.Mapping, keys: int) -> Comparison:
    """Compare about so many keys, half from blocks of the source, half from the target's."""
    began = time.monotonic()
    comparison, _, _ = _begin(session, mapping, 1, "sample")
    row = session.execute(
        db.load_query("sample_keys"), {"mapping": mapping.name, "keys": keys}
    ).fetchone()
    assert row
    _compare_keys(session, mapping, row["keys"], comparison)
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
        mapping.name, row["hash"], scope, row["started_at"], row["snapshot"]
    )  # fmt: skip
    return comparison, row["cuts"], row["snapshot_id"]


def _counts(
    session: sessions.Connection, compared: sql.Composable, bound: dict[str, Any]
) -> dict[str, Any]:
    query = db.load_query("compare_counts").format(compared=compared)
    row = session.execute(query, bound).fetchone()
    assert row
    return row


def _differences(
    session: sessions.Connection, compared: sql.Composable, bound: dict[str, Any]
) -> list[Difference]:
    query = db.load_query("compare_differences").format(compared=compared)
    return [Difference(**row) for row in session.execute(query, bound | {"limit": STORED})]


def _compare_keys(
    session: sessions.Connection, mapping: deployed.Mapping, keys: str, comparison: Comparison
) -> None:
    compared = db.load_query("compared_keys").format(schema=mapping.schema)
    comparison.add(_counts(session, compared, {"keys": keys}))
    if comparison.differing:
        comparison.differences = _differences(session, compared, {"keys": keys})

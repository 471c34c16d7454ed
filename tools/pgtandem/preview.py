"""What a backfill would do and cost: counted on a snapshot or sampled, and measured on scratch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from pgtandem import db, deployed, sessions

BEAT_SECONDS = 0.5
Z = 1.959964  # of a normal distribution: 95 % lie within
# Student's, for so many degrees of freedom: 95 % lie within.
T = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}
LARGEST_CHUNK = 512  # blocks, as pgtandem._backfill_step has it
AIM = 0.7  # of chunk_time: a chunk grows below a half of it and is cut above all of it
BLOCK = 8192


@dataclass(frozen=True)
class Figure:
    """A number of rows.

    Attributes:
        rows: as counted, or the estimate.
        at_least: the lower end of its 95 % interval; the number itself where it is exact.
        at_most: the upper one.
    """

    rows: int
    at_least: int
    at_most: int

    @property
    def is_exact(self) -> bool:
        """Whether it was counted."""
        return self.at_least == self.at_most


def exact(rows: int) -> Figure:
    """A number that was counted."""
    return Figure(rows, rows, rows)


def wilson(part: float, whole: float) -> tuple[float, float]:
    """The 95 % interval of a share, of which `part` in a sample of `whole` were seen.

    Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if whole <= 0:
        return 0.0, 1.0
    share = part / whole
    scale = 1 + Z**2 / whole
    middle = (share + Z**2 / (2 * whole)) / scale
    half = Z / scale * math.sqrt(share * (1 - share) / whole + Z**2 / (4 * whole**2))
    # At either end the interval ends there, which rounding would miss.
    return 0.0 if not part else max(0.0, middle - half), 1.0 if share >= 1 else middle + half


@dataclass(frozen=True)
class Sample:
    """Random rows, and how many there are in all.

    Attributes:
        sampled: rows in the sample.
        total: rows in all.
        error: of the total, 95 %; 0: it was counted.
    """

    sampled: int
    total: int
    error: int

    def figure(self, part: int, of: int | None = None) -> Figure:
        """How many there are in all of what `part` of the sample are.

        Args:
            part: how many were seen.
            of: among how many images, where a row of the source has several.
        """
        if self.sampled >= self.total and not self.error:
            return exact(part)
        if not self.sampled:
            return Figure(0, 0, self.total + self.error)
        images = of or self.sampled
        each = images / self.sampled
        # Images of one row are alike, so it is the rows that count as seen.
        low, high = wilson(part / images * self.sampled, self.sampled)
        return Figure(
            round(part / self.sampled * self.total),
            max(part, math.floor(low * each * max(0, self.total - self.error))),
            math.ceil(high * each * (self.total + self.error)),
        )


@dataclass
class Counts:
    """Rows by what would happen to them; each as a figure."""

    create: Figure
    update: Figure
    leave: Figure


@dataclass
class Rows:
    """What would happen to the rows.

    Attributes:
        source: rows of the source.
        sampled: how many of them were looked at; None: all.
        counts: of the images.
        columns: how many of the updates write each column; a row may have several.
        categories: the counts of each category of the mapping; empty where it has none.
        outside: rows of the source without an image; None: nobody counted them.
        only_target: rows of the target without an image.
    """

    source: Figure
    sampled: int | None
    counts: Counts
    columns: dict[str, Figure]
    categories: dict[str, Counts]
    outside: Figure | None
    only_target: Figure


@dataclass(frozen=True)
class Estimate:
    """A measured sample, extrapolated; `error` is that of 95 % by the spread within the sample."""

    estimate: float
    error: float | None


@dataclass
class Cost:
    """What the rest of a backfill will take.

    Attributes:
        blocks: of the source that are still to be copied.
        sampled_blocks: those that were copied to measure it.
        chunk_blocks: of one chunk, as its size will settle.
        chunks: how many there will be.
        jobs: sessions at work.
        seconds: with so many, at best, the pauses included.
        pause_seconds: of each session, the sum of its pauses.
        wal_bytes: WAL written; None: wal_level is minimal.
        wal_bytes_most: with the images of whole pages that follow a checkpoint.
        table_bytes: growth of the target.
        index_bytes: of its indexes.
        undo_bytes: of the pre-images that an undo needs; 0 where none are stored.
        foreign_keys: of the target, which are not in it.
        triggers: of the target, likewise.
        failed_ranges: ranges of the sample with rows that fail, which are not in it either.
    """

    blocks: int
    sampled_blocks: int
    chunk_blocks: int
    chunks: int
    jobs: int
    seconds: Estimate
    pause_seconds: float
    wal_bytes: Estimate | None
    wal_bytes_most: float | None
    table_bytes: Estimate
    index_bytes: Estimate
    undo_bytes: Estimate
    foreign_keys: int
    triggers: int
    failed_ranges: int = 0


@dataclass
class Preview:
    """What is known of a mapping before its backfill.

    Attributes:
        start: what the plan starts from (queries/plan_start.sql).
        rows: what would happen to them.
        fit: what pgtandem.fit says of the images; None where it could not be asked.
        fit_unknown: why not.
        cost: what it will take; None where it could not be measured.
        cost_unknown: why not.
        failing: how many of all rows would fail; None: unknown.
        reasons: why, and how many of all that would be.
    """

    start: dict[str, Any]
    rows: Rows
    fit: dict[str, Any] | None
    fit_unknown: str | None
    cost: Cost | None
    cost_unknown: str | None
    failing: Figure | None = None
    reasons: list[dict[str, Any]] = field(default_factory=list)


def look(
    team: sessions.Team,
    mapping: deployed.Mapping,
    sample: int | None,
    tried: int | None,
    measure: bool,
    jobs: int,
    on_beat: Callable[[str], object],
) -> Preview:
    """Look at all of it; nothing stays written.

    Args:
        team: of two idle sessions; they are in no transaction afterwards.
        mapping: deployed, not contracted.
        sample: count about so many random rows; None: all.
        tried: try the images of about so many; None: all.
        measure: copy some blocks into scratch tables.
        jobs: how many sessions the time is for.
        on_beat: called twice a second with what is done.
    """
    reader, helper = team.sessions
    name = {"mapping": mapping.name}
    measured: list[dict[str, Any]] | str = "it was not asked for (--no-cost)."
    if measure:
        # By itself: what runs beside it would count.
        measured = _tried(team, helper, "plan_measure", name, lambda: on_beat("measuring a sample"))
    reader.autocommit = False
    reader.read_only = True
    reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        with deployed.engine_errors(reader):
            start = reader.execute(db.load_query("plan_start"), name).fetchone()
        assert start
        counting = team.start(reader, _count, mapping, sample, start)
        sessions.results([counting], BEAT_SECONDS, lambda: on_beat("counting rows"))
        fits: list[dict[str, Any]] | str = "the copy is complete, so nothing is left to try."
        if mapping.copy_state != "complete":
            helper.autocommit = False
            helper.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            snapshot = db.load_query("compare_join").format(
                snapshot=sql.Literal(start["snapshot_id"])
            )
            helper.execute(snapshot)
            fits = _tried(
                team, helper, "plan_fit", name | {"rows": tried}, lambda: on_beat("trying images")
            )
    finally:
        for session in team.sessions:
            if not session.closed:
                session.rollback()
                session.isolation_level = None
                session.read_only = None
                session.autocommit = True
    rows = counting.result()
    made = Preview(start, rows, None, None, None, None)
    if isinstance(fits, str):
        made.fit_unknown = fits
    else:
        made.fit = fits[0]
        whole = Sample(fits[0]["tried"], max(rows.source.rows, fits[0]["tried"]), 0)
        made.failing = whole.figure(fits[0]["failing"])
        if fits[0]["stopped"]:
            made.failing = Figure(made.failing.rows, fits[0]["failing"], whole.total)
        made.reasons = _reasons(fits[0], whole)
    if isinstance(measured, str):
        made.cost_unknown = measured
    else:
        made.cost = cost(measured, start, jobs)
    return made


def _tried(
    team: sessions.Team,
    session: sessions.Connection,
    query: str,
    parameters: Mapping[str, Any],
    beat: Callable[[], object],
) -> list[dict[str, Any]] | str:
    """The rows of a query; where the database refuses it, why."""
    work = team.start(session, lambda one: one.execute(db.load_query(query), parameters).fetchall())
    try:
        (found,) = sessions.results([work], BEAT_SECONDS, beat)
    except psycopg.errors.QueryCanceled:
        raise
    except psycopg.Error as error:
        if sessions.is_lost(error):
            raise
        words = (error.diag.message_primary or str(error), error.diag.message_detail)
        return f"{'. '.join(word.rstrip('.') for word in words if word)}."
    return found


def _count(
    session: sessions.Connection,
    mapping: deployed.Mapping,
    sample: int | None,
    start: Mapping[str, Any],
) -> Rows:
    if sample is not None:
        return _sampled(session, mapping, sample, start)
    compared = db.load_query("compared_range").format(schema=mapping.schema)
    grouped = bool(start["categories"])
    query = db.load_query("plan_counts").format(
        compared=compared,
        category=sql.Identifier("k", "category") if grouped else sql.Literal(None),
        categories=db.load_query("plan_categories").format(schema=mapping.schema)
        if grouped
        else sql.SQL(""),
    )
    found = session.execute(query, {"low": None, "high": None}).fetchall()
    source = session.execute(
        db.load_query("plan_source").format(source=sql.SQL(mapping.source))
    ).fetchone()
    assert source
    images = sum(row["rows"] for row in found if row["in_source"])
    return _rows(
        found,
        start,
        exact(source["rows"]),
        None,
        exact,
        None if start["several"] else exact(source["rows"] - images),
        exact(sum(row["rows"] for row in found if not row["in_source"])),
    )


def _sampled(
    session: sessions.Connection,
    mapping: deployed.Mapping,
    sample: int,
    start: Mapping[str, Any],
) -> Rows:
    parameters = {"mapping": mapping.name, "rows": sample}
    size = session.execute(db.load_query("plan_size"), parameters).fetchone()
    query = db.load_query("plan_sample").format(schema=mapping.schema)
    found = session.execute(query, parameters).fetchall()
    assert size
    images = sum(row["rows"] for row in found if row["in_source"])
    outside = sum(row["rows"] for row in found if row["outside"])
    # Where a row has several images, what was looked at is not their number.
    looked = images + outside
    several = start["several"]
    total = max(int(size["rows"]), 0 if several else looked)
    taken = Sample(min(looked, max(sample, 1)) if several else looked, total, int(size["error"]))
    extra = exact(0)
    if not start["in_place"]:
        query = db.load_query("plan_sample_target").format(schema=mapping.schema)
        seen = session.execute(query, parameters).fetchone()
        assert seen
        whole = Sample(seen["sampled"], int(seen["total"]), int(seen["error"]))
        extra = whole.figure(seen["extra"])
    error = taken.error
    return _rows(
        found,
        start,
        Figure(total, max(0, total - error), total + error),
        looked,
        lambda part: taken.figure(part, images if several else None),
        taken.figure(outside),
        extra,
    )


def _rows(
    found: Sequence[Mapping[str, Any]],
    start: Mapping[str, Any],
    source: Figure,
    sampled: int | None,
    figure: Callable[[int], Figure],
    outside: Figure | None,
    only_target: Figure,
) -> Rows:
    images = [row for row in found if row["in_source"]]

    def counts(rows: Sequence[Mapping[str, Any]]) -> Counts:
        created = sum(row["rows"] for row in rows if not row["in_target"])
        updated = sum(row["rows"] for row in rows if row["columns"])
        return Counts(
            figure(created),
            figure(updated),
            figure(sum(row["rows"] for row in rows) - created - updated),
        )

    columns: dict[str, int] = {}
    for row in images:
        for name in row["columns"] or ():
            columns[name] = columns.get(name, 0) + row["rows"]
    return Rows(
        source,
        sampled,
        counts(images),
        {name: figure(rows) for name, rows in sorted(columns.items(), key=lambda item: -item[1])},
        {
            name: counts([row for row in images if row["category"] == name])
            for name in start["categories"]
        },
        outside,
        only_target,
    )


def _reasons(fit: Mapping[str, Any], whole: Sample) -> list[dict[str, Any]]:
    """The reasons why images fail, each with how many rows that would be of all."""
    return [
        {
            "sqlstate": each["sqlstate"], "message": each["message"], "place": each["place"],
            "example": each["example"], "seen": each["rows"],
            "rows": vars(whole.figure(each["rows"])),
        }
        for each in fit["failures"]
    ]  # fmt: skip


def _extrapolated(measured: Sequence[Mapping[str, Any]], what: str, blocks: int) -> Estimate:
    """A ratio to the blocks, and its error by the ranges' spread around it."""
    looked = sum(row["blocks"] for row in measured)
    ratio = sum(row[what] for row in measured) / looked
    parts = len(measured)
    if looked >= blocks:
        return Estimate(ratio * blocks, 0.0)
    if parts < 2:
        return Estimate(ratio * blocks, None)
    spread = sum((row[what] - ratio * row["blocks"]) ** 2 for row in measured)
    error = math.sqrt(parts / (parts - 1) * spread * (1 - looked / blocks)) / looked
    return Estimate(ratio * blocks, T.get(parts - 1, 2.365) * error * blocks)


def cost(
    measured: Sequence[Mapping[str, Any]], start: Mapping[str, Any], jobs: int
) -> Cost:  # fmt: skip
    """What is left to copy will take, by what some ranges of it took."""
    if not measured:
        nothing = Estimate(0.0, 0.0)
        return Cost(0, 0, 0, 0, jobs, nothing, 0.0, nothing, 0.0, nothing, nothing, nothing, 0, 0)
    failed = sum(row["failure"] is not None for row in measured)
    measured = [row for row in measured if row["failure"] is None]
    looked = sum(row["blocks"] for row in measured)
    blocks = max(int(start["blocks"]), looked)
    copying = _extrapolated(measured, "seconds", blocks)
    one = copying.estimate / blocks
    chunk_time = float(start["chunk_time"])
    size = max(1, min(LARGEST_CHUNK, int(AIM * chunk_time / one) if one else LARGEST_CHUNK))
    chunks = math.ceil(blocks / size)
    wal = None
    if all(row["wal_bytes"] is not None for row in measured):
        wal = _extrapolated(measured, "wal_bytes", blocks)
    pauses = copying.estimate / 10 if start["is_large"] else 0.0
    if start["pause"] is not None:
        pauses = chunks * float(start["pause"])
    took = copying.estimate
    if wal and start["max_wal_rate"]:
        took = max(took, wal.estimate / start["max_wal_rate"])
    index = _extrapolated(measured, "index_bytes", blocks)
    most = wal.estimate if wal else None
    if most is not None and start["full_page_writes"]:
        # Each page that a checkpoint finds clean is written as a whole once more.
        most += index.estimate + start["target_bytes"]
        if not start["in_place"] and any(row["strategy"] == "overwrite" for row in measured):
            most += start["source_bytes"]
    return Cost(
        blocks=blocks,
        sampled_blocks=looked,
        chunk_blocks=size,
        chunks=chunks,
        jobs=jobs,
        seconds=Estimate(
            (took + pauses) / jobs, None if copying.error is None else copying.error / jobs
        ),
        pause_seconds=pauses / jobs,
        wal_bytes=wal,
        wal_bytes_most=most,
        table_bytes=_extrapolated(measured, "table_bytes", blocks),
        index_bytes=index,
        undo_bytes=_extrapolated(measured, "undo_bytes", blocks),
        foreign_keys=start["foreign_keys"],
        triggers=start["triggers"],
        failed_ranges=failed,
    )

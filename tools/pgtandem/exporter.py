"""The figures of a database as Prometheus metrics.

Each `Source` is a file of queries/, whose columns are labels and metrics by name. A scrape opens a
session of its own, reads them one by one and closes it, so nothing is held between two scrapes and
a database that was lost is found again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

from pgtandem import __version__, db, deployed, sessions
from pgtandem.errors import PgtandemError

PREFIX = "pgtandem"
CONNECT_TIMEOUT = 3  # seconds
TIME_LIMIT = 9.0  # seconds of a whole scrape, below Prometheus's default of 10
PHASES = ("expand", "sync", "backfill", "contract")
COPY_STATES = ("none", "open", "complete")
VERDICTS = ("go on", "hold", "roll back", "not judged")
FLAG_STATES = ("off", "on", "percentage")

Row = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A metric of one value.

    Attributes:
        column: its column, and its name without prefix; a NULL in it is no sample.
        help: its HELP line.
        is_counter: it only grows, and its name ends with _total.
    """

    column: str
    help: str
    is_counter: bool = False

    def family(self, labels: Sequence[str], rows: Sequence[Row]) -> Metric:
        """The metric with a sample for each row."""
        kind = CounterMetricFamily if self.is_counter else GaugeMetricFamily
        family = kind(f"{PREFIX}_{self.column}", self.help, labels=labels)
        for row in rows:
            if row[self.column] is not None:
                family.add_metric([row[label] for label in labels], float(row[self.column]))
        return family


@dataclass(frozen=True)
class State:
    """A metric with a sample for each state that something may be in: 1 for the one it is in.

    Attributes:
        column: its column.
        name: its name without prefix.
        label: the label that has the state.
        help: its HELP line.
        states: all states there are.
    """

    column: str
    name: str
    label: str
    help: str
    states: tuple[str, ...]

    def family(self, labels: Sequence[str], rows: Sequence[Row]) -> Metric:
        """The metric with as many samples for each row as there are states."""
        family = GaugeMetricFamily(f"{PREFIX}_{self.name}", self.help, labels=[*labels, self.label])
        for row in rows:
            for state in self.states:
                values = [*(row[label] for label in labels), state]
                family.add_metric(values, float(row[self.column] == state))
        return family


@dataclass(frozen=True)
class Source:
    """A query and what is made of it.

    Attributes:
        query: queries/metrics_<query>.sql.
        labels: columns that are labels.
        metrics: what each row gives.
        needs: a column of metrics_access.sql that must be true; None: nothing.
    """

    query: str
    labels: tuple[str, ...]
    metrics: tuple[Figure | State, ...]
    needs: str | None = None


SOURCES = (
    Source(
        "mappings",
        ("mapping",),
        (
            State("phase", "phase", "phase", "The last phase that was deployed.", PHASES),
            State("copy_state", "copy_state", "state", "State of the backfill.", COPY_STATES),
            Figure("copy_blocks", "Blocks of the source that are to be copied."),
            Figure("copy_done_blocks", "Blocks of the source that are copied."),
            Figure("copy_chunks", "Chunks that they are copied in."),
            Figure("copy_done_chunks", "Chunks that are copied."),
            Figure("copied_rows", "Rows that the backfill wrote.", is_counter=True),
            Figure("copy_progress_ratio", "Share of the blocks that is copied, 0 to 1."),
            Figure("copy_rows_per_second", "Rate of an open copy over the last 30 seconds."),
            Figure("copy_eta_seconds", "Time that an open copy still needs at that rate."),
            Figure("paused", "Whether somebody has paused the backfill."),
            Figure("queue_failed_entries", "Entries of the target's queue that have an error."),
            Figure(
                "queue_delay_seconds",
                "Age of the oldest entry of the target's queue, which is the delay of the sync; 0"
                " where the queue is empty.",
            ),
        ),
    ),
    Source(
        "queue",
        ("mapping", "side", "reason"),
        (
            Figure(
                "queue_entries",
                "Keys that wait to be looked at again. side=target: for a drain; source and"
                " archive: kept by contract for its revert.",
            ),
        ),
    ),
    Source(
        "failures",
        ("mapping", "reason"),
        (
            Figure(
                "sync_failures",
                "Writes that could not be carried over at once (sync), or copied (copy), repaired"
                " ones too.",
                is_counter=True,
            ),
            Figure("last_sync_failure_timestamp_seconds", "When the last of them failed."),
        ),
    ),
    Source(
        "writes",
        ("mapping", "side"),
        (Figure("table_writes", "Rows inserted, updated and deleted on a side.", is_counter=True),),
    ),
    Source(
        "comparisons",
        ("mapping",),
        (
            Figure(
                "comparison_timestamp_seconds",
                "When the snapshot of the last full comparison was taken.",
            ),
            Figure("comparison_duration_seconds", "How long it took."),
            Figure("comparison_source_rows", "Rows that the target should hold by it."),
            Figure("comparison_target_rows", "Rows that the target held."),
            Figure("comparison_consistency_ratio", "Share of the rows that agreed, 0 to 1."),
            Figure(
                "comparison_counts", "Whether it was made with the mapping that is deployed now."
            ),
            Figure(
                "comparison_clean",
                "Whether it counts, is newer than the copy, and found no difference.",
            ),
            Figure(
                "last_clean_comparison_timestamp_seconds",
                "When the snapshot of the last one was taken that was clean.",
            ),
        ),
    ),
    Source(
        "differences",
        ("mapping", "kind"),
        (
            Figure(
                "comparison_differing_rows",
                "Rows that the last full comparison found missing, extra or changed.",
            ),
        ),
    ),
    Source(
        "gate",
        ("mapping", "condition"),
        (
            State(
                "verdict",
                "gate_verdict",
                "verdict",
                "What follows from a figure of the gate by the thresholds of the mapping.",
                VERDICTS,
            ),
            Figure("gate_figure", "The figure, in the unit that its condition names."),
        ),
    ),
    Source(
        "triggers",
        ("mapping", "function"),
        (
            Figure(
                "trigger_calls",
                "Calls of a trigger function, where PostgreSQL measures them.",
                is_counter=True,
            ),
            Figure("trigger_seconds", "Time spent in them.", is_counter=True),
        ),
    ),
    Source(
        "events",
        ("mapping", "kind"),
        (Figure("events", "What was done: phases, repairs, overrides, ...", is_counter=True),),
    ),
    Source(
        "workers",
        ("mapping", "state"),
        (Figure("workers", "Sessions that run the backfill, working or waiting."),),
        needs="sees_sessions",
    ),
    Source(
        "waits",
        ("mapping", "reason"),
        (Figure("waiting_workers", "Those that wait, by what they wait for."),),
        needs="sees_sessions",
    ),
    Source(
        "locks",
        (),
        (
            Figure("blocked_sessions", "Sessions that wait for a lock of pgtandem's."),
            Figure("blocked_longest_seconds", "How long the first of them has waited."),
        ),
        needs="sees_sessions",
    ),
    Source(
        "standbys",
        ("standby",),
        (Figure("replication_lag_bytes", "WAL that a standby has still to replay."),),
        needs="sees_sessions",
    ),
    Source(
        "slots",
        ("slot",),
        (Figure("slot_retained_bytes", "WAL that a replication slot retains."),),
    ),
    Source(
        "flags",
        ("flag",),
        (
            State("state", "flag_state", "state", "State of a rollout flag.", FLAG_STATES),
            Figure("flag_rollout_ratio", "Share of the users that a flag is on for, 0 to 1."),
        ),
        needs="has_flags",
    ),
)


@dataclass(frozen=True)
class Found:
    """What a scrape has read.

    Attributes:
        families: the metrics of all sources.
        answered: the queries that were asked, and whether each was answered.
        sees_sessions: whether the role may see the sessions of others.
        errors: what those said that were not.
    """

    families: list[Metric]
    answered: dict[str, bool]
    sees_sessions: bool
    errors: list[PgtandemError]


def _open(target: db.Target) -> sessions.Connection:
    connection: sessions.Connection = db.connect(
        target, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT
    )
    return connection


def scrape(target: db.Target, names: Sequence[str]) -> Found:
    """Read all sources once.

    Args:
        target: the database.
        names: the mappings; all if empty.

    Raises:
        PgtandemError: where the database or the engine cannot be reached, on a standby, and for a
            mapping that is not deployed.
        psycopg.Error: where the session is lost meanwhile.
    """
    families: list[Metric] = []
    answered: dict[str, bool] = {}
    errors: list[PgtandemError] = []
    with _open(target) as session, db.cut_off(session, TIME_LIMIT - CONNECT_TIMEOUT):
        session.execute(db.load_query("metrics_session"))
        with deployed.engine_errors(session):
            access = session.execute(db.load_query("metrics_access")).fetchone()
            assert access
            if access["is_standby"]:
                raise PgtandemError(
                    "This is a standby, where the workers cannot be seen.",
                    hint="Connect to the primary.",
                )
            known = session.execute(db.load_query("metrics_names")).fetchall()
        deployed_names = [row["mapping"] for row in known]
        for name in names:
            if name not in deployed_names:
                raise deployed.unknown(session, name, deployed_names)
        for source in SOURCES:
            if source.needs and not access[source.needs]:
                continue
            rows: list[Row] = []
            try:
                rows = session.execute(
                    db.load_query(f"metrics_{source.query}"), {"names": list(names)}
                ).fetchall()
                answered[source.query] = True
            except psycopg.Error as error:
                if sessions.is_lost(error):
                    raise
                answered[source.query] = False
                errors.append(PgtandemError.from_postgres(error))
            families += [metric.family(source.labels, rows) for metric in source.metrics]
    return Found(families, answered, access["sees_sessions"], errors)


def metrics(found: Found | None, began: float) -> Iterator[Metric]:
    """What Prometheus gets.

    Args:
        found: what was read; None: the database is lost, which is all that is said.
        began: when the scrape began, by time.monotonic().
    """
    yield _gauge("up", "Whether the database was reached.", float(found is not None))
    if found:
        family = GaugeMetricFamily(
            f"{PREFIX}_query_up", "Whether a query was answered.", labels=["query"]
        )
        for query, answered in found.answered.items():
            family.add_metric([query], float(answered))
        yield family
        yield _gauge(
            "sees_sessions",
            "Whether the role sees the sessions of others (pg_read_all_stats); where not, there are"
            " no metrics of workers, lock waits and standbys.",
            float(found.sees_sessions),
        )
        yield from found.families
    info = GaugeMetricFamily(f"{PREFIX}_build_info", "The version.", labels=["version"])
    info.add_metric([__version__], 1.0)
    yield info
    yield _gauge("scrape_duration_seconds", "How long this scrape took.", time.monotonic() - began)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


class Once(Collector):
    """One scrape; it raises what is wrong."""

    def __init__(self, target: db.Target, names: Sequence[str]) -> None:
        began = time.monotonic()
        self.found = scrape(target, names)
        self._metrics = list(metrics(self.found, began))

    def collect(self) -> list[Metric]:
        """Its metrics."""
        return self._metrics


class Exporter(Collector):
    """A scrape whenever prometheus-client asks for one, whatever becomes of the database.

    Args:
        target: the database.
        names: the mappings; all if empty.
        tell: is told what goes wrong, once, and that it is well again.
    """

    def __init__(
        self, target: db.Target, names: Sequence[str], tell: Callable[[str], None]
    ) -> None:
        self._target = target
        self._names = names
        self._tell = tell
        self._said = ""
        # One scrape at a time: a slow database gets no more sessions for being slow.
        self._turn = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """The metrics; where the database is lost, that it is."""
        began = time.monotonic()
        yield from metrics(self._scrape(), began)

    def _scrape(self) -> Found | None:
        if not self._turn.acquire(timeout=TIME_LIMIT):
            self._say("A scrape before this one still waits for the database.")
            return None
        try:
            with db.postgres_errors():
                found = scrape(self._target, self._names)
        except PgtandemError as error:
            self._say(error.format_message())
            return None
        finally:
            self._turn.release()
        self._say("\n".join(error.format_message() for error in found.errors))
        return found

    def _say(self, message: str) -> None:
        """Tell what is wrong ("": nothing), unless the scrape before said so."""
        if message != self._said:
            self._said = message
            self._tell(message or "All is well again.")

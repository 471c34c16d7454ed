"""The comparison, beside a FULL JOIN by hand and beside reladiff."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import reladiff
from psycopg.conninfo import conninfo_to_dict

from bench.measure import Section, compare, interleave, typical
from bench.world import World, script
from pgtandem import compare as comparison
from pgtandem import deployed, sessions
from pgtandem.db import Target

DATABASE = "compared"
SERIAL = {"options": "-c max_parallel_workers_per_gather=0"}
NOTE = (
    "Jobs are counted in cores: the first two lines run without parallel query, so that one job "
    "and one FULL JOIN use one core each; the others as the server comes. All compare every "
    "column. The FULL JOIN counts missing, extra and changed rows in one session, on its own; "
    "pgtandem also checks that keys are unique and takes a snapshot that its sessions share. "
    "reladiff 0.6.0 runs as a library, four threads, without its own check for unique keys; of its "
    "two algorithms the quicker one is shown, in half as many rounds. It shares no "
    "snapshot: under writes it finds differences that are none."
)
THREADS = 4
COLUMNS = {
    "user_core.old_equipment": ("user_id", "name", "type", "brand", "created_at"),
    "gear_ops.gear_items": ("user_id", "name", "category", "brand", "created_at"),
}


def _full_join(world: World, **options: str) -> float:
    with world.connect(DATABASE, **options) as session:
        start = time.perf_counter()
        row = session.execute(script("full_join")).fetchone()
        seconds = time.perf_counter() - start
    assert row == (world.rows, world.rows, 0, 0, 0), row
    return seconds


def _ours(world: World, jobs: int, **options: str) -> float:
    """As in `pgtandem verify`, without the start of Python that hand-written SQL does not have."""
    target = Target(world.server.dsn(DATABASE, **options), "bench")
    with sessions.Team(target, jobs) as team:
        mapping = deployed.find(team.sessions[0], "gear")
        start = time.perf_counter()
        found = comparison.full(team, mapping, lambda: None)
        seconds = time.perf_counter() - start
    assert (found.source_rows, found.target_rows, found.differing) == (world.rows, world.rows, 0)
    return seconds


def _reladiff(world: World, algorithm: reladiff.Algorithm) -> float:
    """The best outside tool, as a library, with the options that make it quick."""
    login = conninfo_to_dict(world.server.tcp_dsn(DATABASE))
    uri = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(login)
    tables = [
        reladiff.connect_to_table(uri, name, "id", THREADS, extra_columns=columns)
        for name, columns in COLUMNS.items()
    ]
    start = time.perf_counter()
    found = list(
        reladiff.diff_tables(
            *tables, algorithm=algorithm, validate_unique_key=False, skip_sort_results=True,
            max_threadpool_size=2 * THREADS,
        )
    )  # fmt: skip
    seconds = time.perf_counter() - start
    assert not found, found[:3]
    for table in tables:
        table.database.close()
    return seconds


def run(world: World, rounds: int) -> Section:
    """Compare; every figure is seconds."""
    logging.getLogger("hashdiff_tables").setLevel(logging.ERROR)  # it warns of text, in every round
    world.make_synced(DATABASE)
    contestants: dict[str, Callable[[], float]] = {
        "join": partial(_full_join, world, **SERIAL),
        "ours 1": partial(_ours, world, 1, **SERIAL),
        "ours 2": partial(_ours, world, 2, **SERIAL),
        "parallel join": partial(_full_join, world),
        "parallel ours": partial(_ours, world, 1),
    }
    figures = interleave(contestants, rounds)
    tools: dict[str, Callable[[], float]] = {
        "ours 1": partial(_ours, world, 1),
        "ours 2": partial(_ours, world, 2),
        "joindiff": partial(_reladiff, world, reladiff.Algorithm.JOINDIFF),
        "hashdiff": partial(_reladiff, world, reladiff.Algorithm.HASHDIFF),
    }
    beside = interleave(tools, max(2, rounds // 2))
    best = min(("joindiff", "hashdiff"), key=lambda name: typical(beside[name]))
    world.drop(DATABASE)
    return Section(
        "Verify",
        ratios=[
            compare("1 job: FULL JOIN by hand", figures, "ours 1", "join", "s", 0.95),
            compare("2 jobs: FULL JOIN by hand", figures, "ours 2", "join", "s", 1.4),
            compare(
                "1 job, parallel query on for both: FULL JOIN by hand",
                figures,
                "parallel ours",
                "parallel join",
                "s",
            ),
            compare(
                f"1 job, parallel query on: reladiff, {best}", beside, "ours 1", best, "s", 4.0
            ),
            compare(f"2 jobs, parallel query on: reladiff, {best}", beside, "ours 2", best, "s"),
        ],
        notes=[NOTE],
    )

"""The comparison, beside a FULL JOIN by hand and beside reladiff."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.measure import Section, compare, interleave
from bench.world import World, script
from pgtandem import compare as comparison
from pgtandem import deployed, sessions
from pgtandem.db import Target

DATABASE = "compared"
SERIAL = {"options": "-c max_parallel_workers_per_gather=0"}
BIN = Path(sys.executable).parent
NOTE = (
    "Jobs are counted in cores: the first two lines run without parallel query, so that "
    "one "
    "job and one FULL JOIN use one core each. Both count missing, extra and changed rows over "
    "every column. reladiff 0.6.0 is timed as a command, as is `pgtandem verify` beside it, "
    "start and storing of the result included; it cannot compare a renamed column, so it "
    "compares one column less; of its two algorithms the quicker one is shown."
)
COLUMNS = ("user_id", "name", "brand", "created_at")


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


def _command(world: World, *command: str | Path) -> float:
    start = time.perf_counter()
    world.run(command, DATABASE)
    return time.perf_counter() - start


def _reladiff(world: World, *options: str) -> float:
    """The tool's command line; the renamed column it cannot compare, so it is spared one."""
    login = conninfo_to_dict(world.server.tcp_dsn(DATABASE))
    uri = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(login)
    columns = [word for name in COLUMNS for word in ("-c", name)]
    return _command(
        world, BIN / "reladiff", uri, "user_core.old_equipment", uri, "gear_ops.gear_items",
        "-k", "id", *columns, "--stats", "--assume-unique-key", "-j", "4", *options,
    )  # fmt: skip


def run(world: World, rounds: int) -> Section:
    """Compare; every figure is seconds."""
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
        "verify 2": partial(_command, world, BIN / "pgtandem", "verify", "gear", "--jobs", "2"),
        "joindiff": partial(_reladiff, world, "-a", "joindiff"),
        "hashdiff": partial(_reladiff, world, "-a", "hashdiff"),
    }
    figures |= interleave(tools, max(2, rounds // 2))
    best = min(("joindiff", "hashdiff"), key=lambda name: sum(figures[name]))
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
                f"`pgtandem verify --jobs 2`: reladiff, {best}", figures, "verify 2", best, "s", 4.0
            ),
        ],
        notes=[NOTE],
    )

"""A world for each test: gear, and gear with a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conftest import GEAR, fresh_database
from helpers import OWNER, psql, sqitch
from isolation.world import FILTER, LEVELS, World
from mappings import build
from pgtandem.server import Server


def filtered_gear() -> str:
    """gear's mapping file, with a filter."""
    text = (GEAR / "mappings" / "gear.yml").read_text(encoding="utf-8")
    return text.replace(
        "  table: user_core.old_equipment\n",
        f"  table: user_core.old_equipment\n  filter: {FILTER}\n",
    )


@pytest.fixture(scope="session")
def filtered_template(server: Server, engine_template: str) -> Iterator[str]:
    """The engine and gear with a filter, up to its sync."""
    with fresh_database(server, "filtered_template", engine_template) as name:
        dsn = server.dsn(name, OWNER)
        psql(GEAR / "legacy.sql", dsn)
        sqitch("deploy", "--to-change", "gear_tables", dsn=dsn, project=GEAR)
        build(dsn, filtered_gear(), "")
        yield name


@pytest.fixture
def make_world(
    request: pytest.FixtureRequest, make_database: Callable[..., str]
) -> Iterator[Callable[..., World]]:
    """Make a world of gear, or of gear with a filter."""
    with ExitStack() as stack:

        def make(filtered: bool = False) -> World:
            template = request.getfixturevalue("filtered_template" if filtered else "gear_template")
            return World(make_database(template), stack, filtered)

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """gear, up to gear_sync, without rows."""
    return make_world()


@pytest.fixture
def either(request: pytest.FixtureRequest, make_world: Callable[..., World]) -> World:
    """gear without and with a filter."""
    return make_world(request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`level` is the writer's isolation level; with a filter only the one with most to go wrong."""
    worlds = {False: "gear", True: "filtered"}
    levels = dict(zip(LEVELS, ("rc", "rr", "sr"), strict=True))
    pairs = [(False, level) for level in LEVELS] + [(True, "REPEATABLE READ")]
    has = [name for name in ("either", "level") if name in metafunc.fixturenames]
    if has == ["either", "level"]:
        ids = [f"{worlds[filtered]}-{levels[level]}" for filtered, level in pairs]
        metafunc.parametrize(has, pairs, indirect=["either"], ids=ids)
    elif has == ["either"]:
        metafunc.parametrize("either", list(worlds), indirect=True, ids=worlds.values())
    elif has == ["level"]:
        metafunc.parametrize("level", LEVELS, ids=levels.values())

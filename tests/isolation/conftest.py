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


@pytest.fixture(params=[False, True], ids=["gear", "filtered"])
def either(request: pytest.FixtureRequest, make_world: Callable[..., World]) -> World:
    """gear without and with a filter."""
    return make_world(request.param)


@pytest.fixture(params=LEVELS, ids=["rc", "rr", "sr"])
def level(request: pytest.FixtureRequest) -> str:
    """The writer's isolation level."""
    return str(request.param)

"""Rule 1 where triggers of the applications write the same tables again: one session, no waiting."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from properties import shapes, statements
from properties.shapes import Shape
from properties.world import (
    CONFLICTS,
    World,
    connect,
    differences,
    drain,
    execute,
    naive_differences,
    run_script,
)

# A row that is written again by the trigger of its own statement: PostgreSQL refuses some of that.
REFUSED = CONFLICTS | {"21000", "27000", "TD011"}


def the_applications_triggers_do_no_harm(world: World, shape: Shape) -> None:
    """The property, for a shape that may be broken on purpose."""
    sides = (shape.source, shape.target)
    names = [st.sampled_from(sorted(statements.triggers(side))) for side in sides]

    @given(
        triggers=st.tuples(*(st.one_of(st.none(), name) for name in names)),
        writes=st.lists(st.one_of(statements.old(shape), statements.new(shape)), max_size=6),
    )
    def check(triggers, writes):
        with world.database(shape) as dsn, connect(dsn) as owner:
            for side, name in zip(sides, triggers, strict=True):
                if name:
                    owner.execute(statements.triggers(side)[name])
            run_script(owner, shape.script("deploy/sync"))
            for statement in writes:
                try:
                    execute(owner, statement)
                except psycopg.Error as error:
                    assert error.sqlstate in REFUSED, f"{error!r}"  # noqa: PT017
            owner.execute(f"CALL pgtandem.backfill('{shape.name}')")
            drain(owner, shape)
            assert naive_differences(owner, shape) == {}
            assert differences(owner, shape) == {}

    check()


@pytest.mark.parametrize("shape", [shapes.gear(), shapes.nasty()], ids=lambda shape: shape.name)
def test_the_applications_triggers_do_no_harm(world, shape):
    the_applications_triggers_do_no_harm(world, shape)

"""Rule 1 where triggers of the applications write the same tables again, in one session."""

from __future__ import annotations

import json

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
    # Not a trigger of the target that deletes the row which the sync is just writing: see README.
    names[1] = names[1].filter(lambda name: not name.endswith("_delete"))

    @given(
        there=statements.rows(shape.source, 3, len(shape.source.keys)),
        triggers=st.tuples(*(st.one_of(st.none(), name) for name in names)),
        copied=st.booleans(),
        writes=st.lists(
            st.one_of(statements.old(shape), statements.new(shape)), min_size=1, max_size=6
        ),
    )
    def check(there, triggers, copied, writes):
        with world.database(shape) as dsn, connect(dsn) as owner:
            if there:
                execute(owner, statements.insert(shape.source, there))
            for side, name in zip(sides, triggers, strict=True):
                if name:
                    owner.execute(statements.triggers(side)[name])
            run_script(owner, shape.script("deploy/sync"))
            if copied:
                owner.execute(f"CALL pgtandem.backfill('{shape.name}')")
            for statement in writes:
                try:
                    execute(owner, statement)
                except psycopg.Error as error:
                    assert error.sqlstate in REFUSED, f"{error!r}"  # noqa: PT017
            if copied:
                # What is not equal at once is in the queue.
                queued = {k for (k,) in owner.execute("SELECT key FROM pgtandem.recheck")}
                assert naive_differences(owner, shape).keys() <= {
                    key
                    for key in shape.source.keys
                    if json.dumps(key, default=str, ensure_ascii=False) in queued
                }
            # Nobody is in the way, so nothing may fail and be mended later.
            failures = owner.execute("SELECT * FROM pgtandem.sync_failure").fetchall()
            assert not failures
            owner.execute(f"CALL pgtandem.backfill('{shape.name}')")
            drain(owner, shape)
            assert naive_differences(owner, shape) == {}
            assert differences(owner, shape) == {}

    check()


@pytest.mark.parametrize("shape", [shapes.gear(), shapes.nasty()], ids=lambda shape: shape.name)
def test_the_applications_triggers_do_no_harm(world, shape):
    the_applications_triggers_do_no_harm(world, shape)

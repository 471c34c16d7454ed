"""Rule 3: the comparison finds a difference if and only if there is one."""

from __future__ import annotations

import contextlib
import itertools

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from properties import shapes, statements
from properties.shapes import Shape
from properties.world import World, connect, differences, execute, naive_differences


def the_comparison_is_exact(world: World, shape: Shape) -> None:
    """The property, for a shape that may be broken on purpose.

    The target starts as the image of the source; then both are written without any sync.
    """
    size = len(shape.source.keys)
    table = shape.target.table.replace("%", "%%")
    schema = shape.schema

    @given(
        there=statements.rows(shape.source, 0, size),
        writes=st.lists(statements.new(shape), max_size=3),
        parts=st.integers(2, 4),
    )
    def check(there, writes, parts):
        owner.execute(f"TRUNCATE {shape.source.table}, {shape.target.table} CASCADE")
        if there:
            execute(owner, statements.insert(shape.source, there))
        for image in filter(None, map(shape.image, there)):
            own = {name: values[0] for name, values in shape.target.own.items()}
            row = image | own
            columns = ", ".join(row).replace("%", "%%")
            places = ", ".join(["%s"] * len(row))
            owner.execute(
                f"INSERT INTO {table} ({columns}) VALUES ({places})".encode(),
                tuple(row.values()),
            )
        assert naive_differences(owner, shape) == differences(owner, shape) == {}
        for statement in writes:
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                execute(owner, statement)
        naive = naive_differences(owner, shape)
        assert differences(owner, shape) == naive
        # In ranges of the key, and as the engine stores it.
        cuts = owner.execute("SELECT pgtandem.key_cuts(%s, %s)", (shape.name, parts)).fetchone()[0]
        edges = [None, *cuts, None]
        ranges = itertools.pairwise(edges)
        query = (
            f"SELECT count(*) FROM {schema}.compared(%s, %s) "
            "WHERE changed OR NOT in_source OR NOT in_target"
        )
        assert sum(owner.execute(query, ends).fetchone()[0] for ends in ranges) == len(naive)
        owner.execute(f"CALL pgtandem.compare('{shape.name}')")
        counted = owner.execute(
            "SELECT source_rows, target_rows, missing, extra, changed "
            "FROM pgtandem.comparison ORDER BY id DESC LIMIT 1"
        ).fetchone()
        kinds = list(naive.values())
        assert counted[2:] == tuple(kinds.count(k) for k in ("missing", "extra", "changed"))
        assert counted[0] == sum(shape.image(row) is not None for row in there)
        assert counted[1] == counted[0] + kinds.count("extra") - kinds.count("missing")

    with world.database(shape) as dsn, connect(dsn) as owner:
        check()


@pytest.mark.both
@pytest.mark.parametrize("shape", [shapes.gear(), shapes.nasty()], ids=lambda shape: shape.name)
def test_the_comparison_is_exact(world, shape):
    the_comparison_is_exact(world, shape)

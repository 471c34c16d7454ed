"""What the run under load has found, as one interleaving that is always the same."""

from __future__ import annotations

from properties import shapes, statements
from properties.world import connect, differences, drain, execute, finish_copy, run_script


def test_a_changed_key_takes_its_queue_entry_along(world):
    shape = shapes.gear()
    (first,), (second,) = shape.source.keys[:2]
    row = {name: values[0] for name, values in {**shape.source.values, **shape.source.own}.items()}
    with world.database(shape) as dsn, connect(dsn) as old, connect(dsn) as new:
        execute(old, statements.insert(shape.source, [{**row, "id": first}]))
        run_script(old, shape.script("deploy/sync"))
        finish_copy(old, shape)
        new.execute("BEGIN")
        new.execute("SELECT FROM gear_ops.gear_items FOR UPDATE")
        old.execute("UPDATE user_core.old_equipment SET name = 'gave way'")
        new.execute("UPDATE gear_ops.gear_items SET id = %s", (second,))
        new.execute("COMMIT")
        drain(old, shape)
        assert differences(old, shape) == {}

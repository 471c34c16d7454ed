"""Rule 6: whatever phase comes or goes, no write is lost and no deleted row returns.

One session writes as both applications, so that what must be there is known exactly: what was there
before a phase moved is there after it, on both sides; and both sides agree after every write.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from properties import shapes, statements
from properties.shapes import Shape
from properties.world import (
    CONFLICTS,
    World,
    connect,
    content,
    drain,
    execute,
    finish_copy,
    naive_differences,
    run_script,
)

PHASES = ("expand", "sync", "backfill", "contract")
REFUSED = CONFLICTS | {"TD011", "TD013"}
# The view that stands for the source has no ON CONFLICT; and of a row that the new application made
# it shows NULL in a column that only the old table has, which cannot be inserted again (23502).
REFUSED_BY_VIEW = {"42P10", "0A000", "55000", "23502"}


def road(world: World, shape: Shape) -> type[RuleBasedStateMachine]:
    """The state machine of the phases of one shape."""
    twin = replace(shape.source, table="twin.source")

    class Road(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.stack = ExitStack()
            self.phase = "expand"
            self.log: list[str] = []
            self.unheld: set[Any] = set()

        @initialize(there=statements.rows(shape.source, 0, 5))
        def start(self, there):
            self.dsn = self.stack.enter_context(world.database(shape))
            self.owner = self.stack.enter_context(connect(self.dsn))
            self.owner.execute("CREATE SCHEMA twin")
            self.owner.execute(
                f"CREATE TABLE twin.source AS TABLE {shape.source.table} WITH NO DATA".encode()
            )
            self.owner.execute(
                f"ALTER TABLE twin.source ADD PRIMARY KEY ({', '.join(twin.key)}) "
                f"{'DEFERRABLE' if twin.deferrable else ''}".encode()
            )
            if there:
                self.write(statements.insert(shape.source, there))

        def write(self, statement) -> bool:
            self.log.append(repr(statement))
            try:
                execute(self.owner, statement)
            except psycopg.Error as error:
                self.log.append(f"    {error.sqlstate} {error.diag.message_primary}")
                allowed = REFUSED | (REFUSED_BY_VIEW if self.phase == "contract" else set())
                self.expect(error.sqlstate in allowed, repr(error))
                return False
            return True

        def expect(self, condition, message):
            if not condition:
                raise AssertionError("\n".join([message, "", *self.log]))

        def both(self):
            return self.read(shape.source), self.read(shape.target)

        def read(self, side):
            try:
                return content(self.owner, side)
            except AssertionError as error:
                raise AssertionError("\n".join([str(error), "", *self.log])) from None

        @rule(statement=statements.writes(shape.source))
        def old_write(self, statement):
            """A write does to the table, or the view in its place, what it does to a table."""
            before = self.read(shape.source)
            self.owner.execute("TRUNCATE twin.source")
            if before:
                execute(self.owner, statements.insert(twin, list(before.values())))
            if self.write(statement):
                table = shape.source.table
                same = (
                    statement.sql.replace(table, twin.table)
                    if statement.rows
                    else statement.sql.replace(table.replace("%", "%%"), twin.table)
                )
                execute(self.owner, replace(statement, sql=same))
                written, table = self.read(shape.source), self.read(twin)
                if self.phase == "contract":
                    self.fill(table, written)
                self.expect(written == table, f"it wrote {written}, to a table {table}")
            else:
                self.expect(self.read(shape.source) == before, "half a write")
            self.agree()

        @precondition(lambda self: self.phase != "expand")
        @rule(statement=statements.new(shape))
        def new_write(self, statement):
            before = self.both()
            if not self.write(statement):
                self.expect(self.both() == before, "half a write")
            self.agree()

        def agree(self):
            if self.phase in ("backfill", "contract"):
                found = naive_differences(self.owner, shape)
                # After contract the new application may write what the old table could not hold.
                self.unheld = {k for k, kind in found.items() if kind == "extra"}
                if self.phase == "backfill" or len(self.unheld) < len(found):
                    self.expect(found == {}, f"differences: {found}")

        @precondition(lambda self: self.phase == "sync")
        @rule()
        def copy_a_chunk(self):
            self.log.append("a chunk")
            try:
                self.owner.execute(f"CALL pgtandem.backfill('{shape.name}', '0s')")
            except psycopg.Error as error:
                assert error.sqlstate == "TD026", repr(error)  # noqa: PT017

        def fill(self, before, after):
            """What only the old table has of a row that the new application made after contract.

            The view shows NULL; the table, once the row is carried back, has the column's default.
            """
            for key in before.keys() & after.keys():
                for column in ('"gelöscht"', *shape.source.own):
                    if column in before[key] and before[key][column] is None:
                        before[key][column] = after[key][column]

        def move(self, kind, phase):
            self.log.append(f"{kind}/{phase}")
            before = self.both()
            script = shape.script(f"{kind}/{phase}")
            if (kind, phase) == ("deploy", "backfill"):
                finish_copy(self.owner, shape, script)
            else:
                run_script(self.owner, script)
            after = self.both()
            if (kind, phase) == ("revert", "contract"):
                self.fill(before[0], after[0])
            self.expect(after[0] == before[0], f"the source was {before[0]}, is {after[0]}")
            if (kind, phase) != ("deploy", "backfill"):
                self.expect(after[1] == before[1], f"the target was {before[1]}, is {after[1]}")

        @precondition(lambda self: self.phase != "contract")
        @rule()
        def forth(self):
            phase = PHASES[PHASES.index(self.phase) + 1]
            if phase == "contract":
                drain(self.owner, shape)
                self.owner.execute(f"CALL pgtandem.compare('{shape.name}')")
                # This test reads the old side.
                self.owner.execute(
                    f"SELECT pgtandem.override('{shape.name}', 'old_side_unread', 'a test')"
                )
                # gear has its foreign key in a change of its own, and here no user is deleted.
                self.owner.execute(
                    f"SELECT pgtandem.override('{shape.name}', 'cascades', 'a test')"
                )
            self.move("deploy", phase)
            self.phase = phase
            self.agree()

        @precondition(lambda self: self.phase != "expand")
        @rule()
        def back(self):
            if self.phase == "contract" and self.unheld:
                before = self.both()
                with pytest.raises(psycopg.Error) as refused:
                    run_script(self.owner, shape.script("revert/contract"))
                self.expect(refused.value.sqlstate == "TD023", repr(refused.value))
                after = self.both()
                self.fill(before[0], after[0])
                self.expect(after == before, "a refused revert changed something")
                return
            self.move("revert", self.phase)
            self.phase = PHASES[PHASES.index(self.phase) - 1]
            self.agree()

        def teardown(self):
            self.stack.close()

    return Road


@pytest.mark.both
@pytest.mark.parametrize("shape", [shapes.gear(), shapes.nasty()], ids=lambda shape: shape.name)
def test_no_write_is_lost_by_a_phase(world, shape):
    run_state_machine_as_test(road(world, shape))

"""Two applications, a backfill and a DBA, in any order: the state machine of rules 1 to 3."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from properties import statements
from properties.shapes import Shape
from properties.statements import Statement
from properties.world import (
    CONFLICTS,
    Actor,
    World,
    connect,
    differences,
    drain,
    finish_copy,
    naive_differences,
    run_script,
)

ISOLATION = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


def machine(world: World, shape: Shape) -> type[RuleBasedStateMachine]:
    """The state machine of one shape."""
    old_writes, new_writes = statements.old(shape), statements.new(shape)
    old_triggers = sorted(statements.triggers(shape.source))
    # Not a trigger of the target that deletes the row which the sync is just writing: see README.
    new_triggers = sorted(t for t in statements.triggers(shape.target) if not t.endswith("_delete"))
    a_writer, an_old, a_new = st.integers(0, 3), st.integers(0, 1), st.integers(2, 3)

    class Tandem(RuleBasedStateMachine):
        """Sessions 0 and 1 are the old application, 2 and 3 the new one."""

        def __init__(self) -> None:
            super().__init__()
            self.stack = ExitStack()
            self.log: list[str] = []
            self.phase = "expand"
            self.step: str | None = None
            self.triggers = False
            self.failed = False

        @initialize(
            there=statements.rows(shape.source, 0, len(shape.source.keys)),
            triggers=st.one_of(
                st.just(()),
                st.tuples(st.sampled_from(old_triggers)),
                st.tuples(st.sampled_from([None, *old_triggers]), st.sampled_from(new_triggers)),
            ),
        )
        def start(self, there: list[Any], triggers: tuple[str | None, ...]) -> None:
            self.dsn = self.stack.enter_context(world.database(shape))
            self.owner = connect(self.dsn)
            self.stack.callback(self.owner.close)
            if there:
                self._owner(statements.insert(shape.source, there))
            for side, name in zip((shape.source, shape.target), triggers, strict=False):
                if name:
                    self.log.append(f"trigger {name} on {side.table}")
                    self.triggers = True
                    self.owner.execute(statements.triggers(side)[name].encode())
            self._script("deploy/sync")
            self.phase = "sync"
            self.writers = [self._actor(name) for name in ("old 1", "old 2", "new 1", "new 2")]
            self.worker, self.dba = self._actor("worker"), self._actor("dba")

        def _actor(self, name: str) -> Actor:
            actor = Actor(name, self.dsn, self.log)
            self.stack.callback(actor.close)
            return actor

        def _owner(self, statement: Statement) -> None:
            self.log.append(f"owner: {statement!r}")
            self.owner.execute(statement.sql.encode(), statement.parameters)

        def _script(self, name: str) -> None:
            self.log.append(f"owner: {name}")
            run_script(self.owner, shape.script(name))

        # The applications

        def _write(self, who: int, statement: Statement) -> None:
            actor = self.writers[who]
            if not actor.is_free:
                return
            actor.send(statement, self.owner)
            error = actor.last_error
            if error is not None:
                self._accept(actor, error)

        def _accept(self, actor: Actor, error: Any) -> None:
            """Fail on an error that conflicts do not explain."""
            allowed = set(CONFLICTS)
            if actor.name.startswith("new"):
                allowed |= {"TD011", "TD013"}
            if self.triggers:
                allowed |= {"27000", "21000"}
            self.expect(error.sqlstate in allowed, f"{actor.name} failed: {error!r}")

        @rule(who=an_old, statement=old_writes)
        def old_write(self, who: int, statement: Statement) -> None:
            self._write(who, statement)

        @rule(who=a_new, statement=new_writes)
        def new_write(self, who: int, statement: Statement) -> None:
            self._write(who, statement)

        @rule(who=an_old, first=old_writes, second=old_writes)
        def old_writes_twice(self, who: int, first: Statement, second: Statement) -> None:
            self._write(who, first)
            self._write(who, second)

        @rule(who=a_writer, isolation=st.sampled_from(ISOLATION), looks=st.booleans())
        def begin(self, who: int, isolation: str, looks: bool) -> None:
            actor = self.writers[who]
            if actor.is_free and not actor.in_transaction:
                actor.send(f"BEGIN ISOLATION LEVEL {isolation}")
                if looks:
                    actor.send("SELECT count(*) FROM pg_class")  # its snapshot is from now

        @rule(who=a_writer, back=st.booleans())
        def savepoint(self, who: int, back: bool) -> None:
            actor = self.writers[who]
            if actor.is_free and actor.in_transaction:
                if back and actor.savepoints:
                    actor.send(f"ROLLBACK TO s{actor.savepoints}")
                else:
                    actor.savepoints += 1
                    actor.send(f"SAVEPOINT s{actor.savepoints}")

        @rule(who=a_writer, commit=st.sampled_from([True, True, False]))
        def end(self, who: int, commit: bool) -> None:
            if self.writers[who].is_free and self.writers[who].in_transaction:
                self.writers[who].finish(commit)

        # The backfill and the DBA

        @rule(blocks=st.sampled_from([1, 1, 64]), commits=st.booleans())
        def work(self, blocks: int, commits: bool) -> None:
            if not self.worker.is_free:
                return
            if self.worker.in_transaction:
                self.worker.finish()
                return
            name = f"'{shape.name}'"
            if self.step is None:
                self.step = self.worker.send(
                    f"SELECT pgtandem._backfill_start({name}, NULL)::text", self.owner
                )
                self.step = self.step and self.step[0]
            else:
                self.worker.send("BEGIN")
                result = self.worker.send(
                    Statement(
                        f"SELECT s::text, s.stage FROM pgtandem._backfill_step({name}, ("
                        f"SELECT ROW(p.stage, {blocks}, p.strategy, p.deadline, p.older, p.upto, "
                        "p.wait)::pgtandem.backfill_step "
                        "FROM (SELECT (%s::pgtandem.backfill_step).*) AS p)) AS s",
                        (self.step,),
                    ),
                    self.owner,
                )
                self.step = result[0] if result and result[1] not in ("done", "stuck") else None
                if result is None and self.worker.is_free:
                    self.worker.finish(False)
            if commits and self.worker.is_free:
                self.worker.finish()

        @rule()
        def backfill(self) -> None:
            if self.dba.is_free:
                self.dba.send(f"CALL pgtandem.backfill('{shape.name}')", self.owner)

        @rule()
        def drain(self) -> None:
            if self.dba.is_free:
                self.dba.send(f"CALL pgtandem.drain('{shape.name}')", self.owner)

        @rule()
        def vacuum_full(self) -> None:
            if self.dba.is_free:
                self.dba.send(f"VACUUM FULL {shape.source.table}", self.owner)

        @rule(meanwhile=st.lists(old_writes, max_size=2), again=st.booleans())
        def move_phase(self, meanwhile: list[Statement], again: bool) -> None:
            """Everybody ends; then the next phase, or back."""
            self.finish_all()
            if self.phase == "sync" and again:
                self._script("revert/sync")
                for statement in meanwhile:
                    self.writers[0].send(statement)
                self._script("deploy/sync")
            elif self.phase == "sync":
                self.log.append("owner: deploy/backfill")
                finish_copy(self.owner, shape, shape.script("deploy/backfill"))
                self.phase = "backfill"
            else:
                self._script("revert/backfill")
                self.phase = "sync"
            self.step = None

        # What must hold

        def expect(self, condition: bool, message: str) -> None:
            if not condition:
                self.failed = True
                raise AssertionError("\n".join([message, "", *self.log]))

        def finish_all(self) -> None:
            deadline = time.monotonic() + 30
            for actor in (self.worker, *self.writers):
                actor.finish()
            while not self.dba.is_free and time.monotonic() < deadline:
                time.sleep(0.002)
            self.dba.finish()
            self.step = None
            for actor in self.writers:
                if actor.last_error:
                    self._accept(actor, actor.last_error)

        def compare(self) -> dict[Any, str]:
            found = differences(self.owner, shape)
            naive = naive_differences(self.owner, shape)
            self.expect(found == naive, f"compared() finds {found}, Python {naive}")
            return found

        def _nothing_differs(self) -> None:
            drain(self.owner, shape)
            found = self.compare()
            self.expect(found == {}, f"differences: {found}")

        @rule()
        def check(self) -> None:
            """Between two phases: what is settled is right, what is not copied is missing."""
            self.finish_all()
            row = self.owner.execute(
                "SELECT copy_state = 'complete', copy_strategy = 'overwrite', EXISTS (SELECT FROM "
                "pgtandem.chunk WHERE done_at IS NULL) OR NOT EXISTS (SELECT FROM pgtandem.chunk) "
                "FROM pgtandem.mapping"
            ).fetchone()
            complete, overwrite, to_do = row
            if complete:
                self._nothing_differs()
            elif not overwrite:
                found = set(self.compare().values())
                self.expect(found <= {"missing"} or not to_do, f"differences: {self.compare()}")

        def teardown(self) -> None:
            try:
                if hasattr(self, "owner") and not self.failed:
                    self.finish_all()
                    self.log.append("owner: backfill")
                    finish_copy(self.owner, shape)
                    self._nothing_differs()
                    if os.environ.get("PGTANDEM_SHOW"):
                        print("\n".join(self.log), "\n")  # noqa: T201
            finally:
                self.stack.close()

    return Tandem

"""What interleavings are told in: rows by number, writes of each side, a chunk held half-way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg import conninfo

from helpers import TIMEOUT, Session

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
SOURCE = "user_core.old_equipment"
TARGET = "gear_ops.gear_items"
FILTER = "type IS DISTINCT FROM 'scrap'"
GATE = 4711  # the advisory lock that `World.hold` keeps

# A trigger that holds only the session called "held", and longer than that session would wait.
GATES = f"""
CREATE SCHEMA IF NOT EXISTS test_gate;
CREATE OR REPLACE FUNCTION test_gate.wait() RETURNS trigger
LANGUAGE plpgsql SET lock_timeout = 0 AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN coalesce(NEW, OLD); END $$;
CREATE OR REPLACE FUNCTION test_gate.wait_here() RETURNS void
LANGUAGE plpgsql SET lock_timeout = 0 AS
$$ BEGIN IF current_setting('application_name') = 'held' THEN
       PERFORM pg_advisory_xact_lock_shared({GATE}); END IF; END $$;
GRANT USAGE ON SCHEMA test_gate TO PUBLIC;
"""


def uid(number: int) -> str:
    """The key of a row, as a SQL literal; keys sort as their numbers."""
    return f"'00000000-0000-0000-0000-{number:012d}'"


def insert(number: int, name: str = "v1", **columns: str) -> str:
    """The old application's INSERT."""
    names = "".join(f", {column}" for column in columns)
    values = "".join(f", '{value}'" for value in columns.values())
    return (
        f"INSERT INTO {SOURCE} (id, user_id, name{names}) "
        f"VALUES ({uid(number)}, {uid(0)}, '{name}'{values})"
    )


def update(number: int, name: str) -> str:
    """The old application's UPDATE."""
    return f"UPDATE {SOURCE} SET name = '{name}' WHERE id = {uid(number)}"


def delete(number: int) -> str:
    """The old application's DELETE."""
    return f"DELETE FROM {SOURCE} WHERE id = {uid(number)}"


def rekey(number: int, to: int) -> str:
    """The old application's change of a key."""
    return f"UPDATE {SOURCE} SET id = {uid(to)} WHERE id = {uid(number)}"


def leave(number: int) -> str:
    """The old application's write that takes a row out of the filter, where there is one."""
    return f"UPDATE {SOURCE} SET type = 'scrap' WHERE id = {uid(number)}"


def at_target(statement: str) -> str:
    """The same write by the new application."""
    return statement.replace(SOURCE, TARGET).replace("type =", "category =")


class World:
    """gear with the rows that a test wants, its sessions, and a hand that can hold one of them."""

    def __init__(self, dsn: str, stack: ExitStack, filtered: bool = False) -> None:
        self.dsn = dsn
        self.filtered = filtered
        self.patience = TIMEOUT
        self._stack = stack
        self.owner = self.session()
        self.owner.run(f"INSERT INTO user_core.users VALUES ({uid(0)}, 'u', 'u')")

    def session(self, user: str | None = None, name: str = "") -> Session:
        """A session of its own, the owner's unless told."""
        dsn = conninfo.make_conninfo(self.dsn, **({"user": user} if user else {}))
        return self._stack.enter_context(Session(dsn, application_name=name or "test"))

    def old(self) -> Session:
        """A session of the old application."""
        return self.session("old_app", "old application")

    def new(self) -> Session:
        """A session of the new application."""
        return self.session("new_app", "new application")

    def held(self) -> Session:
        """A session that `hold` can stop."""
        return self.session(name="held")

    def unseen(self, *statements: str) -> None:
        """Write what no trigger carries over, as before the sync or by an error of ours."""
        with self.owner.connection.transaction():
            self.owner.run("SELECT set_config('pgtandem_gear.depth', '0', true)")
            for statement in statements:
                self.owner.run(statement)

    def rows(self, *numbers: int) -> None:
        """Rows of the source from before the sync."""
        self.unseen(*[insert(number) for number in numbers])

    @contextmanager
    def hold(self, number: int | None = None, event: str = "INSERT") -> Iterator[Session]:
        """Within it, the session `held` stops before it writes row `number` of the target (any)."""
        row = "OLD" if event == "DELETE" else "NEW"
        which = f" AND {row}.id = {uid(number)}" if number is not None else ""
        self.owner.run(GATES)
        self.owner.run(
            f"CREATE OR REPLACE TRIGGER aaa_gate BEFORE {event} ON {TARGET} FOR EACH ROW "
            f"WHEN (current_setting('application_name') = 'held'{which}) "
            "EXECUTE FUNCTION test_gate.wait()"
        )
        with self.locked() as holder:
            yield holder

    @contextmanager
    def locked(self) -> Iterator[Session]:
        """Within it, whatever passes a gate waits."""
        holder = self.session()
        holder.run("SELECT pg_advisory_lock(%s)", (GATE,))
        try:
            yield holder
        finally:
            holder.run("SELECT pg_advisory_unlock(%s)", (GATE,))

    def rewrite(self, routine: str, old: str, new: str) -> None:
        """Replace a piece of a routine's text: a protection taken away, or a gate put in."""
        text = self.owner.value("SELECT pg_get_functiondef(%s::regprocedure)", (routine,))
        assert old in text, f"{routine} has no {old!r}"
        self.owner.run(text.replace(old, new))

    def value(self, query: str) -> Any:
        """The first column of the first row, in the owner's session."""
        return self.owner.value(query)

    def until(self, query: str) -> None:
        """Wait until a query says true."""
        deadline = time.monotonic() + self.patience
        while not self.value(query):
            assert time.monotonic() < deadline, f"never true: {query}"
            time.sleep(0.005)

    def names(self, table: str) -> dict[int, str]:
        """What a table holds: number and name."""
        rows = self.owner.run(f"SELECT right(id::text, 12)::int, name FROM {table} ORDER BY 1")
        return dict(rows)

    def differences(self) -> list[tuple[Any, ...]]:
        """What the comparison finds."""
        return self.owner.run(
            "SELECT key, columns, source, target FROM pgtandem_gear.compared() "
            "WHERE changed OR NOT in_source OR NOT in_target"
        )

    def queue(self, number: int) -> None:
        """Queue a key, as a repair does."""
        self.owner.run(
            f"SELECT pgtandem.queue('gear', jsonb_build_array({uid(number)}::uuid), 'difference')"
        )

    def queued(self) -> int:
        """Entries in the queue."""
        return int(self.value("SELECT count(*) FROM pgtandem.recheck"))

    def failures(self) -> list[str]:
        """The SQLSTATEs that were ever recorded."""
        query = "SELECT sqlstate FROM pgtandem.sync_failure ORDER BY id"
        return [row[0] for row in self.owner.run(query)]

    def drain(self) -> None:
        """Work off the queue, retrying at once."""
        for _ in range(20):
            self.owner.run("SELECT pgtandem.retry('gear')")
            self.owner.run("CALL pgtandem.drain('gear')")
            if not self.queued():
                return
        raise AssertionError(self.owner.run("SELECT * FROM pgtandem.recheck"))

    def waits(self, reason: str) -> None:
        """Wait until a worker of the backfill says that it waits for this (a LIKE pattern)."""
        self.until(f"SELECT bool_or(waiting_for LIKE '{reason}') FROM pgtandem.worker")

    def list_chunks(self) -> None:
        """List the chunks, as a backfill does before it copies the first."""
        self.owner.run("SELECT pgtandem._backfill_start('gear', NULL)")

    def backfill(self) -> None:
        """Run the backfill to its end."""
        self.owner.run("CALL pgtandem.backfill('gear')")

    def settled(self) -> None:
        """Everybody has committed and the queue is worked off: now both sides are equal."""
        self.backfill()  # leaves what is gone to itself while the copy is open
        self.drain()
        assert self.differences() == []

    def complete(self) -> None:
        """The backfill says complete, so both sides are equal without any drain."""
        assert self.value("SELECT copy_state FROM pgtandem.mapping") == "complete"
        assert self.differences() == []
        assert self.queued() == 0


def start(session: Session, level: str) -> Session:
    """Open a transaction and take its snapshot, where the level has one for all of it."""
    session.run(f"BEGIN ISOLATION LEVEL {level}")
    session.run("SELECT count(*) FROM pg_catalog.pg_am")
    return session


def attempt(action: Callable[[], object]) -> str:
    """Do it; return the SQLSTATE of its error, empty if there was none."""
    try:
        action()
    except psycopg.Error as error:
        return error.sqlstate or "lost"
    return ""

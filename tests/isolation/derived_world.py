"""Worlds of joins, rows and in place, for exact interleavings."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from helpers import Session
from isolation.world import GATES, World
from mappings import build

JOINED = """
CREATE SCHEMA bill;
CREATE TABLE bill.person (id integer PRIMARY KEY, name text, seen integer DEFAULT 0) WITH
    (fillfactor = 10);
CREATE TABLE bill.talk (id integer PRIMARY KEY, person_id integer REFERENCES bill.person ON
    DELETE CASCADE);
CREATE INDEX ON bill.talk (person_id);
CREATE TABLE bill.message (id integer PRIMARY KEY, talk_id integer REFERENCES bill.talk ON DELETE
    CASCADE, day integer);
CREATE INDEX ON bill.message (talk_id);
CREATE TABLE bill.payment (id integer PRIMARY KEY, person_id integer, amount integer);
CREATE INDEX ON bill.payment (person_id);
CREATE TABLE bill.sum (person_id integer PRIMARY KEY, paid bigint, days bigint);
INSERT INTO bill.person SELECT n, 'p' || n FROM generate_series(1, 3) AS n;
INSERT INTO bill.talk VALUES (1, 1), (2, 2);
INSERT INTO bill.payment VALUES (1, 1, 10), (2, 2, 20);
GRANT USAGE ON SCHEMA bill TO old_app, new_app;
GRANT ALL ON ALL TABLES IN SCHEMA bill TO old_app;
GRANT ALL ON bill.sum TO new_app;
"""
JOINS = """
mapping: sums
source: {table: bill.person, columns: {id: integer}}
target: {table: bill.sum, columns: {person_id: integer, paid: bigint, days: bigint}}
key: [person_id]
joins:
  payment:
    table: bill.payment
    columns: {person_id: integer, amount: integer}
    touches: {id: person_id}
    values: {paid: sum(amount)}
  talk:
    table: bill.talk
    columns: {id: integer, person_id: integer}
    touches: {id: person_id}
  message:
    table: bill.message
    columns: {talk_id: integer, day: integer}
    touches: {talk.id: talk_id}
    values: {days: count(DISTINCT day)}
columns: {person_id: id, paid: "coalesce(payment.paid, 0)", days: "coalesce(message.days, 0)"}
sync: {mode: queued, ways: forward}
"""

PROFILES = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.profile (id integer PRIMARY KEY, data jsonb) WITH (fillfactor = 10);
CREATE TABLE new.part (id integer, kind text, value jsonb, own text DEFAULT 'new', PRIMARY KEY
    (id, kind));
INSERT INTO old.profile VALUES (1, '{"a": 1, "b": 2}'), (2, '{"a": 1}');
GRANT USAGE ON SCHEMA old, new TO old_app, new_app;
GRANT ALL ON ALL TABLES IN SCHEMA old, new TO old_app, new_app;
"""
PARTS = """
mapping: parts
source: {table: old.profile, columns: {id: integer, data: jsonb}}
target: {table: new.part, columns: {id: integer, kind: text, value: jsonb}, filter: kind <> 'mine'}
rows: {part: "SELECT key, value FROM jsonb_each(data) AS j"}
key: [id, kind]
columns: {id: id, kind: part.key, value: part.value}
sync: {mode: queued, ways: forward}
"""

PEOPLE = """
CREATE SCHEMA shop;
CREATE TABLE shop.person (
    id integer PRIMARY KEY, name text, seen integer DEFAULT 0, full_name text, pad text DEFAULT
        repeat('x', 10)
) WITH (fillfactor = 100);
INSERT INTO shop.person (id, name) SELECT n, 'v' || n FROM generate_series(1, 3) AS n;
GRANT USAGE ON SCHEMA shop TO old_app, new_app;
GRANT ALL ON ALL TABLES IN SCHEMA shop TO old_app, new_app;
"""
RENAMED = """
mapping: renamed
source: {table: shop.person, columns: {id: integer, name: text}}
target: {table: shop.person, columns: {id: integer, full_name: text}}
key: [id]
columns: {id: id, full_name: name}
"""


class Derived(World):
    """A world of one of these mappings."""

    def __init__(self, dsn: str, stack: ExitStack, mapping: str, legacy: str) -> None:
        self.dsn = dsn
        self.filtered = False
        self.patience = 30.0
        self._stack = stack
        self.owner = self.session()
        self.built = build(dsn, mapping, legacy)
        self.name = self.built.mapping.name
        self.target = self.built.mapping.document.target.table

    @property
    def drain_call(self) -> str:
        """One drain of all that is due."""
        return f"CALL pgtandem.drain('{self.name}')"

    def gate(self, event: str, condition: str = "true", table: str | None = None) -> None:
        """The session `held` stops before it writes such a row, while somebody is in `locked`."""
        self.owner.run(GATES)
        self.owner.run(
            f"CREATE OR REPLACE TRIGGER aaa_gate BEFORE {event} ON {table or self.target} FOR EACH ROW "
            f"WHEN (current_setting('application_name') = 'held' AND {condition}) "
            "EXECUTE FUNCTION test_gate.wait()"
        )

    def chunk(self) -> str:
        """Copy the next chunk, as a worker of the backfill does, in the transaction at hand."""
        self.owner.run(f"SELECT pgtandem._backfill_start('{self.name}', NULL)")
        strategy = self.value("SELECT copy_strategy FROM pgtandem.mapping")
        return f"SELECT (pgtandem._copy_next('{self.name}', 64, '{strategy}')).outcome"

    def differences(self) -> list[tuple[Any, ...]]:
        """What the comparison finds."""
        return self.owner.run(
            f"SELECT key, columns, source, target FROM pgtandem_{self.name}.compared() "
            "WHERE changed OR NOT in_source OR NOT in_target"
        )

    def drain(self) -> None:
        """Work off the queue, retrying at once."""
        for _ in range(20):
            self.owner.run(f"SELECT pgtandem.retry('{self.name}')")
            self.owner.run(self.drain_call)
            if not self.queued():
                return
        raise AssertionError(self.owner.run("SELECT * FROM pgtandem.recheck"))

    def backfill(self) -> None:
        """Run the backfill to its end."""
        self.owner.run(f"CALL pgtandem.backfill('{self.name}')")

    def list_chunks(self) -> None:
        """List the chunks, as a backfill does before it copies the first."""
        self.owner.run(f"SELECT pgtandem._backfill_start('{self.name}', NULL)")


def waiting(world: World, session: Session) -> int:
    """How many locks a session waits for."""
    return int(
        world.value(f"SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = {session.pid}")
    )

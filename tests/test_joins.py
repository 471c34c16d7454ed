"""Mappings over several tables, in mode queued."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from command_line import as_json, pgtandem
from mappings import Built, build

LEGACY = """
CREATE SCHEMA bill;
CREATE TABLE bill.person (id integer PRIMARY KEY, name text, seen integer DEFAULT 0);
CREATE TABLE bill.subscription (
    id integer PRIMARY KEY, person_id integer REFERENCES bill.person ON DELETE CASCADE,
    status text, plan text, started date
);
CREATE INDEX ON bill.subscription (person_id);
CREATE TABLE bill.talk (
    id integer PRIMARY KEY, person_id integer REFERENCES bill.person ON DELETE CASCADE
);
CREATE INDEX ON bill.talk (person_id);
CREATE TABLE bill.message (
    id integer PRIMARY KEY, talk_id integer REFERENCES bill.talk ON DELETE CASCADE, day date,
    note text
);
CREATE INDEX ON bill.message (talk_id);
CREATE TABLE bill.entitlement (
    person_id integer PRIMARY KEY, tier text NOT NULL, days bigint, used integer DEFAULT 0
);
INSERT INTO bill.person SELECT n, 'person ' || n FROM generate_series(1, 300) AS n;
INSERT INTO bill.subscription
SELECT n, n % 200 + 1, CASE n % 3 WHEN 0 THEN 'active' ELSE 'expired' END,
       CASE n % 2 WHEN 0 THEN 'yearly' ELSE 'monthly' END, '2025-01-01'::date + n
FROM generate_series(1, 600) AS n;
INSERT INTO bill.talk SELECT n, n % 250 + 1 FROM generate_series(1, 400) AS n;
INSERT INTO bill.message SELECT n, n % 400 + 1, '2025-01-01'::date + n % 7
FROM generate_series(1, 2000) AS n;
"""

MAPPING = """
mapping: entitled
source:
  table: bill.person
  columns: {id: integer}
target:
  table: bill.entitlement
  columns: {person_id: integer, tier: text, days: bigint}
key: [person_id]
joins:
  subscription:
    table: bill.subscription
    columns: {id: integer, person_id: integer, status: text, plan: text, started: date}
    touches: {id: person_id}
    filter: status = 'active'
    first: plan = 'monthly', started DESC
    values: {plan: plan}
  talk:
    table: bill.talk
    columns: {id: integer, person_id: integer}
    touches: {id: person_id}
  message:
    table: bill.message
    columns: {talk_id: integer, day: date}
    touches: {talk.id: talk_id}
    values: {days: count(DISTINCT day)}
columns:
  person_id: id
  tier: CASE subscription.plan WHEN 'yearly' THEN 'L3' WHEN 'monthly' THEN 'L2' ELSE 'L0' END
  days: coalesce(message.days, 0)
sync: {mode: queued, ways: forward}
"""


@pytest.fixture
def entitled(dsn: str) -> Built:
    """The mapping, up to sync."""
    return build(dsn, MAPPING, LEGACY)


def differences(dsn: str, schema: str = "pgtandem_entitled") -> list[tuple[Any, ...]]:
    """What differs now, by the comparison of the mapping."""
    with psycopg.connect(dsn) as connection:
        query = f"SELECT * FROM {schema}.compared() WHERE changed OR NOT in_source OR NOT in_target"
        return connection.execute(query.encode()).fetchall()


def call(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_backfill_and_sync(entitled: Built) -> None:
    assert len(differences(entitled.dsn)) == 300
    call(entitled.dsn, "CALL pgtandem.backfill('entitled')")
    assert differences(entitled.dsn) == []
    entitled.deploy("backfill")
    call(
        entitled.dsn,
        """
        UPDATE bill.subscription SET status = 'active' WHERE id % 5 = 0;
        UPDATE bill.talk SET person_id = person_id % 100 + 1 WHERE id % 3 = 0;
        DELETE FROM bill.message WHERE id % 7 = 0;
        INSERT INTO bill.message SELECT n, n % 400 + 1, '2026-01-01'
        FROM generate_series(5000, 5100) AS n;
        INSERT INTO bill.person VALUES (1000, 'new'), (1001, 'newer');
        DELETE FROM bill.person WHERE id IN (3, 1001);
        UPDATE bill.person SET id = 2000 WHERE id = 1000
        """,
    )
    assert differences(entitled.dsn)
    call(entitled.dsn, "CALL pgtandem.drain('entitled')")
    assert differences(entitled.dsn) == []


def test_what_a_drain_has_still_to_bring_over_is_no_difference(entitled: Built) -> None:
    dsn = entitled.dsn
    call(dsn, "CALL pgtandem.backfill('entitled')")
    entitled.deploy("backfill")
    call(dsn, "UPDATE bill.subscription SET status = 'expired'")
    call(
        dsn,
        "INSERT INTO bill.message SELECT 9000 + n, n, '2026-02-01' FROM generate_series(1, 9) n",
    )
    waiting = len(differences(dsn))
    found = as_json("verify", "entitled", dsn=dsn)
    assert (found["equal"], found["waiting"], found["changed"]) == (True, waiting, 0)
    # What differs and is not queued is a difference all the same.
    call(dsn, "UPDATE bill.entitlement SET days = 99 WHERE person_id = 300")
    said, _ = pgtandem("verify", "entitled", dsn=dsn, code=1)
    assert "entitled: 1 difference." in said
    assert f"{waiting} keys in the queue, for the next drain." in said


def test_a_drain_ends_though_writers_are_quicker(entitled: Built) -> None:
    dsn = entitled.dsn
    call(dsn, "CALL pgtandem.backfill('entitled')")
    entitled.deploy("backfill")
    # Whatever is settled is queued again at once, as by a writer that never sleeps.
    call(
        dsn,
        """
        CREATE FUNCTION bill.again() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO pgtandem.recheck (mapping, key, reason)
            VALUES (OLD.mapping, OLD.key, OLD.reason);
            RETURN NULL;
        END $$;
        CREATE TRIGGER again AFTER DELETE ON pgtandem.recheck
            FOR EACH ROW EXECUTE FUNCTION bill.again();
        INSERT INTO pgtandem.recheck (mapping, key, reason)
        SELECT 'entitled', jsonb_build_array(n), 'queued' FROM generate_series(1, 250) AS n;
        SET statement_timeout = '20s';
        """,
    )
    pgtandem("drain", "entitled", dsn=dsn, code=1)

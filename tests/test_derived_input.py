"""Joins, rows and in place that a deploy refuses, and values that the old application may write."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from typing import Any

import psycopg
import pytest

import test_rows
from mappings import build
from test_in_place import LEGACY as PEOPLE
from test_in_place import RENAME
from test_joins import LEGACY, MAPPING, call, differences


def refused(dsn: str, mapping: str, legacy: str = LEGACY) -> str:
    """What a deploy says that does not go through."""
    with pytest.raises(AssertionError) as caught:
        build(dsn, mapping, legacy)
    return str(caught.value)


def days(value: str) -> str:
    return MAPPING.replace("coalesce(message.days, 0)", value)


@pytest.mark.parametrize(
    ("value", "called"),
    [
        ("coalesce(message.days, 0) + (random() * 10)::int", "random()"),
        ("message.days * extract(year FROM now())::int", "now()"),
        ("message.days + (CURRENT_DATE - '2020-01-01'::date)", "CURRENT_DATE"),
        ("message.days + extract(year FROM age('2020-01-01'::timestamptz))", "age("),
        ("message.days + length(CURRENT_USER)", "CURRENT_USER"),
        ("(SELECT max(n) FROM generate_series(1, 3) AS g (n) WHERE clock_timestamp() IS NOT NULL)",
         "clock_timestamp()"),
    ],
)  # fmt: skip
def test_what_changes_without_a_write(dsn: str, value: str, called: str) -> None:
    said = refused(dsn, days(f'"{value}"'))
    assert "what the mapping says changes without a write" in said
    assert called in said


@pytest.mark.parametrize("place", ['values: {days: "count(*) FILTER (WHERE day < now())"}', ""])
def test_the_time_in_a_join(dsn: str, place: str) -> None:
    mapping = MAPPING.replace("values: {days: count(DISTINCT day)}", place) if place else (
        MAPPING.replace("filter: status = 'active'", "filter: started < now()")
    )  # fmt: skip
    assert "It calls now()" in refused(dsn, mapping)


def test_an_initial_column_may_have_the_time(dsn: str) -> None:
    mapping = MAPPING.replace("days: bigint}", "days: bigint, used: integer}").replace(
        "  days: coalesce", "  used: {initial: extract(year FROM now())::integer}\n  days: coalesce"
    )
    build(dsn, mapping, LEGACY)
    call(dsn, "CALL pgtandem.backfill('entitled')")
    assert differences(dsn) == []


def test_a_function_that_may_read_a_table(dsn: str) -> None:
    """It is said, and goes through: whether it does, nobody can know."""
    function = "CREATE FUNCTION bill.one() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';"
    built = build(
        dsn, days("coalesce(message.days, 0) + bill.one()"), LEGACY + function, ("expand",)
    )
    script = (built.directory / "deploy" / "entitled_sync.sql").read_text()
    said: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        connection.execute(script.encode())
    assert "the mapping calls functions that are not IMMUTABLE: bill.one()" in said


def test_a_table_that_is_no_join(dsn: str) -> None:
    said = refused(dsn, days("(SELECT count(*) FROM bill.entitlement)"))
    assert "the mapping reads tables that its triggers do not watch" in said


def test_joined_tables_have_an_index(dsn: str) -> None:
    legacy = LEGACY.replace("CREATE INDEX ON bill.message (talk_id);", "")
    assert "no index of bill.message begins with (talk_id)" in refused(dsn, MAPPING, legacy)


def test_what_is_touched_has_an_index(dsn: str) -> None:
    """A drain looks up the key behind a row of a joined table."""
    mapping = MAPPING.replace(
        "columns: {id: integer}", "columns: {id: integer, name: text}"
    ).replace("touches: {id: person_id}\n    filter", "touches: {name: plan}\n    filter")
    legacy = LEGACY + "CREATE INDEX ON bill.subscription (plan);"
    assert "no index of bill.person begins with (name)" in refused(dsn, mapping, legacy)


def test_foreign_key_without_cascade(dsn: str) -> None:
    legacy = LEGACY.replace("person_id integer PRIMARY KEY, tier",
                            "person_id integer PRIMARY KEY REFERENCES bill.person, tier")  # fmt: skip
    said = refused(dsn, MAPPING, legacy)
    assert "would keep the old application from deleting rows of bill.person" in said


def test_no_aggregate_and_no_first(dsn: str) -> None:
    said = refused(dsn, MAPPING.replace("count(DISTINCT day)", "day"))
    assert 'column "message.day" must appear in the GROUP BY clause' in said


def test_an_ambiguous_name(dsn: str) -> None:
    mapping = MAPPING.replace(
        "columns: {talk_id: integer, day: date}", "columns: {id: integer, talk_id: integer}"
    )
    said = refused(dsn, mapping.replace("count(DISTINCT day)", "count(DISTINCT id)"))
    assert 'column reference "id" is ambiguous' in said


def test_what_a_row_touches_reads_no_such_column(dsn: str) -> None:
    """It is found at the deploy, not at the old application's first write."""
    mapping = MAPPING.replace("touches: {talk.id: talk_id}", "touches: {talk.id: talkid + 1}")
    assert 'column "talkid" does not exist' in refused(dsn, mapping)


def test_a_key_that_the_source_alone_does_not_hold(dsn: str) -> None:
    """Rows without their name before the column: the trigger could not tell what to queue."""
    mapping = test_rows.MAPPING.replace("kind: part.key", "kind: lower(key)")
    assert 'column "key" does not exist' in refused(dsn, mapping, test_rows.LEGACY)


def test_a_trigger_that_fires_later(dsn: str) -> None:
    legacy = (
        PEOPLE
        + """
        CREATE FUNCTION shop.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER "~~last" BEFORE UPDATE ON shop.person FOR EACH ROW EXECUTE FUNCTION shop.f();
    """
    )
    said = refused(dsn, RENAME, legacy)
    assert "triggers of shop.person may change a row after ~pgtandem_renamed_keep" in said
    build(dsn, RENAME + 'sync: {trigger: "~~~p"}\n', "")


def test_touches_of_nobody(dsn: str) -> None:
    """NULL, a number that no key can be: nothing is queued that could not be settled."""
    build(dsn, MAPPING.replace("person_id: integer, status", "person_id: bigint, status"),
          LEGACY.replace("person_id integer REFERENCES bill.person ON DELETE CASCADE,\n    status", "person_id bigint,\n    status"),
          )  # fmt: skip
    call(dsn, "CALL pgtandem.backfill('entitled')")
    call(
        dsn,
        "INSERT INTO bill.subscription (id, person_id, status) VALUES (9001, NULL, 'active'), "
        "(9002, 5000000000, 'active'), (9003, 5, 'active');"
        "UPDATE bill.subscription SET person_id = NULL WHERE id = 9003;"
        "UPDATE bill.subscription SET person_id = 6 WHERE id = 9001",
    )
    with psycopg.connect(dsn) as connection:
        keys = connection.execute("SELECT key FROM pgtandem.recheck ORDER BY id").fetchall()
    assert [key for (key,) in keys] == [[5000000000], [5], [5], [6]]
    call(dsn, "CALL pgtandem.drain('entitled')")
    assert differences(dsn) == []
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM pgtandem.recheck").fetchone() == (0,)


def test_what_is_touched_cannot_be_computed(dsn: str) -> None:
    """The old application's write goes through; what failed is told."""
    mapping = MAPPING.replace("touches: {talk.id: talk_id}", "touches: {talk.id: talk_id * 2 / 2}")
    legacy = (
        LEGACY
        + "CREATE INDEX ON bill.message ((talk_id * 2 / 2)); DROP INDEX bill.message_expr_idx;"
    )
    build(dsn, mapping, legacy)
    call(dsn, "CALL pgtandem.backfill('entitled')")
    call(dsn, "ALTER TABLE bill.message DROP CONSTRAINT message_talk_id_fkey")
    call(dsn, "INSERT INTO bill.message VALUES (9000, 2000000000, '2025-01-01')")
    with psycopg.connect(dsn) as connection:
        failed = connection.execute("SELECT sqlstate FROM pgtandem.sync_failure").fetchall()
    assert failed == [("22003",)]
    call(dsn, "UPDATE bill.message SET talk_id = 7, day = '1999-01-01' WHERE id = 9000")
    call(dsn, "CALL pgtandem.drain('entitled')")
    assert differences(dsn) == []


KEYED = """
mapping: keyed
source: {table: b.o, columns: {id: integer, name: text}}
target: {table: b.n, columns: {id: integer, name: text}}
key: [name]
columns: {id: id, name: upper(name)}
sync: {ways: forward}
"""


@pytest.mark.parametrize("mode", ["record", "queued"])
def test_a_computed_key_called_as_a_column_of_the_target(dsn: str, mode: str) -> None:
    """A chunk that steps aside for a writer's row still copies the others."""
    legacy = """
        CREATE SCHEMA b; CREATE TABLE b.o (id integer, name text PRIMARY KEY);
        CREATE TABLE b.n (id integer, name text PRIMARY KEY);
        INSERT INTO b.o VALUES (1, 'x'), (2, 'y'), (3, 'z');
    """
    build(dsn, KEYED.replace("ways", f"mode: {mode}, ways"), legacy)
    call(dsn, "UPDATE b.o SET name = 'q' WHERE id = 1")
    call(dsn, "CALL pgtandem.drain('keyed'); ")
    call(dsn, "CALL pgtandem.backfill('keyed')")
    assert differences(dsn, "pgtandem_keyed") == []
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM b.n").fetchone() == (3,)
        assert connection.execute("SELECT strategy FROM pgtandem.chunk").fetchone() == ("skip",)


def test_a_key_is_settled_without_reading_a_whole_table(dsn: str) -> None:
    """Also where a joined table touches by another column than the key."""
    mapping = (
        MAPPING.replace("columns: {id: integer}", "columns: {id: integer, name: text}")
        .replace("touches: {id: person_id}\n    filter", "touches: {name: plan}\n    filter")
        .replace("first: plan = 'monthly', started DESC\n    values: {plan: plan}", "values: {plan: max(plan)}")
    )  # fmt: skip
    legacy = (
        LEGACY
        + "CREATE INDEX ON bill.subscription (plan); CREATE UNIQUE INDEX ON bill.person (name);"
    )
    build(dsn, mapping, legacy)
    call(
        dsn,
        "INSERT INTO bill.subscription SELECT n, 1, 'active', 'p' || n FROM generate_series(1000, 30000) AS n",
    )
    call(
        dsn,
        "ANALYZE bill.subscription; ANALYZE bill.person; ANALYZE bill.message; ANALYZE bill.talk",
    )
    with psycopg.connect(dsn) as connection:
        plan: Any = connection.execute(
            "EXPLAIN SELECT * FROM pgtandem_entitled.image_of_key WHERE person_id = 7"
        ).fetchall()
    assert "Seq Scan on subscription" not in str(plan)


def test_rows_that_the_mapping_does_not_own(dsn: str) -> None:
    """One target for two owners, one row a key: a drain deletes only its own."""
    mapping = MAPPING.replace(
        "target:\n  table: bill.entitlement\n",
        "target:\n  table: bill.entitlement\n  filter: tier LIKE 'L%'\n",
    )
    build(dsn, mapping, LEGACY)
    call(dsn, "CALL pgtandem.backfill('entitled')")
    call(dsn, "UPDATE bill.entitlement SET tier = 'gift' WHERE person_id = 5")
    call(dsn, "DELETE FROM bill.person WHERE id IN (5, 6)")
    call(dsn, "CALL pgtandem.drain('entitled')")
    assert differences(dsn) == []
    with psycopg.connect(dsn) as connection:
        kept = connection.execute(
            "SELECT person_id FROM bill.entitlement WHERE person_id IN (5, 6)"
        ).fetchall()
    assert kept == [(5,)]

"""Undo: what a backfill or a repair wrote goes, exactly; what the application wrote stays."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from mappings import Built, build, nasty, nasty_derived

ODD = """
CREATE SCHEMA app;
CREATE TYPE app.pair AS (a integer, b text);
CREATE TYPE app.mood AS ENUM ('so so', 'good, "very"');
CREATE DOMAIN app.short AS varchar(40) CHECK (VALUE <> 'no');
CREATE TABLE app.old (id bigint PRIMARY KEY, name text, n numeric);
CREATE TABLE app.profile (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gone text,
    name app.short,
    n numeric,
    f8 float8, f4 real, js json, jb jsonb, arr integer[], texts text[], raw bytea,
    ts timestamp, tz timestamptz, day date, dur interval, money money, num numeric,
    pair app.pair, pairs app.pair[], mood app.mood, rng int4range, bits varbit, reg regclass,
    pt point, net inet, tsv tsvector, ch "char", blank char(5), u uuid, ttz timetz,
    serial integer GENERATED ALWAYS AS IDENTITY,
    twice numeric GENERATED ALWAYS AS (n * 2) STORED,
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE app.profile DROP COLUMN gone;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.profile FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE FUNCTION app.again() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE app.profile SET ch = 'z' WHERE id = NEW.id AND ch = 'a'; RETURN NULL; END $$;
CREATE TRIGGER again AFTER UPDATE ON app.profile FOR EACH ROW EXECUTE FUNCTION app.again();
CREATE TABLE app.note (id bigint REFERENCES app.profile ON DELETE CASCADE, what text);
INSERT INTO app.old SELECT n, 'name ' || n, n FROM generate_series(1, 40) AS n;
INSERT INTO app.profile OVERRIDING SYSTEM VALUE
SELECT 7, E'it''s "q" \\\\ (x), y', 1.500, 0.1::float8 + 0.2, 'NaN', '{"a": 1,  "a" :2}', '{"b": [1, null]}',
    '[2:3]={4,5}', ARRAY['', NULL, 'NULL', 'a"b\\c', '{}'], '\\x00ff', 'infinity', '2024-02-29 12:00:00.123456+05:30',
    '-infinity', '-1 year 2 days -03:04:05.6', '12.34', 'NaN', ROW(1, 'a, "b"')::app.pair, ARRAY[ROW(NULL, '')::app.pair],
    'good, "very"', '[1,5)', B'0101', 'app.old', '(1,2.5)', '10.0.0.1/8', '''a'' b:1A', 'a', 'x',
    '00000000-0000-0000-0000-000000000001', '12:00+02';
INSERT INTO app.profile (id, name, updated_at) OVERRIDING SYSTEM VALUE VALUES (8, 'as', '-infinity'), (9, NULL, 'infinity');
"""

MAPPING = """
mapping: odd
source: {table: app.old, columns: {id: bigint, name: text, n: numeric}}
target: {table: app.profile, columns: {id: bigint, name: varchar(40), n: numeric}}
key: [id]
columns: {id: id, name: name, n: n}
sync: {mode: record, ways: forward}
backfill: {undo: true}
"""

TEXT = "SELECT id, (t.*)::text FROM {} AS t ORDER BY 1"


def rows(connection: psycopg.Connection[Any], table: str = "app.profile") -> dict[Any, str]:
    """Each row as text, by its key."""
    return dict(connection.execute(TEXT.format(table)).fetchall())


def preview(connection: psycopg.Connection[Any], name: str, force: bool = False) -> dict[str, int]:
    """How many rows of each kind."""
    found = connection.execute("SELECT * FROM pgtandem.undo_preview(%s, %s)", (name, force))
    return {reason or action: count for action, reason, count in found}


@pytest.fixture
def odd(dsn: str) -> Built:
    return build(dsn, MAPPING, ODD)


def backfill(connection: psycopg.Connection[Any], name: str = "odd") -> None:
    connection.execute("CALL pgtandem.backfill(%s)", (name,))


def undo(connection: psycopg.Connection[Any], name: str = "odd", force: bool = False) -> None:
    connection.execute("CALL pgtandem.undo(%s, %s)", (name, force))


def test_every_type_comes_back_as_it_was(odd, conn):
    before = rows(conn)
    assert len(before) == 3
    backfill(conn)
    written = rows(conn)
    assert len(written) == 40
    assert all(written[key] != before[key] for key in before)
    # Whatever a session says of how values look, they are what they are.
    conn.execute("SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kabul'")
    conn.execute("SET extra_float_digits = -3; SET bytea_output = 'escape'")
    assert preview(conn, "odd") == {"restore": 3, "delete": 37}
    undo(conn)
    conn.execute("RESET ALL")
    assert rows(conn) == before
    with pytest.raises(psycopg.Error, match="nothing is recorded") as caught:
        undo(conn)
    assert caught.value.sqlstate == "TD062"
    assert conn.execute("SELECT copy_state, sweep FROM pgtandem.mapping").fetchone() == ("open", "ask")
    backfill(conn)
    assert {key: row.split(",")[1:3] for key, row in rows(conn).items()} == {
        key: row.split(",")[1:3] for key, row in written.items()
    }

"""Undo: what a backfill or a repair wrote goes, exactly; what the application wrote stays."""

from __future__ import annotations

import signal
import time
from typing import Any

import psycopg
import pytest

import test_rows
from command_line import Running, as_json, pgtandem
from helpers import TIMEOUT, Session
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
SELECT 7, E'it''s "q" \\\\ (x), y', 1.500, 0.1::float8 + 0.2, 'NaN', '{"a": 1,  "a" :2}',
    '{"b": [1, null]}', '[2:3]={4,5}', ARRAY['', NULL, 'NULL', 'a"b\\c', '{}'], '\\x00ff',
    'infinity', '2024-02-29 12:00:00.123456+05:30', '-infinity', '-1 year 2 days -03:04:05.6',
    '12.34', 'NaN', ROW(1, 'a, "b"')::app.pair, ARRAY[ROW(NULL, '')::app.pair],
    'good, "very"', '[1,5)', B'0101', 'app.old', '(1,2.5)', '10.0.0.1/8', '''a'' b:1A', 'a', 'x',
    '00000000-0000-0000-0000-000000000001', '12:00+02';
INSERT INTO app.profile (id, name, updated_at) OVERRIDING SYSTEM VALUE
VALUES (8, 'as', '-infinity'), (9, NULL, 'infinity');
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
    conn.execute(
        "SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kabul'"
    )
    conn.execute("SET array_nulls = off; SET extra_float_digits = -3; SET bytea_output = 'escape'")
    assert preview(conn, "odd") == {"restore": 3, "delete": 37}
    undo(conn)
    conn.execute("RESET ALL")
    assert rows(conn) == before
    with pytest.raises(psycopg.Error, match="nothing is recorded") as caught:
        undo(conn)
    assert caught.value.sqlstate == "TD062"
    assert conn.execute("SELECT copy_state, sweep FROM pgtandem.mapping").fetchone() == (
        "open",
        "ask",
    )
    backfill(conn)
    assert {key: row.split(",")[1:3] for key, row in rows(conn).items()} == {
        key: row.split(",")[1:3] for key, row in written.items()
    }


def reasons(connection: psycopg.Connection[Any], name: str = "odd") -> dict[int, str]:
    """Why each key stays, by its first column."""
    found = connection.execute(
        "SELECT key ->> 0, coalesce(reason, sqlstate) FROM pgtandem.undo_rows(%s)", (name,)
    )
    return {int(key): reason for key, reason in found}


def test_what_the_application_has_changed_stays_unless_forced(odd, conn, dsn):
    before = rows(conn)
    backfill(conn)
    for write in (
        "UPDATE app.old SET n = -1 WHERE id = 3",  # carried over: the sync writes for them
        "UPDATE app.profile SET num = 3 WHERE id = 9",
        "DELETE FROM app.profile WHERE id IN (4, 8)",
        "INSERT INTO app.note VALUES (5, 'of the application')",
        "UPDATE app.profile SET num = 4 WHERE id = 6",
        "UPDATE app.profile SET num = NULL, updated_at = updated_at WHERE id = 6",
        "DELETE FROM app.old WHERE id = 2",
    ):
        conn.execute(write)
    written = rows(conn)
    assert preview(conn, "odd") == {
        "restore": 1, "delete": 32, "none": 2, "changed": 3, "deleted": 1, "referenced": 1,
    }  # fmt: skip
    undo(conn)
    left = {3: "changed", 5: "referenced", 6: "changed", 8: "deleted", 9: "changed"}
    assert reasons(conn) == left
    kept = {key: written[key] for key in (3, 5, 6, 9)}
    assert rows(conn) == kept | {7: before[7]}
    assert conn.execute("SELECT count(*) FROM app.note").fetchone() == (1,)
    # Again: nothing more. Then by force, the note of a row that must go, too.
    document = as_json("undo", "odd", dsn=dsn, code=1)
    assert (document["undone"], document["left"]) == (0, 5)
    assert {row["key"][0]: row["reason"] for row in document["rows_left"]} == left
    out, err = pgtandem("undo", "odd", "--dry-run", dsn=dsn, code=1)
    assert "stay: deleted since" in out
    assert "Nothing was changed" in out
    assert "--force-changed" in err
    assert "5 rows undone, 0 left" in pgtandem("undo", "odd", "-y", "--force-changed", dsn=dsn)[0]
    assert rows(conn) == before
    assert conn.execute("SELECT count(*) FROM app.note").fetchone() == (0,)
    event = conn.execute("SELECT detail FROM pgtandem.event WHERE kind = 'undo' ORDER BY id DESC")
    assert event.fetchone() == ({"undone": 5, "left": 0, "force_changed": True},)


def repair(connection: psycopg.Connection[Any], key: int) -> None:
    connection.execute("SELECT pgtandem.queue('odd', jsonb_build_array(%s), 'difference')", (key,))
    connection.execute("CALL pgtandem.drain('odd', 'difference')")


def test_a_repair_is_undone_and_a_drain_for_the_application_is_not(odd, conn):
    backfill(conn)
    conn.execute("SELECT pgtandem.drop_pre_images('odd')")
    conn.execute("UPDATE app.profile SET name = 'spoilt' WHERE id < 4")
    spoilt = rows(conn)
    repair(conn, 1)
    conn.execute("SELECT pgtandem.queue('odd', '[2]', 'sync')")
    conn.execute(
        "SELECT pgtandem.queue('odd', '[3]', 'sync'), pgtandem.queue('odd', '[3]', 'copy')"
    )
    conn.execute("CALL pgtandem.drain('odd')")
    settled = rows(conn)
    assert len(settled.items() - spoilt.items()) == 3
    undo(conn)
    assert rows(conn) == settled | {1: spoilt[1]}


def test_a_write_of_the_application_between_two_of_ours_is_not_lost(odd, conn):
    before = rows(conn)
    backfill(conn)
    conn.execute("UPDATE app.profile SET name = 'theirs' WHERE id IN (1, 7)")
    conn.execute("UPDATE app.profile SET num = 5 WHERE id = 2")
    theirs = rows(conn)
    for key in (1, 2, 7):
        repair(conn, key)
    conn.execute("UPDATE app.profile SET name = 'spoilt' WHERE id = 3")
    conn.execute("UPDATE app.profile SET name = 'name 3', updated_at = updated_at WHERE id = 3")
    assert theirs[1] != rows(conn)[1]
    undo(conn)
    assert reasons(conn) == {1: "changed", 2: "changed", 3: "changed", 7: "changed"}
    undo(conn, force=True)
    assert rows(conn) == before


def test_nothing_of_ours_writes_it_again(odd, conn):
    before = rows(conn)
    backfill(conn)
    conn.execute(
        "SELECT pgtandem.queue('odd', '[1]', 'copy'), pgtandem.queue('odd', '[2]', 'gone')"
    )
    conn.execute("SELECT pgtandem.queue('odd', '[7]', 'difference')")
    conn.execute("SELECT pgtandem.queue('odd', '[8]', 'sync')")
    undo(conn)
    assert reasons(conn) == {8: "queued"}
    conn.execute("CALL pgtandem.drain('odd')")
    assert {key: row for key, row in rows(conn).items() if key != 8} == {
        key: row for key, row in before.items() if key != 8
    }


@pytest.mark.parametrize("kind", ["ordinary", "partitioned", "rows", "joins", "in_place"])
def test_odd_names_and_partitions(dsn, conn, kind):
    mapping, legacy = nasty(kind) if kind in {"ordinary", "partitioned"} else nasty_derived(kind)
    built = build(dsn, mapping + "\nbackfill: {undo: true}\n", legacy)
    name, table = built.mapping.name, built.mapping.document.target.table
    query = f"SELECT (t.*)::text, t.tableoid FROM {table} AS t ORDER BY 1"
    before = conn.execute(query.encode()).fetchall()
    backfill(conn, name)
    written = conn.execute(query.encode()).fetchall()
    assert written != before
    undo(conn, name)
    assert conn.execute(query.encode()).fetchall() == before
    backfill(conn, name)
    assert len(conn.execute(query.encode()).fetchall()) == len(written)
    conn.execute("CALL pgtandem.compare(%s)", (name,))
    assert conn.execute("SELECT differences FROM pgtandem.comparison_status").fetchone() == (0,)
    built.revert("sync", "expand")


def test_columns_added_since_stay_and_columns_that_have_gone_are_an_error(odd, conn):
    before = rows(conn)
    backfill(conn)
    conn.execute(
        "ALTER TABLE app.profile ADD COLUMN added text DEFAULT 'new', ADD COLUMN more text"
    )
    repair(conn, 7)
    conn.execute("ALTER TABLE app.profile DISABLE TRIGGER touch")
    conn.execute("UPDATE app.profile SET more = 'x' WHERE id = 8")
    conn.execute("UPDATE app.profile SET name = 'spoilt' WHERE id = 10")
    conn.execute("ALTER TABLE app.profile ENABLE TRIGGER touch")
    undo(conn)
    # A write of a column that is new is a write of the row.
    assert reasons(conn) == {8: "changed", 10: "changed"}
    undo(conn, force=True)
    found = rows(conn)
    assert {key: found[key] for key in before} == {
        7: before[7][:-1] + ",new,)", 8: before[8][:-1] + ",new,x)", 9: before[9][:-1] + ",new,)",
    }  # fmt: skip
    backfill(conn)
    found = rows(conn)
    conn.execute("ALTER TABLE app.profile DROP COLUMN dur, ALTER COLUMN num TYPE text")
    with pytest.raises(psycopg.Error, match="are gone or have another type") as caught:
        undo(conn, force=True)
    assert caught.value.sqlstate == "TD063"
    assert "dur interval, num numeric" in str(caught.value)
    assert "--drop" in str(caught.value)
    assert rows(conn).keys() == found.keys()


def test_a_column_of_which_the_name_is_another_type_is_not_mistaken(dsn, conn):
    """Containment in JSON does not mind the order: [text, text] is within [name, text]."""
    legacy = ODD.replace("gone text,", 'gone text, "text" text,').replace("raw bytea", "raw text")
    build(dsn, MAPPING, legacy.replace("SELECT 7, E", "SELECT 7, '', E"))
    backfill(conn)
    conn.execute('ALTER TABLE app.profile DROP COLUMN "text"')
    with pytest.raises(psycopg.Error, match="are gone") as caught:
        undo(conn)
    assert "text text" in str(caught.value)


def test_it_is_bounded_and_dropped_on_request(dsn, conn):
    build(dsn, MAPPING.replace("undo: true", "undo: true, undo_limit: 1kB"), ODD)
    with pytest.raises(psycopg.Error, match="take more than 1kB") as caught:
        backfill(conn)
    assert caught.value.sqlstate == "TD064"
    raise_limit = (caught.value.diag.message_hint or "").partition("or UPDATE ")[2]
    assert conn.execute("SELECT count(*) FROM app.profile").fetchone() == (3,)
    conn.execute(("UPDATE " + raise_limit).encode())
    before = rows(conn)
    backfill(conn)
    assert as_json("status", "odd", dsn=dsn)["pre_image_bytes"] > 0
    out, _ = pgtandem("undo", "odd", "--drop", dsn=dsn)
    assert "bytes are free" in out
    assert as_json("undo", "odd", "--drop", dsn=dsn) == {"mapping": "odd", "dropped_bytes": 0}
    assert "TD062" in pgtandem("undo", "odd", dsn=dsn, code=2)[1]
    assert rows(conn).keys() > before.keys()
    conn.execute(
        "UPDATE pgtandem.mapping SET settings = jsonb_set(settings, "
        "'{backfill,undo_limit}', '\"1kB\"')"
    )
    with pytest.raises(psycopg.Error, match="take more than"):
        repair(conn, 7)


def test_it_asks_and_says_when_there_is_nothing(odd, conn, dsn):
    before = rows(conn)
    assert "TD062" in pgtandem("undo", "odd", dsn=dsn, code=2)[1]
    backfill(conn)
    assert "Nobody is there to be asked" in pgtandem("undo", "odd", dsn=dsn, code=2)[1]
    assert (
        "goes with no other" in pgtandem("undo", "odd", "--drop", "--dry-run", dsn=dsn, code=2)[1]
    )
    assert rows(conn) != before
    document = as_json("undo", "odd", "--dry-run", dsn=dsn)
    assert document["preview"] == [
        {"action": "delete", "reason": None, "rows": 37},
        {"action": "restore", "reason": None, "rows": 3},
    ]
    assert (document["undone"], document["left"], document["rows_left"]) == (0, 0, [])
    out, err = pgtandem("undo", "odd", "--yes", dsn=dsn)
    assert "40 rows undone, 0 left" in out
    assert "pgtandem backfill odd" in err
    assert rows(conn) == before
    backfill(conn)
    odd.deploy("backfill")
    assert as_json("undo", "odd", "-y", dsn=dsn)["undone"] == 40
    assert rows(conn) == before
    conn.execute("INSERT INTO app.old VALUES (99, 'x', 1)")  # and is synced meanwhile
    backfill(conn)
    odd.revert("backfill")
    warned: list[str] = []
    conn.add_notice_handler(lambda said: warned.append(said.message_primary or ""))
    conn.execute(
        (odd.directory / "revert" / "odd_sync.sql")
        .read_text()
        .encode()
        .partition(b"BEGIN")[2]
        .join([b"BEGIN", b""])
    )
    assert any("can no longer be undone" in text for text in warned)
    assert "TD061" in pgtandem("undo", "odd", dsn=dsn, code=2)[1]


def test_a_mapping_without_it_says_so(dsn, conn):
    build(dsn, MAPPING.replace("undo: true", "undo: false"), ODD)
    backfill(conn)
    with pytest.raises(psycopg.Error, match="nothing is recorded") as caught:
        undo(conn)
    assert "backfill.undo: true" in str(caught.value)
    assert conn.execute("SELECT pgtandem.drop_pre_images('odd')").fetchone() == (0,)


def to_go(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pgtandem._undo_to_go('odd')").fetchone()
    assert row
    return int(row[0])


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


CALL = "CALL pgtandem.undo('odd')"


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_writer_that_holds_a_row_is_waited_for_and_goes_first(odd, conn, dsn, ending):
    before = rows(conn)
    backfill(conn)
    with Session(dsn) as writer, Session(dsn) as one:
        writer.run("BEGIN")
        writer.run("SELECT FROM app.profile WHERE id = 7 FOR UPDATE")
        one.send(CALL)
        wait_for(lambda: to_go(conn) == 2)  # the row, which two writes of ours have changed
        writer.run("UPDATE app.profile SET name = 'theirs' WHERE id = 7")
        assert not one.is_done()
        writer.run(ending)
        one.result()
    assert reasons(conn) == ({7: "changed"} if ending == "COMMIT" else {}) if to_go(conn) else True
    found = rows(conn)
    assert found.keys() == before.keys()
    assert (found == before) == (ending == "ROLLBACK")


def test_one_that_is_killed_is_repeated_and_two_at_once_are_not(odd, conn, dsn):
    before = rows(conn)
    backfill(conn)
    with Session(dsn) as writer, Session(dsn) as one, Session(dsn) as two:
        writer.run("BEGIN")
        writer.run("SELECT FROM app.profile WHERE id = 7 FOR UPDATE")
        one.send(CALL)
        wait_for(lambda: to_go(conn) == 2)
        with pytest.raises(psycopg.Error, match="is at work") as caught:
            two.run(CALL)
        assert caught.value.sqlstate == "TD060"
        conn.execute("SELECT pg_terminate_backend(%s)", (one.pid,))
        with pytest.raises(psycopg.OperationalError):
            one.result()
        gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)"
        wait_for(lambda: conn.execute(gone, (one.pid,)).fetchone() == (True,))
        writer.run("ROLLBACK")
        two.run(CALL)
    assert rows(conn) == before


def test_a_backfill_that_is_begun_meanwhile_stops_it(odd, conn, dsn):
    before = rows(conn)
    backfill(conn)
    with Session(dsn) as writer, Session(dsn) as one, Session(dsn) as two:
        writer.run("BEGIN")
        writer.run("SELECT FROM app.profile WHERE id = 7 FOR UPDATE")
        one.send(CALL)
        wait_for(lambda: to_go(conn) == 2)
        two.send("CALL pgtandem.backfill('odd')")
        with pytest.raises(psycopg.Error, match="is at work") as caught:
            one.result()
        assert caught.value.sqlstate == "TD060"
        assert "What is undone stays so" in str(caught.value)
        writer.run("ROLLBACK")
        two.result()
    assert len(rows(conn)) == 40
    undo(conn)
    assert rows(conn) == before


def test_a_backfill_at_work_keeps_it_away(odd, conn, dsn):
    before = rows(conn)
    with Session(dsn) as worker:
        conn.execute("SELECT pgtandem.pause('odd')")
        worker.send("CALL pgtandem.backfill('odd')")
        wait_for(
            lambda: conn.execute("SELECT count(*) FROM pgtandem.worker_status").fetchone() == (1,)
        )
        # Also by one who may not know when others' sessions began.
        conn.execute("GRANT USAGE ON SCHEMA pgtandem TO new_app")
        conn.execute("GRANT SELECT ON pgtandem.worker_status TO new_app")
        with psycopg.connect(dsn, user="new_app") as other:
            found = other.execute("SELECT pid FROM pgtandem.worker_status").fetchall()
        assert found == [(worker.pid,)]
        with conn.transaction():
            conn.execute("SELECT pgtandem._record('odd', 'ours')")
            conn.execute("UPDATE app.profile SET name = 'ours' WHERE id = 7")
        with pytest.raises(psycopg.Error, match="is at work"):
            undo(conn)
        conn.execute("SELECT pgtandem.resume('odd')")
        worker.result()
    undo(conn)
    assert rows(conn) == before


def test_rows_that_refer_to_each_other_go_in_passes(dsn, conn):
    """The child, with the lower key, is written first, so its parent is the first to be undone."""
    legacy = ODD.replace(
        "INSERT INTO app.old SELECT",
        """
        ALTER TABLE app.old ADD COLUMN parent bigint;
        ALTER TABLE app.profile ADD COLUMN parent bigint REFERENCES app.profile;
        INSERT INTO app.old SELECT""",
    ).replace(", n FROM generate", ", n, 40 - n + 1 FROM generate")
    legacy = legacy.replace("40 - n + 1", "CASE WHEN n = 30 THEN 10 WHEN n <= 20 THEN n + 20 END")
    mapping = MAPPING.replace("n: numeric}", "n: numeric, parent: bigint}")
    build(dsn, mapping.replace("n: n}", "n: n, parent: parent}"), legacy)
    before = rows(conn)
    backfill(conn)
    undo(conn)
    # Of a pair each refers to the other, so neither can go by itself: both are named.
    assert reasons(conn) == {10: "23503", 30: "23503"}
    assert rows(conn).keys() == {*before, 10, 30}
    out, _ = pgtandem("undo", "odd", "-y", dsn=dsn, code=1)
    assert "23503 update or delete on table" in out
    conn.execute("UPDATE app.profile SET parent = NULL WHERE parent IS NOT NULL")
    undo(conn, force=True)
    assert rows(conn) == before


def test_a_trigger_that_has_the_last_word_is_an_error_of_its_row(odd, conn, dsn):
    backfill(conn)
    conn.execute("""
        CREATE FUNCTION app.shout() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER "~~" BEFORE UPDATE ON app.profile FOR EACH ROW EXECUTE FUNCTION app.shout()
    """)
    written = rows(conn)
    out, _ = pgtandem("undo", "odd", "-y", dsn=dsn, code=1)
    assert "TD010 the target app.profile does not let the row" in out
    assert reasons(conn) == {7: "TD010", 8: "TD010", 9: None} or 9 not in reasons(conn)
    assert {key: rows(conn)[key] for key in (7, 8)} == {key: written[key] for key in (7, 8)}
    conn.execute('DROP TRIGGER "~~" ON app.profile')
    assert as_json("undo", "odd", "-y", dsn=dsn)["left"] == 0


IN_PLACE = """
mapping: odd
source:
  table: app.word
  columns: {id: integer, seen: integer, due: date}
  filter: FILTER
target: {table: app.word, columns: {id: integer, due: date}}
key: [id]
columns:
  id: id
  due: date '2024-01-01' + seen
sync: {SYNC}
"""

WORDS = """
CREATE SCHEMA app;
CREATE TABLE app.word (id integer PRIMARY KEY, seen integer, due date, doc jsonb, note text);
INSERT INTO app.word SELECT n, n % 3, CASE WHEN n % 2 = 0 THEN '-infinity'::date END,
    CASE WHEN n < 9 THEN '{"a": {"b": 1.00}, "c": [null]}'::jsonb END
FROM generate_series(1, 20) AS n;
"""


@pytest.mark.parametrize(
    "sync",
    [
        "mode: record, ways: forward", "mode: queued, ways: forward", "ways: none",
    ],
)  # fmt: skip
def test_in_place_it_is_the_default(dsn, conn, sync):
    """A repair of a column, of only the rows that need it."""
    mapping = IN_PLACE.replace("SYNC", sync).replace("FILTER", "seen > 0")
    build(dsn, mapping, WORDS)
    before = rows(conn, "app.word")
    backfill(conn)
    written = rows(conn, "app.word")
    changed = {key for key in before if before[key] != written[key]}
    assert len(changed) == 14
    conn.execute("UPDATE app.word SET note = 'theirs' WHERE id = 1")
    conn.execute("UPDATE app.word SET seen = 5 WHERE id = 2")
    if "queued" in sync:
        assert preview(conn, "odd") == {"restore": 12, "changed": 2}
        conn.execute("CALL pgtandem.drain('odd')")
    theirs = rows(conn, "app.word")
    undo(conn)
    assert reasons(conn) == {1: "changed", 2: "changed"}
    assert rows(conn, "app.word") == before | {key: theirs[key] for key in (1, 2)}
    undo(conn, force=True)
    assert rows(conn, "app.word") == before


def test_a_virtual_column_and_a_document_of_others(dsn, conn):
    version = conn.info.server_version
    kind = "VIRTUAL" if version >= 180000 else "STORED"
    legacy = f"""
        CREATE SCHEMA app;
        CREATE TABLE app.old (id integer PRIMARY KEY, name text, n numeric);
        CREATE TABLE app.profile (id integer PRIMARY KEY, doc jsonb NOT NULL DEFAULT '{{}}',
            size integer GENERATED ALWAYS AS (length(doc::text)) {kind}, updated_at timestamptz);
        INSERT INTO app.old SELECT n, 'name ' || n, n FROM generate_series(1, 6) AS n;
        INSERT INTO app.profile VALUES (2, '{{"own": 1.10, "a": {{"x": null}}}}'), (3, '{{}}')
    """
    mapping = MAPPING.replace("name: varchar(40), n: numeric", "doc: jsonb")
    mapping = mapping.replace("name: name, n: n", "doc.a.name: name, doc.n: n")
    build(dsn, mapping, legacy)
    before = rows(conn)
    backfill(conn)
    conn.execute("UPDATE app.profile SET doc = doc || '{\"theirs\": 1}' WHERE id = 3")
    conn.execute("ALTER TABLE app.profile ADD COLUMN added integer DEFAULT 1")
    assert preview(conn, "odd") == {"restore": 1, "delete": 4, "changed": 1}
    undo(conn)
    assert reasons(conn) == {3: "changed"}
    undo(conn, force=True)
    assert rows(conn) == {key: row[:-1] + ",1)" for key, row in before.items()}


def test_ctrl_c_ends_it_in_the_database_too(odd, conn, dsn):
    before = rows(conn)
    backfill(conn)
    with Session(dsn) as writer:
        writer.run("BEGIN")
        writer.run("SELECT FROM app.profile WHERE id = 7 FOR UPDATE")
        with Running("undo", "odd", "--yes", dsn=dsn) as running:
            wait_for(lambda: to_go(conn) == 2)
            code, _, err = running.end(signal.SIGINT)
        assert (code, err.splitlines()[-1]) == (130, "Interrupted.")
        busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL pgtandem.undo%'"
        wait_for(lambda: conn.execute(busy).fetchone() == (0,))
        writer.run("ROLLBACK")
    assert as_json("undo", "odd", "--yes", dsn=dsn)["undone"] == 1
    assert rows(conn) == before


REFERRED = """
CREATE TABLE app.label (id bigint, name varchar(40));
INSERT INTO app.label VALUES (1, 'it''s "q" \\ (x), y'), (2, NULL), (3, 'name 8');
"""


@pytest.mark.parametrize(
    ("action", "more"),
    [("CASCADE", ""), ("SET NULL", ""), ("SET DEFAULT", ""), ("CASCADE", "DEFERRABLE")],
)
def test_a_column_that_others_refer_to(dsn, conn, action, more):
    """The backfill has changed it, and them with it; to change them back is not ours."""
    legacy = ODD.replace("name app.short,", "name app.short UNIQUE,", 1) + REFERRED
    mapping = MAPPING.replace("name: name,", "name: \"CASE id WHEN 9 THEN 'x' ELSE name END\",")
    build(dsn, mapping, legacy)
    before = rows(conn)
    backfill(conn)
    conn.execute("UPDATE app.label SET name = 'name ' || (6 + id)")
    conn.execute("UPDATE app.label SET name = 'x' WHERE id = 3")
    conn.execute(
        "ALTER TABLE app.label ADD FOREIGN KEY (name) REFERENCES app.profile (name)"
        f" ON UPDATE {action} {more}".encode()
    )
    labels = rows(conn, "app.label")
    undo(conn)
    assert reasons(conn) == {7: "referenced", 8: "referenced", 9: "referenced"}
    assert rows(conn, "app.label") == labels
    conn.execute("ALTER TABLE app.label DROP CONSTRAINT label_name_fkey")
    undo(conn)
    assert rows(conn) == before


def test_one_whose_referenced_column_stays_is_restored(dsn, conn):
    legacy = ODD.replace("name app.short,", "name app.short UNIQUE,", 1)
    build(dsn, MAPPING.replace("name: name, n: n", "n: n"), legacy)
    before = rows(conn)
    conn.execute("CREATE TABLE app.label (name varchar(40) REFERENCES app.profile (name)"
                 " ON UPDATE CASCADE)")  # fmt: skip
    conn.execute("INSERT INTO app.label VALUES ('as')")
    backfill(conn)
    assert rows(conn)[8] != before[8]
    undo(conn)
    assert rows(conn) == before


LATE = """
CREATE TABLE app.allowed (name varchar(40) PRIMARY KEY);
INSERT INTO app.allowed SELECT 'name ' || n FROM generate_series(1, 40) AS n;
INSERT INTO app.allowed VALUES ('as'), ('it''s "q" \\ (x), y');
ALTER TABLE app.profile ADD CONSTRAINT allowed FOREIGN KEY (name) REFERENCES app.allowed
    DEFERRABLE INITIALLY DEFERRED;
"""


@pytest.mark.both
def test_what_is_deferred_to_the_commit_stops_nobody(dsn, conn):
    """A bad row is set aside, by a backfill, a drain and an undo; all others are done."""
    build(dsn, MAPPING, ODD + "UPDATE app.old SET name = 'bad' WHERE id IN (5, 8);")
    conn.execute(LATE.encode())
    before = rows(conn)
    with pytest.raises(psycopg.Error, match="2 rows of mapping") as caught:
        backfill(conn)
    assert caught.value.sqlstate == "TD008"
    assert "(23503)" in str(caught.value)
    assert rows(conn).keys() == {*range(1, 41)} - {5}
    conn.execute("SELECT pgtandem.queue('odd', '[4]', 'difference')")
    conn.execute("UPDATE app.profile SET name = NULL WHERE id = 4")
    conn.execute("CALL pgtandem.drain('odd')")
    assert rows(conn)[4].startswith('(4,"name 4",4')
    undo(conn)
    assert reasons(conn) == {4: "changed"}
    assert conn.execute(
        "SELECT count(*), count(repaired_at) FROM pgtandem.sync_failure"
    ).fetchone() == (2, 2)
    conn.execute("INSERT INTO app.allowed VALUES ('bad')")
    backfill(conn)
    conn.execute("DELETE FROM app.allowed WHERE name = 'as'")
    undo(conn)
    assert reasons(conn) == {4: "changed", 8: "23503"}
    assert {7: rows(conn)[7], 9: rows(conn)[9]} == {7: before[7], 9: before[9]}
    conn.execute("INSERT INTO app.allowed VALUES ('as')")
    undo(conn)
    assert reasons(conn) == {4: "changed"}


def test_a_trigger_that_is_deferred_to_the_commit_has_no_last_word(odd, conn):
    before = rows(conn)
    backfill(conn)
    conn.execute("""
        CREATE FUNCTION app.late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE app.profile SET net = '1.2.3.4' WHERE id = NEW.id; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON app.profile
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.net IS NULL OR NEW.net <> '1.2.3.4')
        EXECUTE FUNCTION app.late()
    """)
    undo(conn)
    assert rows(conn) == before


SIBLING = """
CREATE FUNCTION app.sibling() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE app.profile SET day = '2020-01-01' WHERE id = NEW.id + 1 AND id <= 9;
    RETURN NULL;
END $$;
CREATE TRIGGER sibling AFTER UPDATE OF name ON app.profile FOR EACH ROW
    EXECUTE FUNCTION app.sibling();
"""


@pytest.mark.parametrize("force", [False, True])
def test_a_trigger_that_writes_rows_of_the_same_chunk(dsn, conn, force):
    """Its write is stored before that of the statement which fired it."""
    build(dsn, MAPPING, ODD.replace("CREATE TABLE app.note", SIBLING + "CREATE TABLE app.note"))
    before = rows(conn)
    backfill(conn)
    assert conn.execute(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM pgtandem_odd.pre_image GROUP BY key) AS c"
    ).fetchone() == (2,)
    assert preview(conn, "odd") == {"restore": 3, "delete": 37}
    undo(conn, force=force)
    assert rows(conn) == before


def test_the_very_same_values_written_again_are_a_write(odd, conn):
    before = rows(conn)
    backfill(conn)
    conn.execute("UPDATE app.profile SET num = num, updated_at = updated_at WHERE id = 1")
    conn.execute("ALTER TABLE app.profile DISABLE TRIGGER touch")
    conn.execute("UPDATE app.profile SET num = num WHERE id IN (2, 8)")
    conn.execute("ALTER TABLE app.profile ENABLE TRIGGER touch")
    conn.execute("SELECT FROM app.profile FOR UPDATE")  # to hold it is no write
    conn.execute("VACUUM (FREEZE) app.profile")
    conn.execute("VACUUM FULL app.profile")
    undo(conn)
    assert reasons(conn) == {1: "changed", 2: "changed", 8: "changed"}
    undo(conn, force=True)
    assert rows(conn) == before


def test_the_very_same_values_between_two_of_ours(odd, conn):
    before = rows(conn)
    backfill(conn)
    conn.execute("ALTER TABLE app.profile DISABLE TRIGGER touch")
    conn.execute("UPDATE app.profile SET num = num WHERE id = 1")
    conn.execute("ALTER TABLE app.profile ENABLE TRIGGER touch")
    conn.execute("ALTER TABLE app.old DISABLE TRIGGER USER")
    conn.execute("UPDATE app.old SET name = 'other' WHERE id IN (1, 2)")
    for key in (1, 2):
        repair(conn, key)
    assert preview(conn, "odd")["changed"] == 1
    undo(conn)
    assert reasons(conn) == {1: "changed"}
    undo(conn, force=True)
    assert rows(conn) == before


def test_writes_of_ours_that_come_to_nothing(odd, conn):
    """There is nothing to undo, and what the application makes of the row is its own."""
    conn.execute("ALTER TABLE app.profile DISABLE TRIGGER touch")
    with conn.transaction():
        conn.execute("SELECT pgtandem._record('odd', 'ours')")
        conn.execute("UPDATE app.profile SET num = 1 WHERE id = 8")
        conn.execute("UPDATE app.profile SET num = NULL WHERE id = 8")
    conn.execute("UPDATE app.profile SET num = 5 WHERE id = 8")
    theirs = rows(conn)
    assert preview(conn, "odd", force=True) == {"none": 1}
    undo(conn, force=True)
    assert (rows(conn), to_go(conn)) == (theirs, 0)


QUEUED = MAPPING.replace("mode: record", "mode: queued")


def test_what_the_application_wrote_before_the_chunk_came_is_its_own(dsn, conn):
    """In mode queued a chunk may bring it, and the drain then finds nothing to do."""
    build(dsn, QUEUED, ODD)
    before = rows(conn)
    conn.execute("SELECT pgtandem._list_new_leaves('odd')")
    conn.execute("UPDATE app.old SET n = 70 WHERE id = 7")
    conn.execute("INSERT INTO app.old VALUES (99, 'theirs', 99)")
    while conn.execute(
        "SELECT (pgtandem._copy_next('odd', 100, 'overwrite')).outcome <> 'none'"
    ).fetchone() == (True,):
        pass
    written = rows(conn)
    assert written[7] != before[7]
    assert preview(conn, "odd")["queued"] == 2
    backfill(conn)
    assert rows(conn) == written
    undo(conn)
    assert reasons(conn) == {7: "changed", 99: "changed"}
    assert rows(conn) == before | {key: written[key] for key in (7, 99)}
    undo(conn, force=True)
    assert rows(conn) == before


def test_so_it_is_where_one_row_becomes_several(dsn, conn):
    """What is queued is the row of the source; what is stored is each row of the target."""
    build(dsn, test_rows.MAPPING + "backfill: {undo: true}", test_rows.LEGACY)
    conn.execute("SELECT pgtandem._list_new_leaves('dimensions')")
    conn.execute('INSERT INTO old.profile VALUES (999, \'{"bazi": 1, "zodiac": 2}\')')
    while conn.execute(
        "SELECT (pgtandem._copy_next('dimensions', 100, 'skip')).outcome <> 'none'"
    ).fetchone() == (True,):
        pass
    backfill(conn, "dimensions")
    assert preview(conn, "dimensions") == {"delete": 300, "changed": 2}
    undo(conn, "dimensions")
    assert conn.execute("SELECT DISTINCT user_id FROM new.dimension").fetchall() == [(999,)]
    undo(conn, "dimensions", force=True)
    assert conn.execute("SELECT count(*) FROM new.dimension").fetchone() == (0,)


def test_a_repair_of_a_key_that_is_also_queued_as_gone_is_recorded(dsn, conn):
    """In mode queued each key that is drained while the copy is open is queued so."""
    build(dsn, QUEUED, ODD)
    backfill(conn)
    conn.execute("SELECT pgtandem.drop_pre_images('odd')")
    conn.execute("UPDATE app.profile SET name = 'spoilt' WHERE id IN (3, 4)")
    spoilt = rows(conn)
    for key, reason in ((3, "difference"), (3, "gone"), (4, "gone"), (4, "copy")):
        conn.execute(
            "SELECT pgtandem.queue('odd', jsonb_build_array(%s::integer), %s)", (key, reason)
        )
    conn.execute("CALL pgtandem.drain('odd')")
    assert rows(conn)[3] != spoilt[3]
    undo(conn)
    assert to_go(conn) == 0
    assert rows(conn) == spoilt


@pytest.mark.both
def test_who_may_have_it_write_for_him(odd, conn, dsn):
    """Whoever may update one column could else have all the others written."""
    conn.execute("GRANT USAGE ON SCHEMA app TO new_app")
    conn.execute("GRANT SELECT, UPDATE (net, ch) ON app.profile TO new_app")
    backfill(conn)
    written = rows(conn)
    images = "SELECT count(*), min(id) FROM pgtandem_odd.pre_image"
    kept = conn.execute(images).fetchone()
    with psycopg.connect(dsn, user="new_app", autocommit=True) as app:
        for setting in ("undo", "record"):
            value = kept[1] if setting == "undo" else "ours"
            app.execute(f"SET pgtandem_odd.{setting} = '{value}'".encode())
            with pytest.raises(psycopg.Error, match='role "new_app" may not write') as caught:
                app.execute("UPDATE app.profile SET net = '1.1.1.1' WHERE id = 7")
            assert caught.value.sqlstate == "TD066"
            assert "GRANT pgtandem_owner TO new_app" in str(caught.value)
            app.execute("RESET ALL")
        assert rows(conn) == written
        assert conn.execute(images).fetchone() == kept
        app.execute("UPDATE app.profile SET net = '1.1.1.1' WHERE id = 7")
    undo(conn)
    assert reasons(conn) == {7: "changed"}

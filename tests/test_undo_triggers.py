"""Undo, and drains, beside the triggers and constraints that a target has of its own."""

from __future__ import annotations

import psycopg
import pytest

from command_line import as_json, pgtandem
from helpers import Session
from mappings import build
from test_undo import CALL, backfill, preview, reasons, rows, to_go, undo, wait_for

MAPPING = """
mapping: odd
source: {table: app.old, columns: {id: integer, name: text}}
target: {table: app.profile, columns: {id: integer, name: text}}
key: [id]
columns: {id: id, name: name}
sync: {mode: record, ways: forward}
backfill: {undo: true}
"""
QUEUED = MAPPING.replace("mode: record", "mode: queued")

TABLES = """
CREATE SCHEMA app;
CREATE TABLE app.old (id integer PRIMARY KEY, name text);
CREATE TABLE app.profile (id integer PRIMARY KEY, name text, note text, n integer DEFAULT 0);
INSERT INTO app.old VALUES (1, 'new 1'), (2, 'new 2'), (4, 'new 4');
INSERT INTO app.profile VALUES (1, 'was 1', 'a'), (2, 'was 2', 'b');
"""


def test_they_see_the_values(dsn, conn):
    """A trigger of a column fires, and one with a condition; what they keep elsewhere follows."""
    build(dsn, MAPPING, TABLES + """
        CREATE TABLE app.search AS SELECT id, upper(name) AS name FROM app.profile;
        CREATE FUNCTION app.follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE app.search SET name = upper(NEW.name) WHERE id = NEW.id; RETURN NULL; END $$;
        CREATE TRIGGER follow AFTER UPDATE OF name ON app.profile
            FOR EACH ROW EXECUTE FUNCTION app.follow();
        CREATE TABLE app.log (what text);
        CREATE FUNCTION app.logs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO app.log VALUES (OLD.name || ' > ' || NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER logs BEFORE UPDATE ON app.profile FOR EACH ROW
            WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION app.logs();
        CREATE TRIGGER z_min_update BEFORE UPDATE ON app.profile
            FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
        """)  # fmt: skip
    before, search = rows(conn), rows(conn, "app.search")
    backfill(conn)
    assert rows(conn, "app.search") != search
    undo(conn)
    assert (rows(conn), rows(conn, "app.search")) == (before, search)
    assert conn.execute("SELECT count(*) FROM app.log WHERE what LIKE 'new%was%'").fetchone() == (
        2,
    )


def test_a_row_that_comes_back_has_its_values_from_the_start(dsn, conn):
    build(dsn, MAPPING, TABLES + """
        CREATE DOMAIN app.known AS text NOT NULL;
        ALTER TABLE app.profile ALTER COLUMN name TYPE app.known;
        CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.name = '' THEN RAISE 'no name'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON app.profile
            FOR EACH ROW EXECUTE FUNCTION app.refuse();
        """)  # fmt: skip
    backfill(conn)
    conn.execute("SELECT pgtandem.drop_pre_images('odd')")
    conn.execute("INSERT INTO app.profile VALUES (9, 'more', 'kept', 7)")
    before = rows(conn)
    conn.execute("SELECT pgtandem.queue('odd', '[9]', 'difference')")
    conn.execute("CALL pgtandem.drain('odd')")
    assert 9 not in rows(conn)
    undo(conn)
    assert rows(conn) == before


def test_what_they_write_of_rows_that_stay_is_put_back(dsn, conn):
    """Of one that the application has changed, and of one that we never wrote."""
    build(dsn, MAPPING, TABLES)
    backfill(conn)
    conn.execute("""
        CREATE FUNCTION app.all_others() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE app.profile SET note = 'by ' || NEW.id WHERE id <> NEW.id; RETURN NULL; END $$;
        CREATE TRIGGER all_others AFTER UPDATE ON app.profile FOR EACH ROW
            WHEN (NEW.name = 'was 1') EXECUTE FUNCTION app.all_others();
        INSERT INTO app.old VALUES (3, 'own');
        UPDATE app.profile SET note = 'theirs' WHERE id IN (2, 3)
    """)
    theirs = rows(conn)
    undo(conn)
    assert reasons(conn) == {2: "changed"}
    assert rows(conn) == {1: '(1,"was 1",a,0)', 2: theirs[2], 3: theirs[3]}


def test_two_rows_that_write_each_other_are_listed(dsn, conn):
    build(dsn, MAPPING, TABLES)
    backfill(conn)
    conn.execute("""
        CREATE FUNCTION app.other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF pg_trigger_depth() < 2 THEN
                UPDATE app.profile SET n = n + 1 WHERE id <> NEW.id; END IF; RETURN NULL; END $$;
        CREATE TRIGGER other AFTER UPDATE ON app.profile
            FOR EACH ROW EXECUTE FUNCTION app.other();
    """)
    document = as_json("undo", "odd", "--yes", dsn=dsn, code=1)
    assert [(row["sqlstate"], row["message"]) for row in document["rows_left"]] == [
        ("TD010", "a trigger of the target writes it again each time")
    ]
    assert document["left"] == 1
    _, err = pgtandem("undo", "odd", "--yes", dsn=dsn, code=1)
    assert "Mend what it says of these, then again: pgtandem undo odd" in err
    conn.execute("DROP TRIGGER other ON app.profile")
    undo(conn)
    assert {key: row[:-3] for key, row in rows(conn).items()} == {
        1: '(1,"was 1",a', 2: '(2,"was 2",b',
    }  # fmt: skip


def test_a_tree_with_counters(dsn, conn):
    """Each level goes in a pass of its own, as its parent is counted down only then."""
    tree = MAPPING.replace("name: text", "parent: integer").replace("name: name", "parent: parent")
    build(dsn, tree, """
        CREATE SCHEMA app;
        CREATE TABLE app.old (id integer PRIMARY KEY, parent integer);
        CREATE TABLE app.profile (
            id integer PRIMARY KEY, parent integer REFERENCES app.profile,
            children integer DEFAULT 0
        );
        CREATE FUNCTION app.counts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE app.profile SET children = children + CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END
            WHERE id = CASE TG_OP WHEN 'INSERT' THEN NEW.parent ELSE OLD.parent END;
            RETURN NULL; END $$;
        CREATE TRIGGER counts AFTER INSERT OR DELETE ON app.profile
            FOR EACH ROW EXECUTE FUNCTION app.counts();
        INSERT INTO app.old SELECT n, nullif(n - 1, 0) FROM generate_series(1, 25) AS n;
        """)  # fmt: skip
    backfill(conn)
    assert len(rows(conn)) == 25
    undo(conn)
    assert (rows(conn), to_go(conn)) == ({}, 0)


SWAPPED = "name text UNIQUE DEFERRABLE INITIALLY DEFERRED"


@pytest.mark.both
def test_rows_that_only_go_together(dsn, conn):
    """Values exchanged of a key that is checked at commit; beside a row that fails by itself."""
    build(dsn, QUEUED, TABLES.replace("name text", SWAPPED, 1).replace("name text, note",
          SWAPPED + " CHECK (name <> 'bad'), note"))  # fmt: skip
    backfill(conn)
    conn.execute("""
        UPDATE app.old SET name = CASE id WHEN 1 THEN 'new 2' ELSE 'new 1' END WHERE id < 3
    """)
    conn.execute("CALL pgtandem.drain('odd')")
    assert [row.split(",")[1] for row in rows(conn).values()][:2] == ['"new 2"', '"new 1"']
    conn.execute("""
        UPDATE app.old SET name = CASE id WHEN 1 THEN 'new 1' ELSE 'new 2' END WHERE id < 3;
        UPDATE app.old SET name = 'bad' WHERE id = 4
    """)
    conn.execute("CALL pgtandem.drain('odd')")
    assert [row.split(",")[1] for row in rows(conn).values()] == ['"new 1"', '"new 2"', '"new 4"']
    assert conn.execute("SELECT key, sqlstate FROM pgtandem.recheck").fetchall() == [([4], "23514")]


JOURNAL = """
mapping: odd
source: {table: app.old, columns: {id: integer, doc: jsonb}}
target: {table: app.line, columns: {id: integer, account: text, amount: integer}}
rows: {t: "SELECT key AS account, value::integer AS amount FROM jsonb_each_text(doc)"}
key: [id, account]
columns: {id: id, account: t.account, amount: t.amount}
sync: {mode: queued, ways: forward}
backfill: {undo: true}
"""

LINES = """
CREATE SCHEMA app;
CREATE TABLE app.old (id integer PRIMARY KEY, doc jsonb);
CREATE TABLE app.line (id integer, account text, amount integer, PRIMARY KEY (id, account));
INSERT INTO app.old VALUES (1, '{"a": 5, "b": -5}'), (2, '{"a": 7, "c": -7}');
"""


def test_journals_that_balance(dsn, conn):
    """A constraint trigger that holds at commit, but not after each row."""
    build(dsn, JOURNAL, LINES + """
        CREATE FUNCTION app.balance() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT sum(amount) FROM app.line WHERE id = coalesce(NEW.id, OLD.id)) <> 0 THEN
                RAISE 'does not balance' USING ERRCODE = '23514';
            END IF;
            RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER balance AFTER INSERT OR UPDATE OR DELETE ON app.line
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.balance();
        """)  # fmt: skip
    backfill(conn)
    conn.execute("""UPDATE app.old SET doc = '{"a": 9, "c": -9}' WHERE id = 2""")
    conn.execute("CALL pgtandem.drain('odd')")
    assert rows(conn, "app.line")[2] in ("(2,a,9)", "(2,c,-9)")
    assert as_json("undo", "odd", "--yes", dsn=dsn, code=1)["undone"] == 2
    undo(conn, force=True)
    assert rows(conn, "app.line") == {}


def test_a_trigger_that_puts_back_a_row_of_the_same_statement(dsn, conn):
    """It is stored as made before it is stored as taken away."""
    build(dsn, JOURNAL, LINES + """
        CREATE FUNCTION app.keep_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NOT EXISTS (SELECT FROM app.line WHERE id = OLD.id) AND pg_trigger_depth() < 2 THEN
                INSERT INTO app.line VALUES (OLD.id, '_', 0);
            END IF;
            RETURN NULL; END $$;
        CREATE TRIGGER keep_one AFTER DELETE ON app.line
            FOR EACH ROW EXECUTE FUNCTION app.keep_one();
        """)  # fmt: skip
    backfill(conn)
    conn.execute("SELECT pgtandem.drop_pre_images('odd')")
    conn.execute("INSERT INTO app.line VALUES (9, 'a', 1), (9, '_', 2), (9, 'b', 3)")
    conn.execute("SELECT pgtandem.queue('odd', '[9]', 'difference')")
    conn.execute("CALL pgtandem.drain('odd', 'difference')")
    every = "SELECT account, amount FROM app.line WHERE id = 9 ORDER BY 1"
    assert conn.execute(every).fetchall() == [("_", 0)]
    undo(conn)
    assert conn.execute(every).fetchall() == [("_", 2), ("a", 1), ("b", 3)]


@pytest.mark.parametrize("several", [False, True])
def test_what_the_application_has_deleted_stays_deleted(dsn, conn, several):
    """In mode queued, though a repair was quicker than the drain."""
    build(dsn, JOURNAL if several else QUEUED, LINES if several else TABLES)
    backfill(conn)
    conn.execute("SELECT pgtandem.drop_pre_images('odd')")
    conn.execute(
        """UPDATE app.old SET doc = '{"a": 5}' WHERE id = 1""" if several
        else "DELETE FROM app.old WHERE id = 1"
    )  # fmt: skip
    conn.execute("SELECT pgtandem.queue('odd', '[1]', 'difference')")
    conn.execute("CALL pgtandem.drain('odd', 'difference')")
    conn.execute("CALL pgtandem.drain('odd')")
    assert preview(conn, "odd") == {"deleted": 1}
    undo(conn)
    assert conn.execute(
        f"SELECT count(*) FROM app.{'line' if several else 'profile'} WHERE id = 1".encode()
    ).fetchone() == (int(several),)


def test_rows_that_are_hidden_are_not_deleted_with_theirs(dsn, conn):
    build(dsn, MAPPING, TABLES)
    backfill(conn)
    conn.execute("""
        CREATE TABLE app.child (id integer REFERENCES app.profile ON DELETE CASCADE, whose text);
        ALTER TABLE app.child ENABLE ROW LEVEL SECURITY;
        ALTER TABLE app.child FORCE ROW LEVEL SECURITY;
        CREATE POLICY theirs ON app.child USING (whose = current_user) WITH CHECK (true);
        INSERT INTO app.child VALUES (4, 'somebody')
    """)
    with pytest.raises(psycopg.Error, match=r"cannot see which rows of app\.child") as caught:
        undo(conn)
    assert caught.value.sqlstate == "TD067"
    assert "BYPASSRLS" in str(caught.value)
    assert "TD067" in pgtandem("undo", "odd", "--dry-run", dsn=dsn, code=2)[1]
    conn.execute("ALTER TABLE app.child NO FORCE ROW LEVEL SECURITY")
    undo(conn)
    assert reasons(conn) == {4: "referenced"}


def test_pre_images_are_not_dropped_beside_an_undo(dsn, conn):
    build(dsn, MAPPING, TABLES)
    before = rows(conn)
    backfill(conn)
    with Session(dsn) as writer, Session(dsn) as one:
        writer.run("BEGIN")
        writer.run("SELECT FROM app.profile WHERE id = 2 FOR UPDATE")
        one.send(CALL)
        wait_for(lambda: to_go(conn) == 1)
        with pytest.raises(psycopg.Error, match="is at work") as caught:
            conn.execute("SELECT pgtandem.drop_pre_images('odd')")
        assert caught.value.sqlstate == "TD060"
        writer.run("ROLLBACK")
        one.result()
    assert rows(conn) == before


def test_their_limit_holds_in_a_drain_of_everything(dsn, conn):
    """A repair that finds no room fails; what an application has queued goes on."""
    build(dsn, MAPPING, TABLES)
    backfill(conn)
    conn.execute(
        "UPDATE pgtandem.mapping SET settings ="
        " jsonb_set(settings, '{backfill,undo_limit}', '\"1kB\"')"
    )
    conn.execute("UPDATE app.profile SET name = 'spoilt'")
    for key, reason in (("[1]", "difference"), ("[2]", "sync")):
        conn.execute("SELECT pgtandem.queue('odd', %s, %s)", (key, reason))
    conn.execute("CALL pgtandem.drain('odd')")
    assert conn.execute("SELECT key, sqlstate FROM pgtandem.recheck").fetchall() == [([1], "TD064")]
    assert rows(conn)[2] == '(2,"new 2",b,0)'

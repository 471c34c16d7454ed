"""Contract on columns: some columns leave the source, which stays; and the way back."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import psycopg
import pytest

from command_line import as_json, pgtandem
from helpers import psql
from mappings import Built, build

LEGACY = """
CREATE SCHEMA shop; CREATE SCHEMA crm;
CREATE TABLE shop.country (code text PRIMARY KEY);
INSERT INTO shop.country VALUES ('at'), ('de');
CREATE TABLE shop.customer (
    id integer PRIMARY KEY,
    name varchar(40) COLLATE "C" NOT NULL DEFAULT 'no ' || 'body',
    email text UNIQUE,
    vip boolean CHECK (vip IS NOT NULL OR email IS NULL OR email <> 'x'),
    country text REFERENCES shop.country,
    number integer GENERATED ALWAYS AS IDENTITY (INCREMENT BY 2),
    serial serial,
    seen_at integer DEFAULT 0
);
CREATE TABLE crm.person (
    id integer PRIMARY KEY, name text, email text, tier text, land text, notes text
);
CREATE INDEX customer_name ON shop.customer (lower(name), seen_at) WHERE seen_at > 0;
CREATE UNIQUE INDEX customer_two ON shop.customer (vip, id);
COMMENT ON COLUMN shop.customer.email IS 'it''s unique';
COMMENT ON INDEX shop.customer_name IS 'for the search';
COMMENT ON CONSTRAINT customer_email_key ON shop.customer IS 'one each';
ALTER TABLE shop.customer ALTER name SET STATISTICS 77, ALTER name SET STORAGE EXTERNAL,
    ALTER email SET (n_distinct = -1);
GRANT SELECT (name, seen_at), UPDATE (email) ON shop.customer TO old_app;
GRANT SELECT (email) ON shop.customer TO PUBLIC;
INSERT INTO shop.customer (id, name, email, vip, country)
SELECT n, 'n' || n, 'User' || n || '@Ex.org', CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END,
       CASE n % 3 WHEN 0 THEN 'at' WHEN 1 THEN 'de' END
FROM generate_series(1, 30) AS n;
"""
MAPPING = """
mapping: crm
source:
  table: shop.customer
  columns: {id: integer, name: varchar(40), email: text, vip: boolean, country: text,
            number: integer, serial: integer, seen_at: integer}
target:
  table: crm.person
  columns: {id: integer, name: text, email: text, tier: text, land: text, notes: text}
key: [id]
columns:
  id: id
  name: name
  email: {from: lower(email), back: {email: email}}
  tier: {from: "CASE WHEN vip THEN 'gold' ELSE 'plain' END", back: {vip: "tier = 'gold'"}}
  land: country
contract: {columns: [name, email, vip, country, number, serial], archive: shop_archive}
"""

DIFFERING = "SELECT key FROM pgtandem_crm.compared() WHERE changed OR in_source <> in_target"


def rows(db: Any, query: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = db.execute(query.encode()).fetchall()
    return found


def compare(dsn: str, name: str = "crm") -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(f"CALL pgtandem.compare('{name}')".encode())


@pytest.fixture
def crm(dsn: str, tmp_path: Path) -> Built:
    built = build(dsn, MAPPING, LEGACY, ("expand", "sync", "backfill"), directory=tmp_path)
    compare(dsn)
    return built


# All that PostgreSQL knows of the table but for the positions of its columns and our own triggers.
SHAPE = """
SELECT 'column', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       concat_ws(' ', pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attcollation::regcollation,
                 greatest(a.attstattarget, -1), a.attstorage, a.attoptions,
                 (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(a.attacl) AS x),
                 col_description(a.attrelid, a.attnum),
                 regexp_replace(pg_get_serial_sequence('shop.customer', a.attname), '_seq.*', ''))
FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = 'shop.customer'::regclass AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid), convalidated::text,
       obj_description(oid, 'pg_constraint')
FROM pg_constraint WHERE conrelid = 'shop.customer'::regclass
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text,
       obj_description(indexrelid, 'pg_class')
FROM pg_index WHERE indrelid = 'shop.customer'::regclass
UNION ALL
SELECT 'trigger', tgname, tgenabled::text, '', '' FROM pg_trigger
WHERE tgrelid = 'shop.customer'::regclass AND NOT tgisinternal
ORDER BY 1, 2, 3
"""
LEAVING = {"name", "email", "vip", "country", "number", "serial"}


@pytest.mark.both
def test_there_and_back_changes_nothing(crm: Built, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        file = "SELECT pg_relation_filenode('shop.customer')"
        content = "SELECT id, name, email, vip, country, number, serial, seen_at FROM shop.customer"
        before = rows(db, SHAPE), rows(db, f"{content} ORDER BY id"), rows(db, file)
        crm.deploy("contract")
        left = rows(
            db,
            "SELECT attname FROM pg_attribute WHERE attrelid = 'shop.customer'::regclass "
            "AND attnum > 0 AND NOT attisdropped",
        )
        assert {name for (name,) in left} == {"id", "seen_at"}
        crm.revert("contract")
        assert rows(db, SHAPE) == before[0]
        assert rows(db, f"{content} ORDER BY id") == before[1]
        assert rows(db, file) == before[2], "the table was rewritten"
        assert rows(db, "SELECT count(*) FROM pgtandem_crm.compared() WHERE changed") == [(0,)]
        for table in ("companion", "walk", "recheck"):
            assert rows(db, f"TABLE pgtandem.{table}") == []
        assert rows(db, "SELECT to_regnamespace('shop_archive')") == [(None,)]
        db.execute("INSERT INTO shop.customer (id) VALUES (100)")
        assert rows(db, "SELECT number, serial, name FROM shop.customer WHERE id = 100") == [
            (61, 31, "no body")
        ]
        db.execute("UPDATE crm.person SET name = 'back' WHERE id = 100")
        assert rows(db, "SELECT name FROM shop.customer WHERE id = 100") == [("back",)]


def test_what_was_written_since_comes_back(crm: Built, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        crm.deploy("contract")
        for statement in (
            "UPDATE crm.person SET name = 'later', tier = 'gold' WHERE id = 1",
            "UPDATE crm.person SET notes = 'not synced' WHERE id = 2",
            "UPDATE crm.person SET tier = 'gold' WHERE id = 3",  # it is already
            # Both, as an application does that writes both tables.
            "INSERT INTO shop.customer (id, seen_at) VALUES (50, 5)",
            "INSERT INTO crm.person (id, name, tier) VALUES (50, 'new', 'plain')",
            "DELETE FROM crm.person WHERE id = 4",
            "DELETE FROM shop.customer WHERE id = 4",
            # One alone.
            "INSERT INTO shop.customer (id) VALUES (51)",
            "INSERT INTO crm.person (id, name, tier) VALUES (52, 'alone', 'gold')",
            "DELETE FROM crm.person WHERE id = 5",
            "DELETE FROM shop.customer WHERE id = 6",
            "UPDATE crm.person SET name = 'of a deleted one' WHERE id = 6",
            # Deleted and there again: another row.
            "DELETE FROM crm.person WHERE id = 7",
            "DELETE FROM shop.customer WHERE id = 7",
            "INSERT INTO shop.customer (id) VALUES (7)",
            "UPDATE shop.customer SET seen_at = 9 WHERE id = 8",
        ):
            db.execute(statement.encode())
        crm.revert("contract")
        content = "SELECT id, name, email, vip, country, seen_at FROM shop.customer WHERE id "
        assert rows(db, content + "IN (1, 2, 3, 4, 5, 6, 7, 8, 50, 51, 52) ORDER BY id") == [
            (1, "later", "User1@Ex.org", True, "de", 0),
            (2, "n2", "User2@Ex.org", None, None, 0),
            (3, "n3", "User3@Ex.org", True, "at", 0),
            (7, "no body", None, None, None, 0),
            (8, "n8", "User8@Ex.org", None, None, 9),
            (50, "new", None, None, None, 5),
            (51, "no body", None, None, None, 0),
            (52, "alone", None, True, None, 0),
        ]
        assert rows(db, DIFFERING) == []
        assert rows(db, "SELECT id, name, tier FROM crm.person WHERE id > 50 ORDER BY id") == [
            (51, "no body", "plain"),
            (52, "alone", "gold"),
        ]
        assert rows(db, "SELECT notes FROM crm.person WHERE id = 2") == [("not synced",)]
        assert rows(db, "SELECT count(*) FROM crm.person WHERE id IN (4, 5, 6)") == [(0,)]


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        ("UPDATE crm.person SET name = repeat('x', 50) WHERE id = 9", "22001"),
        ("UPDATE crm.person SET name = NULL WHERE id = 9", "23502"),
        ("UPDATE crm.person SET tier = 'silver' WHERE id = 9", "TD011"),
    ],
)
def test_a_row_that_cannot_come_back_is_named(
    crm: Built, dsn: str, write: str, problem: str
) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        crm.deploy("contract")
        db.execute(write.encode())
        for _ in range(2):
            with pytest.raises(AssertionError) as refused:
                crm.revert("contract")
            assert "1 rows written since contract cannot be carried back" in str(refused.value)
            assert "For example [9]: " in str(refused.value)
            assert f"({problem})" in str(refused.value)
        assert rows(db, "SELECT phase FROM pgtandem.mapping") == [("contract",)]
        db.execute("UPDATE crm.person SET name = 'short', tier = 'gold' WHERE id = 9")
        crm.revert("contract")
        assert rows(db, "SELECT name, vip FROM shop.customer WHERE id = 9") == [("short", True)]
        assert rows(db, "SELECT count(*) FROM pgtandem_crm.compared() WHERE changed") == [(0,)]


class Writer:
    """An application that writes without a pause, and knows what must be there afterwards."""

    def __init__(self, dsn: str, keys: range, new: bool) -> None:
        self.dsn = dsn
        self.keys = keys
        self.new = new
        self.longest = 0.0
        self.writes = 0
        self.there: dict[int, str] = {}
        self.gone: set[int] = set()
        self.failed: list[str] = []
        self._stop = Event()
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        chance = random.Random(self.keys.start)
        with psycopg.connect(self.dsn, autocommit=True) as db:
            while not self._stop.is_set():
                key, value = chance.choice(self.keys), f"v{self.writes}"
                kind = chance.choice(["update"] * 6 + ["insert", "delete"])
                started = time.monotonic()
                try:
                    with db.transaction():
                        self._write(db, kind, key, value)
                except psycopg.Error as error:
                    self.failed.append(f"{kind} {key}: {error.sqlstate} {error}")
                self.longest = max(self.longest, time.monotonic() - started)
                self.writes += 1
                time.sleep(0.001)

    def _write(self, db: Any, kind: str, key: int, value: str) -> None:
        if kind == "delete":
            if self.new:
                db.execute("DELETE FROM crm.person WHERE id = %s", (key,))
            db.execute("DELETE FROM shop.customer WHERE id = %s", (key,))
            self.there.pop(key, None)
            self.gone.add(key)
        elif kind == "insert" or key in self.gone:
            if key in self.there or key not in self.gone:
                return
            db.execute("INSERT INTO shop.customer (id, seen_at) VALUES (%s, 1)", (key,))
            if self.new:
                db.execute(
                    "INSERT INTO crm.person (id, name, tier) VALUES (%s, %s, 'plain') "
                    "ON CONFLICT (id) DO UPDATE SET name = excluded.name",
                    (key, value),
                )
                self.there[key] = value
            self.gone.discard(key)
        elif self.new:
            db.execute("UPDATE crm.person SET name = %s WHERE id = %s", (value, key))
            self.there[key] = value
        else:
            db.execute("UPDATE shop.customer SET seen_at = %s WHERE id = %s", (self.writes, key))
            self.there[key] = str(self.writes)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


MANY = (
    "\nUPDATE shop.customer SET seen_at = 0; "
    + LEGACY.rpartition("INSERT INTO shop.customer")[1]
    + LEGACY.rpartition("INSERT INTO shop.customer")[2].replace("(1, 30)", "(31, 8000)")
)


@pytest.mark.both
def test_writers_never_fail_and_hardly_wait(dsn: str, tmp_path: Path) -> None:
    built = build(dsn, MAPPING, LEGACY + MANY, ("expand", "sync", "backfill"), directory=tmp_path)
    compare(dsn)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(Writer(dsn, range(first, first + 2000), new))
            for first, new in ((1, True), (2001, False))
        ]
        built.deploy("contract")
        for writer in writers:  # some of it while the columns are away
            seen = writer.writes
            while writer.writes < seen + 100:
                time.sleep(0.01)
        built.revert("contract")
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CALL pgtandem.drain('crm')")
        assert rows(db, DIFFERING) == []
        names = dict(rows(db, "SELECT id, name FROM shop.customer"))
        seen_at = dict(rows(db, "SELECT id, seen_at::text FROM shop.customer"))
        for writer in writers:
            assert writer.failed == []
            assert writer.longest < 3, "a writer waited"
            assert writer.gone & names.keys() == set(), "deleted rows returned"
            held = names if writer.new else seen_at
            assert {key: held.get(key) for key in writer.there} == writer.there
        untouched = set(range(4001, 8001))
        assert {key: names[key] for key in untouched} == {key: f"n{key}" for key in untouched}


def part(built: Built, kind: str, upto: str) -> None:
    """The beginning of a script of contract, as an interruption leaves it."""
    text = (built.directory / kind / "crm_contract.sql").read_text()
    assert upto in text
    path = built.directory / "part.sql"
    path.write_text((text.rpartition if upto == LAST else text.partition)(upto)[0] + "\n\\quit\n")
    psql(path, built.dsn)


WALK = "\nCALL pgtandem.walk("
LAST = "\nBEGIN ISOLATION LEVEL READ COMMITTED;\n"  # the last of them
Break = tuple[str, str]


def broken(dsn: str, directory: Path, breaks: Break | None, legacy: str = LEGACY) -> Built:
    """The mapping crm, ready for contract, with its scripts as they are or broken on purpose."""

    def change(script: str) -> str:
        return script.replace(*breaks) if breaks else script

    built = build(dsn, MAPPING, legacy, ("expand", "sync", "backfill"), change, directory)
    if breaks:
        scripts = [path.read_text() for path in directory.rglob("crm_contract.sql")]
        assert any(breaks[1] in script for script in scripts)
    compare(dsn)
    return built


@contextmanager
def fails(expected: bool) -> Iterator[None]:
    if expected:
        with pytest.raises(AssertionError):
            yield
    else:
        yield


@pytest.mark.parametrize(
    "breaks",
    [
        None,
        ("'contract', 'archive');\n    END IF;\n    RETURN NULL", "'contract', 'source');\n    END IF;\n    RETURN NULL"),  # noqa: E501
    ],
    ids=["whole", "not noted"],
)  # fmt: skip
def test_what_is_written_while_it_is_archived(dsn: str, tmp_path: Path, breaks: Any) -> None:
    built = broken(dsn, tmp_path, breaks)
    part(built, "deploy", LAST)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("UPDATE shop.customer SET number = DEFAULT, email = 'late' WHERE id = 3")
        db.execute("INSERT INTO shop.customer (id, vip) VALUES (40, true)")
        db.execute("DELETE FROM shop.customer WHERE id = 4")
        columns = "id, name, email, vip, country, number, serial"
        last = rows(db, f"SELECT {columns} FROM shop.customer ORDER BY id")
        with fails(bool(breaks)):
            built.deploy("contract")
            assert rows(db, f"SELECT {columns} FROM shop_archive.customer ORDER BY id") == last


TOUCH = """
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
    NEW.seen_at := 99;
    RETURN NEW;
END;
$f$;
CREATE TRIGGER zz_touch BEFORE UPDATE ON shop.customer
    FOR EACH ROW EXECUTE FUNCTION shop.touch();
"""


@pytest.mark.parametrize(
    "breaks", [None, ("    SELECT OLD.* INTO NEW;\n", "")], ids=["whole", "broken"]
)
def test_a_revert_writes_nothing_but_its_columns(dsn: str, tmp_path: Path, breaks: Any) -> None:
    built = broken(dsn, tmp_path, breaks, LEGACY + TOUCH)
    with psycopg.connect(dsn, autocommit=True) as db:
        built.deploy("contract")
        db.execute("UPDATE crm.person SET name = 'since' WHERE id < 9")
        with fails(bool(breaks)):
            built.revert("contract")
            assert rows(db, "SELECT count(*) FROM shop.customer WHERE seen_at = 99") == [(0,)]
            assert rows(db, "SELECT count(*) FROM shop.customer WHERE name = 'since'") == [(8,)]
            assert rows(db, DIFFERING) == []


FULL = """
ALTER TABLE shop.customer SET (autovacuum_enabled = false);
INSERT INTO shop.customer (id, name) SELECT n, 'n' || n FROM generate_series(31, 400) AS n;
"""


@pytest.mark.parametrize(
    "breaks", [None, ("<> (NEW.ctid::text::point)[0] THEN", "< -1 THEN")], ids=["whole", "broken"]
)
def test_a_row_that_moves_behind_the_restore(dsn: str, tmp_path: Path, breaks: Any) -> None:
    built = broken(dsn, tmp_path, breaks, LEGACY + FULL)
    block = "SELECT (ctid::text::point)[0]::integer FROM shop.customer WHERE id = 200"
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("VACUUM FULL shop.customer")
        built.deploy("contract")
        part(built, "revert", WALK)
        db.execute("DELETE FROM shop.customer WHERE id < 31")
        db.execute("DELETE FROM crm.person WHERE id < 31")
        db.execute("SELECT pgtandem._walk_step('crm', 'restore', 1)")
        db.execute("VACUUM shop.customer")
        for _ in range(300):
            if rows(db, block) == [(0,)]:
                break
            db.execute("UPDATE shop.customer SET seen_at = seen_at + 1 WHERE id > 150")
            db.execute("VACUUM shop.customer")
        assert rows(db, block) == [(0,)], "it did not move"
        with fails(bool(breaks)):
            built.revert("contract")
            assert rows(db, "SELECT name FROM shop.customer WHERE id = 200") == [("n200",)]
            assert rows(db, DIFFERING) == []


@pytest.mark.both
def test_an_index_that_cannot_come_back(crm: Built, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        shape = rows(db, SHAPE)
        crm.deploy("contract")
        db.execute("UPDATE crm.person SET email = 'twice' WHERE id IN (1, 2)")
        for _ in range(2):
            with pytest.raises(AssertionError, match="could not create unique index"):
                crm.revert("contract")
        assert rows(db, "SELECT phase FROM pgtandem.mapping") == [("backfill",)]
        db.execute("UPDATE crm.person SET email = 'once' WHERE id = 1")
        assert rows(db, "SELECT email FROM shop.customer WHERE id = 1") == [("once",)]
        compare(dsn)
        with pytest.raises(AssertionError, match="the last revert of contract"):
            crm.deploy("contract")
        crm.revert("contract")
        assert rows(db, SHAPE) == shape


def test_only_one_at_a_time(crm: Built, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(hashtextextended('pgtandem walk crm', 0))")
        with pytest.raises(AssertionError, match="already running") as refused:
            crm.deploy("contract")
        assert f"In pid {db.info.backend_pid}." in str(refused.value)
    crm.deploy("contract")


@pytest.mark.both
def test_what_hangs_on_the_columns_is_told_before(crm: Built, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CREATE VIEW shop.report AS SELECT email FROM shop.customer")
        with pytest.raises(AssertionError) as refused:
            crm.deploy("contract")
        told = str(refused.value)
        assert "NOT YET no_dependents: view shop.report. DROP VIEW shop.report;" in told
        assert "Not met: no_dependents (view shop.report)." in told
        assert rows(db, "TABLE pgtandem.walk") == []
        db.execute("DROP VIEW shop.report")
        part(crm, "deploy", WALK)
        db.execute("CREATE VIEW shop.report AS SELECT email FROM shop.customer")
        with pytest.raises(AssertionError, match="is refused"):
            crm.deploy("contract")
        # Given up: sync goes as if it had never begun.
        crm.revert("backfill", "sync")
        assert rows(db, "SELECT to_regclass('shop_archive.customer')") == [(None,)]
        assert rows(db, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgtandem%'") == [(0,)]


def test_the_gate_tells_what_goes_along(crm: Built, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CREATE VIEW shop.report AS SELECT email FROM shop.customer")
        db.execute("CREATE STATISTICS shop.pair ON name, email FROM shop.customer")
    out, _ = pgtandem("gate", "crm", "--contract", dsn=dsn, code=1)
    to_do = [line.removeprefix("  no_dependents").strip() for line in out.splitlines()]
    assert {"DROP STATISTICS shop.pair;", "DROP VIEW shop.report;"} <= set(to_do), out
    assert "\n  index customer_name\n" in out
    told = as_json("gate", "crm", "--contract", dsn=dsn, code=1)
    assert "NOT NULL of name" in told["goes_along"]


@pytest.mark.parametrize(
    "breaks", [None, ("CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE 'contract' END", "'deleted'")],
    ids=["whole", "broken"],
)  # fmt: skip
def test_a_key_that_is_changed_on_one_side_stops_the_revert(
    dsn: str, tmp_path: Path, breaks: Any
) -> None:
    built = broken(dsn, tmp_path, breaks)
    with psycopg.connect(dsn, autocommit=True) as db:
        built.deploy("contract")
        db.execute("UPDATE crm.person SET name = 'later' WHERE id = 7")
        db.execute("UPDATE shop.customer SET id = 70 WHERE id = 7")
        db.execute("UPDATE crm.person SET id = 80 WHERE id = 8")
        db.execute("UPDATE shop.customer SET id = 90 WHERE id = 9")
        db.execute("UPDATE crm.person SET id = 90 WHERE id = 9")
        if breaks:
            built.revert("contract")
            assert rows(db, "SELECT name FROM shop.customer WHERE id = 70") == [("n7",)]
            return
        with pytest.raises(AssertionError, match="2 rows written since contract cannot be"):
            built.revert("contract")
        db.execute("UPDATE crm.person SET id = 70 WHERE id = 7")
        db.execute("UPDATE shop.customer SET id = 80 WHERE id = 8")
        built.revert("contract")
        names = "SELECT id, name FROM shop.customer WHERE id IN (7, 8, 9, 70, 80, 90) ORDER BY 1"
        assert rows(db, names) == [(70, "later"), (80, "n8"), (90, "n9")]
        assert rows(db, DIFFERING) == []


def test_a_changed_key_takes_the_archived_values_along(crm: Built, dsn: str) -> None:
    """Also those that are nowhere in the target; those of a deleted row go with it."""
    with psycopg.connect(dsn, autocommit=True) as db:

        def rename(old: int, new: int) -> None:
            for table in ("shop.customer", "crm.person")[:: 1 if new % 2 else -1]:
                db.execute(f"UPDATE {table} SET id = {new} WHERE id = {old}".encode())

        crm.deploy("contract")
        rename(1, 101)
        rename(2, 102)
        rename(102, 202)
        db.execute("DELETE FROM crm.person WHERE id = 4")
        db.execute("DELETE FROM shop.customer WHERE id = 4")
        assert rows(db, "SELECT id FROM shop_archive.customer WHERE id = 4") == []
        rename(5, 4)
        part(crm, "revert", WALK)
        rename(6, 106)
        part(crm, "revert", "\nCALL pgtandem.carry_")
        rename(7, 107)
        crm.revert("contract")
        content = "SELECT id, name, serial FROM shop.customer WHERE id < 8 OR id > 100 ORDER BY id"
        assert rows(db, content) == [
            (3, "n3", 3), (4, "n5", 5), (101, "n1", 1), (106, "n6", 6), (107, "n7", 7),
            (202, "n2", 2),
        ]  # fmt: skip
        assert rows(db, DIFFERING) == []


def test_rows_of_the_source_alone_are_settled_before_the_lock(crm: Built, dsn: str) -> None:
    """Users who have no profile yet may be many: nobody waits for them."""
    with psycopg.connect(dsn, autocommit=True) as db:
        crm.deploy("contract")
        db.execute("INSERT INTO shop.customer (id) VALUES (100), (101)")
        part(crm, "revert", LAST)
        assert rows(db, "SELECT key FROM pgtandem.recheck WHERE side = 'source'") == []
        db.execute("UPDATE shop.customer SET seen_at = 7 WHERE id = 100")
        db.execute("SELECT pgtandem.queue('crm', '[100]', 'contract', 'source')")  # it has moved
        # Killed before the last line, the drain, it is run again.
        part(crm, "revert", "CALL pgtandem.drain(")
        assert rows(db, "SELECT count(*) FROM pgtandem.recheck") == [(3,)]
        crm.revert("contract")
        assert rows(db, "SELECT count(*) FROM pgtandem.recheck") == [(0,)]
        assert rows(db, "SELECT count(*) FROM crm.person WHERE id >= 100") == [(2,)]


def test_the_archive_may_be_dropped(dsn: str, tmp_path: Path) -> None:
    """Then there is no way back, but every write goes on."""
    mapping = MAPPING.replace("target:\n", "  filter: seen_at = 0 AND email <> ''\ntarget:\n", 1)
    built = build(dsn, mapping, LEGACY, ("expand", "sync", "backfill"), directory=tmp_path)
    compare(dsn)
    built.deploy("contract")
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("DROP TABLE shop_archive.customer")
        db.execute("INSERT INTO crm.person (id) VALUES (100)")
        db.execute("UPDATE shop.customer SET id = 101 WHERE id = 1")
        db.execute("DELETE FROM shop.customer WHERE id = 101")


def test_hidden_rows_are_not_left_out(crm: Built, dsn: str) -> None:
    """FORCE ROW LEVEL SECURITY hides rows from the owner, who would archive the others alone."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CREATE POLICY first_ones ON shop.customer USING (id < 10)")
        db.execute("ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY")
        db.execute("ALTER TABLE shop.customer FORCE ROW LEVEL SECURITY")
        compare(dsn)
        with pytest.raises(AssertionError, match="security may hide rows of shop"):
            crm.deploy("contract")
        db.execute("ALTER TABLE shop.customer NO FORCE ROW LEVEL SECURITY")
        compare(dsn)
        crm.deploy("contract")
        assert rows(db, "SELECT count(*) FROM shop_archive.customer") == [(30,)]


def test_another_archive_than_the_one_begun_is_refused(crm: Built, dsn: str) -> None:
    part(crm, "deploy", LAST)
    script = crm.directory / "deploy/crm_contract.sql"
    script.write_text(script.read_text().replace("shop_archive", "another"))
    with pytest.raises(AssertionError, match="another"):
        crm.deploy("contract")
    with psycopg.connect(dsn, autocommit=True) as db:
        assert rows(db, "SELECT phase FROM pgtandem.mapping") == [("backfill",)]

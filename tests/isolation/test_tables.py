"""Tables of other shapes: partitions, no primary key, composite keys, large values, TRUNCATE."""

from __future__ import annotations

import psycopg
import pytest

from helpers import Session
from mappings import build

MAPPING = """
mapping: shape
source:
  table: old.things
  columns: {id: integer, part: integer, name: text, note: text}
target:
  table: new.things
  columns: {id: integer, part: integer, name: text, stars: integer}
key: [KEY]
columns:
  id: id
  part: part
  name: name
  stars: {initial: "0"}
sync: {truncate: TRUNCATE}
"""

TARGET = """
CREATE SCHEMA new;
CREATE TABLE new.things (id integer, part integer, name text, stars integer, UNIQUE (KEY));
"""

ORDINARY = """
CREATE SCHEMA old;
CREATE TABLE old.things (id integer, part integer, name text, note text);
"""

PARTITIONED = """
CREATE SCHEMA old;
CREATE TABLE old.things (id integer, part integer, name text, note text) PARTITION BY LIST (part);
CREATE TABLE old.things_1 PARTITION OF old.things FOR VALUES IN (1);
CREATE TABLE old.things_2 PARTITION OF old.things FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE old.things_21 PARTITION OF old.things_2 FOR VALUES IN (1, 2, 3);
CREATE TABLE old.things_22 PARTITION OF old.things_2 DEFAULT;
"""

ROWS = """
INSERT INTO old.things SELECT n, 1 + n % 2, 'v' || n, NULL FROM generate_series(1, 9) AS n;
"""


class Shape:
    """A mapping of this page, its rows, and a session."""

    def __init__(self, dsn: str, source: str, key: str = "id", truncate: str = "refuse") -> None:
        legacy = source + TARGET.replace("KEY", key) + ROWS
        yaml = MAPPING.replace("KEY", key).replace("TRUNCATE", truncate)
        self.built = build(dsn, yaml, legacy)
        self.connection = psycopg.connect(dsn, autocommit=True)

    def run(self, query: str) -> list:
        cursor = self.connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []

    def equal(self) -> None:
        self.run("CALL pgtandem.drain('shape')")
        assert self.run("SELECT * FROM pgtandem.recheck") == []
        differing = (
            "SELECT * FROM pgtandem_shape.compared() WHERE changed OR in_source <> in_target"
        )
        assert self.run(differing) == []

    def count(self) -> int:
        return int(self.run("SELECT count(*) FROM new.things")[0][0])


@pytest.fixture
def make_shape(dsn):
    made = []

    def make(*arguments, **options) -> Shape:
        made.append(Shape(dsn, *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.connection.close()


@pytest.mark.both
def test_row_moves_to_another_partition(make_shape):
    """DELETE and INSERT to the triggers, one row to the new application, which keeps its own."""
    shape = make_shape(PARTITIONED)
    shape.built.deploy("backfill")
    assert shape.count() == 9
    shape.run("UPDATE new.things SET stars = 5")
    shape.run("UPDATE old.things SET part = 3 - part")
    shape.run("UPDATE old.things SET part = 2, name = 'moved' WHERE id = 2")
    assert shape.run("SELECT DISTINCT stars FROM new.things") == [(5,)]
    assert shape.run("SELECT name FROM new.things WHERE id = 2") == [("moved",)]
    shape.run("UPDATE new.things SET part = 1")
    assert shape.run("SELECT count(*) FROM old.things_1") == [(9,)]
    assert shape.run("SELECT DISTINCT stars FROM new.things") == [(5,)]
    shape.run("DELETE FROM old.things WHERE id = 3")
    shape.equal()
    assert shape.count() == 8


@pytest.mark.both
def test_row_moves_while_its_partition_is_copied(make_shape):
    """Out of a partition that is still to come, into one that is done."""
    shape = make_shape(PARTITIONED)
    shape.run("SELECT pgtandem._backfill_start('shape', NULL)")
    shape.run("SELECT pgtandem._copy_next('shape', 64, 'insert')")
    shape.run("UPDATE old.things SET part = 3 - part")
    shape.run("CALL pgtandem.backfill('shape')")
    shape.equal()
    assert shape.count() == 9


@pytest.mark.both
def test_partition_that_comes_later(make_shape):
    """A partition made, or attached with rows, while the copy is open is copied as well."""
    shape = make_shape(PARTITIONED)
    shape.run("SELECT pgtandem._backfill_start('shape', NULL)")
    shape.run("CREATE TABLE old.late (id integer, part integer, name text, note text)")
    shape.run("INSERT INTO old.late VALUES (77, 7, 'late', NULL)")
    shape.run("ALTER TABLE old.things ATTACH PARTITION old.late FOR VALUES IN (7)")
    shape.run("CREATE TABLE old.new_one PARTITION OF old.things FOR VALUES IN (8)")
    shape.run("INSERT INTO old.things VALUES (88, 8, 'new', NULL)")
    shape.built.deploy("backfill")
    shape.equal()
    assert shape.count() == 11


@pytest.mark.both
def test_partitions_that_come_and_go_after_the_copy(make_shape):
    """Nobody calls the copy complete until a backfill has seen to them."""
    shape = make_shape(PARTITIONED)
    shape.built.deploy("backfill")
    moved = (
        "SELECT tgenabled FROM pg_trigger WHERE tgname = 'pgtandem_shape_moved' AND tgrelid = {}"
    )
    complete = "SELECT met FROM pgtandem.contract_conditions('shape') WHERE name = 'copy_complete'"

    def incomplete(leaf: str) -> None:
        assert shape.run(complete) == [(False,)]
        with pytest.raises(psycopg.Error, match=leaf) as refused:
            shape.run("SELECT pgtandem.require_complete('shape')")
        assert refused.value.sqlstate == "TD019"

    shape.run("CREATE TABLE old.late (id integer, part integer, name text, note text)")
    shape.run("INSERT INTO old.late VALUES (77, 7, 'late', NULL)")
    shape.run("ALTER TABLE old.things ATTACH PARTITION old.late FOR VALUES IN (7)")
    incomplete("old.late")
    shape.run("CALL pgtandem.backfill('shape')")
    shape.equal()
    assert shape.count() == 10
    assert shape.run(complete) == [(True,)]
    assert shape.run(moved.format("'old.things'::regclass")) == [("D",)]
    assert shape.run(moved.format("'old.late'::regclass")) == [("D",)]
    done = "SELECT count(*) FROM pgtandem.chunk WHERE strategy = 'overwrite'"
    assert shape.run(done) == [(1,)]  # what was copied before stays copied
    with pytest.raises(psycopg.Error) as refused:
        shape.run("TRUNCATE old.late")
    assert refused.value.sqlstate == "TD014"

    shape.run("ALTER TABLE old.things DETACH PARTITION old.late")
    incomplete("old.late")
    with pytest.raises(psycopg.Error) as asked:
        shape.run("CALL pgtandem.backfill('shape')")
    assert asked.value.sqlstate == "TD026"
    assert shape.run(moved.format("'old.things'::regclass")) == [("A",)]
    shape.run("DROP TABLE old.late")
    shape.run("SELECT pgtandem_shape.queue_extra()")
    shape.run("CALL pgtandem.backfill('shape')")
    shape.equal()
    assert shape.count() == 9
    assert shape.run(complete) == [(True,)]


@pytest.mark.both
@pytest.mark.parametrize("table", ["old.things", "old.things_21", "old.things_2", "new.things"])
def test_truncate_is_refused(make_shape, table):
    """Also on a single partition, at any depth."""
    shape = make_shape(PARTITIONED)
    with pytest.raises(psycopg.Error) as refused:
        shape.run(f"TRUNCATE {table}")
    assert refused.value.sqlstate == "TD014"


@pytest.mark.both
def test_truncate_follows_during_the_copy_and_after(make_shape):
    """Both sides are empty, and what is inserted then is carried over."""
    shape = make_shape(ORDINARY, truncate="follow")
    shape.run("SELECT pgtandem._backfill_start('shape', NULL)")
    shape.run("SELECT pgtandem._copy_next('shape', 64, 'insert')")
    for _ in range(2):
        shape.run("TRUNCATE old.things")
        assert shape.count() == 0
        shape.run(ROWS)
        assert shape.count() == 9
        shape.built.deploy("backfill")
        shape.equal()


@pytest.mark.both
@pytest.mark.parametrize(
    ("table", "left"), [("old.things", 0), ("old.things_1", 5), ("old.things_2", 4)]
)
def test_truncate_of_a_partition_follows(make_shape, table, left):
    """Its rows go on both sides, the others stay."""
    shape = make_shape(PARTITIONED, truncate="follow")
    shape.built.deploy("backfill")
    shape.run(f"TRUNCATE {table}")
    assert shape.run("SELECT count(*) FROM old.things") == [(left,)]
    shape.equal()
    assert shape.count() == left


@pytest.mark.both
def test_source_without_a_key_or_index(make_shape):
    """Nothing in the source is unique; two rows of one key are one row of the target."""
    shape = make_shape(ORDINARY)
    shape.built.deploy("backfill")
    shape.run("UPDATE old.things SET name = 'x' WHERE id < 4")
    shape.run("UPDATE new.things SET name = 'y' WHERE id > 6")
    shape.run("DELETE FROM old.things WHERE id = 5")
    shape.run("INSERT INTO old.things SELECT * FROM old.things WHERE id = 6")
    shape.run(
        "DELETE FROM old.things WHERE ctid IN (SELECT max(ctid) FROM old.things WHERE id = 6)"
    )
    assert shape.run("SELECT * FROM pgtandem.sync_failure") == []
    shape.equal()
    assert shape.count() == 8


@pytest.mark.both
@pytest.mark.parametrize("write", ["DELETE FROM old.things", "UPDATE old.things SET id = 50"])
def test_key_is_taken_again_without_a_unique_index(make_shape, dsn, write):
    """Another session inserts a second row of a key while the first row goes."""
    shape = make_shape(ORDINARY)
    shape.built.deploy("backfill")
    with Session(dsn) as one, Session(dsn) as two:
        two.run("BEGIN")
        two.run("INSERT INTO old.things VALUES (5, 1, 'second', NULL)")
        one.send(f"{write} WHERE id = 5 AND name = 'v5'").waits_for_lock(two)
        two.run("COMMIT")
        one.result()
    shape.equal()
    assert shape.run("SELECT name FROM new.things WHERE id = 5") == [("second",)]


@pytest.mark.both
@pytest.mark.parametrize("source", [ORDINARY, PARTITIONED], ids=["ordinary", "partitioned"])
def test_composite_key(make_shape, source):
    """A change of one column of the key is a key change; what the new side owns stays."""
    shape = make_shape(source, key="part, id")
    shape.built.deploy("backfill")
    shape.run("UPDATE new.things SET stars = 5")
    shape.run("UPDATE old.things SET part = 2 WHERE id = 2")
    shape.run("UPDATE old.things SET id = id + 100 WHERE part = 1")
    shape.run("UPDATE new.things SET id = id + 100 WHERE part = 2")
    shape.run("DELETE FROM new.things WHERE id = 109")
    assert shape.run("SELECT * FROM pgtandem.sync_failure") == []
    shape.equal()
    assert shape.count() == 8
    if source == ORDINARY:  # to triggers, a row that moves under another key is another row
        assert shape.run("SELECT DISTINCT stars FROM new.things") == [(5,)]


MOMENTS = """
mapping: shape
source: {table: old.moments, columns: {at: timestamptz, code: bytea, name: text}}
target: {table: new.moments, columns: {at: timestamptz, code: bytea, name: text}}
key: [at, code]
columns: {at: at, code: code, name: name}
"""


@pytest.mark.both
def test_keys_are_the_same_in_every_session(dsn):
    """Whatever a session says of TimeZone and the like, a row has one key in queue and failures."""
    table = "(at timestamptz, code bytea, name text, PRIMARY KEY (at, code));"
    build(
        dsn,
        MOMENTS,
        f"CREATE SCHEMA old; CREATE TABLE old.moments {table}"
        f"CREATE SCHEMA new; CREATE TABLE new.moments {table}"
        "ALTER TABLE new.moments ADD CHECK (name <> 'no');",
    )
    with Session(dsn) as one, Session(dsn) as two:
        one.run("SET TimeZone = 'Asia/Kathmandu'; SET bytea_output = 'escape'")
        two.run("SET TimeZone = 'America/St_Johns'; SET DateStyle = 'German'")
        one.run("INSERT INTO old.moments VALUES ('2026-11-23 10:00+01', '\\x00ff', 'no')")
        two.run("UPDATE old.moments SET name = 'NO' WHERE name = 'no'")
        one.run("UPDATE old.moments SET name = 'no'")
        two.run("DELETE FROM new.moments")
        two.run("DELETE FROM old.moments")
        keys = "SELECT DISTINCT key FROM pgtandem.recheck UNION SELECT key FROM pgtandem.{}"
        found = one.run(keys.format("sync_failure"))
        assert found == [(["2026-11-23T09:00:00+00:00", "\\x00ff"],)]
        one.run("INSERT INTO old.moments VALUES ('2026-11-23 10:00+01', '\\x00ff', 'yes')")
        for session in (one, two):
            assert session.run("SELECT key FROM pgtandem_shape.compared()") == found


@pytest.mark.both
def test_values_of_ten_megabytes(make_shape):
    """They are copied, carried over both ways and compared; chunks of them stay small."""
    shape = make_shape(ORDINARY)
    shape.run("ALTER TABLE old.things ALTER name SET STORAGE EXTERNAL")
    shape.run("UPDATE old.things SET name = repeat(name, 5000000) WHERE id IN (3, 7)")
    shape.run("SELECT set_config('pgtandem_shape.depth', '0', false)")
    shape.run("DELETE FROM new.things")
    shape.run("RESET pgtandem_shape.depth")
    shape.run("SELECT pgtandem.open_copy('shape')")
    shape.built.deploy("backfill")
    shape.run("UPDATE old.things SET name = name || 'x' WHERE id = 3")
    shape.run("UPDATE new.things SET name = name || 'y' WHERE id = 7")
    shape.run("CALL pgtandem.compare('shape')")
    shape.equal()
    lengths = shape.run("SELECT length(name) FROM old.things WHERE id IN (3, 7)")
    assert lengths == [(10_000_001,)] * 2


@pytest.mark.both
def test_delete_in_one_partition_while_another_is_written(make_shape, dsn):
    """A chunk of one partition is in flight; its row is deleted, another partition's is written."""
    shape = make_shape(PARTITIONED)
    with Session(dsn) as chunk:
        shape.run("SELECT pgtandem._backfill_start('shape', NULL)")
        chunk.run("BEGIN")
        chunk.run("SELECT pgtandem._copy_next('shape', 64, 'insert')")
        shape.run("DELETE FROM old.things WHERE id = 2")
        shape.run("UPDATE old.things SET name = 'z' WHERE id = 3")
        chunk.run("COMMIT")
    shape.run("CALL pgtandem.backfill('shape')")
    shape.equal()
    assert shape.count() == 8

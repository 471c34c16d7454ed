"""pgtandem verify and repair: each difference found, by key and column, and only these mended."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from command_line import Gear, Running, as_json, blocked, pgtandem, wait_for
from helpers import TIMEOUT, Session
from mappings import build

FIRST = "(SELECT min(id::text)::uuid FROM gear_ops.gear_items)"
LAST = "(SELECT max(id::text)::uuid FROM gear_ops.gear_items)"
EXTRA = "00000000-0000-4000-8000-000000000001"
USER = "(SELECT id FROM user_core.users LIMIT 1)"
DAMAGE = (
    f"UPDATE gear_ops.gear_items SET brand = 'spoilt ', category = NULL WHERE id = {FIRST}",
    f"DELETE FROM gear_ops.gear_items WHERE id = {LAST}",
    f"INSERT INTO gear_ops.gear_items (id, user_id, name) VALUES ('{EXTRA}', {USER}, 'too many')",
)


@pytest.fixture
def gear(filled_dsn):
    with psycopg.connect(filled_dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.backfill('gear')")
    return Gear(filled_dsn)


@pytest.fixture
def damage(gear):
    """Three keys that differ: changed, missing and extra."""
    first = gear.value(f"SELECT {FIRST}::text")
    last = gear.value(f"SELECT {LAST}::text")
    row = gear.rows("SELECT brand, type FROM user_core.old_equipment WHERE id = %s", first)[0]
    if row["type"] is None:
        gear.rows("UPDATE user_core.old_equipment SET type = 'rope' WHERE id = %s", first)
        row["type"] = "rope"
    gear.unseen(*DAMAGE)
    return {"changed": [first], "missing": [last], "extra": [EXTRA], "row": row}


@pytest.mark.both
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_equal(filled_dsn, gear, jobs):
    document = as_json("verify", "gear", "--jobs", jobs, dsn=filled_dsn)
    assert document["equal"] is True
    assert document["scope"] == "full"
    assert document["source_rows"] == document["target_rows"] == 3000
    assert document["missing"] == document["extra"] == document["changed"] == 0
    assert document["differences"] == []
    stored = gear.rows("SELECT * FROM pgtandem.comparison")
    assert [(row["id"], row["scope"], row["source_rows"]) for row in stored] == [
        (document["comparison"], "full", 3000)
    ]
    out, err = pgtandem("verify", "gear", "--jobs", jobs, dsn=filled_dsn)
    assert out.startswith("gear: equal. Compared every row on one snapshot in ")
    assert err == ""


@pytest.mark.both
@pytest.mark.parametrize("jobs", [1, 3])
def test_each_difference_by_key_and_column(filled_dsn, gear, damage, jobs):
    document = as_json("verify", "gear", "--jobs", jobs, dsn=filled_dsn, code=1)
    assert document["equal"] is False
    assert document["source_rows"] == document["target_rows"] == 3000
    assert (document["missing"], document["extra"], document["changed"]) == (1, 1, 1)
    found = {
        (each["kind"], each["key"][0], each["column"]): (each["old"], each["new"])
        for each in document["differences"]
    }
    first = damage["changed"][0]
    assert found.pop(("changed", first, "brand")) == (damage["row"]["brand"], "spoilt ")
    assert found.pop(("changed", first, "category")) == (damage["row"]["type"], None)
    assert {(kind, key, column) for kind, key, column in found} == {
        ("missing", damage["missing"][0], None),
        ("extra", EXTRA, None),
    }
    stored = gear.rows("SELECT * FROM pgtandem.difference")
    assert len(stored) == 4
    assert {row["comparison"] for row in stored} == {document["comparison"]}

    out, err = pgtandem("verify", "gear", "--limit", 1, dsn=filled_dsn, code=1)
    assert out.startswith("gear: 3 differences. ")
    assert "... and 3 more (--limit)" in out
    assert "To mend just these keys: pgtandem repair gear" in err


def test_a_difference_that_is_queued_is_named(filled_dsn, gear):
    """A sync that failed is in the queue: no surprise, and a drain makes up for it."""
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CHECK (name <> 'cursed') NOT VALID")
    gear.rows(f"INSERT INTO user_core.old_equipment (user_id, name) SELECT {USER}, 'cursed'")
    assert as_json("verify", "gear", dsn=filled_dsn, code=1)["queued"] == 1
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    assert "Each key that differs is in the queue" in err
    assert "pgtandem drain gear, then verify again" in " ".join(err.split())
    assert "pgtandem repair" not in err

    gear.unseen(f"UPDATE gear_ops.gear_items SET brand = 'spoilt ' WHERE id = {FIRST}")
    _, err = pgtandem("verify", "gear", "--sample", 10_000, dsn=filled_dsn, code=1)
    assert "1 of the keys that differ is in the queue" in " ".join(err.split())
    assert "To mend just these keys: pgtandem repair gear" in err

    gear.rows("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT gear_items_name_check")
    gear.rows("SELECT pgtandem.retry('gear')")
    pgtandem("drain", "gear", dsn=filled_dsn)
    document = as_json("verify", "gear", dsn=filled_dsn, code=1)
    assert (document["queued"], document["missing"], document["changed"]) == (0, 0, 1)


def test_repair_mends_exactly_those(filled_dsn, gear, damage):
    # Not in the comparison, so not to be touched.
    pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    gear.unseen(
        "UPDATE gear_ops.gear_items SET name = 'later' WHERE id ="
        f" (SELECT id FROM gear_ops.gear_items WHERE id <> '{EXTRA}' ORDER BY id OFFSET 5 LIMIT 1)"
    )
    versions = "SELECT id::text, xmin::text AS version FROM gear_ops.gear_items"
    before = {row["id"]: row["version"] for row in gear.rows(versions)}

    out, _ = pgtandem("repair", "gear", "--dry-run", dsn=filled_dsn, code=1)
    assert "found 3 differing keys; 3 differ now. Insert 1, update 1, delete 1:" in out
    assert '"spoilt "' in out
    assert "Nothing was changed (--dry-run)." in out
    out, err = pgtandem("repair", "gear", dsn=filled_dsn, code=2)
    assert "Nobody is there to be asked" in err
    assert {row["id"]: row["version"] for row in gear.rows(versions)} == before

    document = as_json("repair", "gear", "--yes", "--reason", "a bad import", dsn=filled_dsn)
    assert document["found"] == document["mended"] == 3
    assert document["left"] == 0
    actions = {each["action"]: each for each in document["steps"]}
    assert actions.keys() == {"insert", "update", "delete"}
    mended = {"column": "brand", "from": "spoilt ", "to": damage["row"]["brand"], "is_json": False}
    assert mended in actions["update"]["columns"]
    after = {row["id"]: row["version"] for row in gear.rows(versions)}
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert changed == {damage["changed"][0], damage["missing"][0], EXTRA}
    event = gear.rows("SELECT * FROM pgtandem.event WHERE kind = 'repair'")[0]
    assert event["role"] == "pgtandem_owner"
    assert event["reason"] == "a bad import"
    assert event["detail"] == {
        "comparison": document["comparison"], "keys": 3, "left": 0,
        "insert": 1, "update": 1, "delete": 1,
    }  # fmt: skip

    # A second time there is nothing to do; the row that came later is for a new comparison.
    out, _ = pgtandem("repair", "gear", "--yes", dsn=filled_dsn)
    assert "of which none differs now" in out
    pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    pgtandem("repair", "gear", "--yes", dsn=filled_dsn)
    pgtandem("verify", "gear", dsn=filled_dsn)


def test_repair_compares_where_nobody_did(filled_dsn, gear, damage):
    _, err = pgtandem("repair", "gear", "--yes", dsn=filled_dsn)
    assert "No comparison of gear as it is deployed now" in err
    assert gear.differing() == 0
    _, err = pgtandem("repair", "gear", "--comparison", 99, dsn=filled_dsn, code=2)
    assert 'Mapping "gear" has no comparison 99.' in err


def test_a_key_that_is_queued_twice_is_listed_once(filled_dsn, gear):
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT n CHECK (name <> 'no') NOT VALID")
    key = gear.value(f"UPDATE user_core.old_equipment SET name = 'no' WHERE id = {FIRST}"
                     " RETURNING id::text")  # fmt: skip
    document = as_json("repair", "gear", "--yes", dsn=filled_dsn, code=1)
    assert gear.value("SELECT count(*) FROM pgtandem.failures") == 2
    assert [each["key"] for each in document["failures"]] == [[key]]


def test_repair_says_what_it_could_not_mend(filled_dsn, gear, damage):
    pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    with blocked(filled_dsn, f"SELECT FROM gear_ops.gear_items WHERE id = '{EXTRA}' FOR UPDATE"):
        document = as_json("repair", "gear", "--yes", dsn=filled_dsn, code=1)
        out, err = pgtandem("repair", "gear", "--yes", dsn=filled_dsn, code=1)
    assert document["mended"] == 2
    assert document["left"] == 1
    assert [each["key"] for each in document["failures"]] == [[EXTRA]]
    assert document["failures"][0]["sqlstate"] == "55P03"
    assert "gear: 0 keys mended, 1 differ.\n" in out
    assert "Mend what the errors name, then: pgtandem retry gear; pgtandem drain gear" in err
    # It stays in the queue, and the next drain mends it.
    wait_for(lambda: as_json_drained(filled_dsn))
    assert gear.differing() == 0


def as_json_drained(dsn):
    pgtandem("retry", "gear", dsn=dsn)
    return as_json("drain", "gear", dsn=dsn)["left"] == 0


@pytest.mark.both
def test_a_sample_says_what_it_does_not_prove(filled_dsn, gear):
    document = as_json("verify", "gear", "--sample", 100, dsn=filled_dsn)
    assert document["scope"] == "sample"
    assert document["source_rows"] == document["target_rows"] == 100
    assert gear.value("SELECT scope FROM pgtandem.comparison") == "sample"
    _, err = pgtandem("verify", "gear", "--sample", 1, dsn=filled_dsn)
    assert "A sample proves nothing about the rows that are not in it" in err
    # A sample larger than the table is all of it.
    assert as_json("verify", "gear", "--sample", 10000, dsn=filled_dsn)["source_rows"] == 3000

    gear.unseen("UPDATE gear_ops.gear_items SET brand = 'spoilt'")
    document = as_json("verify", "gear", "--sample", 100, dsn=filled_dsn, code=1)
    assert document["changed"] == 100
    # Contract does not count it.
    conditions = as_json("gate", "gear", "--contract", dsn=filled_dsn, code=1)["conditions"]
    clean = next(each for each in conditions if each["name"] == "comparison_clean")
    assert clean["figure"] == "no full comparison with this mapping"


def test_a_sample_finds_what_is_missing_and_what_is_extra(filled_dsn, gear):
    gear.unseen("DELETE FROM gear_ops.gear_items WHERE id::text < '8'")
    gear.unseen("DELETE FROM user_core.old_equipment WHERE id::text >= '8'")
    document = as_json("verify", "gear", "--sample", 200, dsn=filled_dsn, code=1)
    assert document["missing"] == document["extra"] == 100


def test_while_the_copy_is_open_it_says_so(filled_dsn):
    document = as_json("verify", "gear", dsn=filled_dsn, code=1)
    assert document["missing"] == 3000
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    assert "The copy is not complete" in err
    assert "Next: pgtandem backfill gear" in err


def test_rows_of_the_new_applications_own_are_left_to_the_person(filled_dsn, gear):
    gear.rows("SELECT pgtandem.open_copy('gear')")
    gear.rows("UPDATE pgtandem.mapping SET sweep = 'ask'")
    gear.unseen(DAMAGE[2])
    _, err = pgtandem("backfill", "gear", dsn=filled_dsn, code=2)
    assert "(SQLSTATE TD026)" in err
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    assert "to keep one, insert it into the source" in err
    assert "backfill" not in err
    _, err = pgtandem("repair", "gear", "--yes", dsn=filled_dsn)
    assert err.endswith("Next: pgtandem backfill gear\n")
    pgtandem("backfill", "gear", dsn=filled_dsn)


def test_before_sync_it_does_not_speak_of_repair(filled_dsn):
    Gear(filled_dsn).rows("UPDATE pgtandem.mapping SET phase = 'expand', copy_state = 'none'")
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    assert "repair" not in err
    assert "Next: sqitch deploy --to gear_sync" in err


def test_more_differences_than_are_stored_are_all_counted(filled_dsn, gear):
    gear.rows(
        "INSERT INTO user_core.old_equipment (user_id, name)"
        " SELECT (SELECT id FROM user_core.users LIMIT 1), 'n' || n FROM generate_series(1, 9000) n"
    )
    gear.unseen("DELETE FROM gear_ops.gear_items")
    document = as_json("verify", "gear", "--jobs", 2, "--limit", 10000, dsn=filled_dsn, code=1)
    assert document["missing"] == 12000
    assert len(document["differences"]) == 10000
    assert gear.value("SELECT count(*) FROM pgtandem.difference") == 10000
    document = as_json("repair", "gear", "--yes", dsn=filled_dsn)
    assert document["found"] == document["mended"] == 10000
    assert gear.differing() == 2000


def test_after_contract_it_is_refused(filled_dsn, gear):
    gear.rows("UPDATE pgtandem.mapping SET phase = 'contract'")
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=2)
    assert 'Mapping "gear" is contracted' in err
    _, err = pgtandem("repair", "gear", "--yes", dsn=filled_dsn, code=2)
    assert "(SQLSTATE TD006)" in err


def test_a_table_that_was_dropped(filled_dsn, gear):
    gear.rows("DROP TABLE user_core.old_equipment CASCADE")
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=2)
    assert 'Error: The source of mapping "gear" no longer exists.' in err
    pgtandem("status", dsn=filled_dsn)
    pgtandem("status", "gear", dsn=filled_dsn)


def test_a_column_that_was_dropped(filled_dsn, gear):
    gear.rows("ALTER TABLE gear_ops.gear_items DROP COLUMN brand CASCADE")
    _, err = pgtandem("verify", "gear", dsn=filled_dsn, code=2)
    assert 'Error: Mapping "gear" lacks compared, compared_keys in its schema.' in err


def test_interrupted_it_ends_in_the_database_too(filled_dsn, gear):
    with (
        blocked(filled_dsn, "LOCK TABLE gear_ops.gear_items IN ACCESS EXCLUSIVE MODE"),
        Running("verify", "gear", "--jobs", 1, dsn=filled_dsn) as running,
    ):
        wait_for(gear.workers)
        code, out, err = running.end(signal.SIGINT)
    assert (code, out) == (130, "")
    assert "Interrupted." in err
    assert gear.workers() == []
    assert gear.rows("SELECT FROM pgtandem.comparison") == []


@pytest.mark.both
def test_no_false_alarm_under_writers(filled_dsn, gear):
    query = (
        "DO $$ BEGIN FOR i IN 1..100000 LOOP"
        " UPDATE user_core.old_equipment SET brand = i::text WHERE id ="
        " (SELECT id FROM user_core.old_equipment WHERE id >= gen_random_uuid() LIMIT 1);"
        " UPDATE gear_ops.gear_items SET category = i::text WHERE id ="
        " (SELECT id FROM gear_ops.gear_items WHERE id >= gen_random_uuid() LIMIT 1);"
        " COMMIT; END LOOP; END $$"
    )
    with (
        Session(filled_dsn) as writer,
        Running("drain", "gear", "--follow", "--interval", "100ms", dsn=filled_dsn) as follower,
    ):
        writer.send(query)
        for jobs in (1, 2, 3):
            assert as_json("verify", "gear", "--jobs", jobs, dsn=filled_dsn)["equal"]
        assert not writer.is_done()
        writer.close()
        deadline = time.monotonic() + TIMEOUT
        while gear.value("SELECT count(*) FROM pgtandem.recheck"):
            assert time.monotonic() < deadline
        code, out, _ = follower.end(signal.SIGINT)
    assert code == 0, gear.rows("SELECT reason, sqlstate, message, attempts FROM pgtandem.recheck")
    assert out == "gear: the queue is empty.\n"


INTEGERS = """
mapping: numbers
source: {table: plain.numbers, columns: {n: bigint, word: text}}
target: {table: plain.words, columns: {n: bigint, word: text}}
key: [n]
columns: {n: n, word: word}
sync: {mode: record, ways: forward}
"""
NUMBERS = """
CREATE SCHEMA plain;
CREATE TABLE plain.numbers (n bigint, word text);
CREATE TABLE plain.words (n bigint UNIQUE, word text);
INSERT INTO plain.numbers SELECT n, 'word ' || n FROM generate_series(-500, 4500) AS n;
"""


@pytest.fixture
def numbers(dsn):
    """A mapping whose source has no index and may hold NULLs in its key."""
    build(dsn, INTEGERS, NUMBERS)
    pgtandem("backfill", "numbers", dsn=dsn)
    return Gear(dsn)


@pytest.mark.both
@pytest.mark.parametrize("jobs", [1, 4])
def test_each_row_of_an_integer_key_is_counted_once(dsn, numbers, jobs):
    document = as_json("verify", "numbers", "--jobs", jobs, dsn=dsn)
    assert document["source_rows"] == document["target_rows"] == 5001
    assert as_json("verify", "numbers", "--sample", 50, dsn=dsn)["source_rows"] == 50


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_row_without_a_key_is_a_difference(dsn, numbers, jobs):
    numbers.rows("ALTER TABLE plain.numbers DISABLE TRIGGER USER")
    numbers.rows("INSERT INTO plain.numbers VALUES (NULL, 'nobody')")
    document = as_json("verify", "numbers", "--jobs", jobs, dsn=dsn, code=1)
    assert document["missing"] == 1
    assert document["differences"][0]["key"] == [None]


def test_a_key_that_the_source_has_twice_is_an_error(dsn, numbers):
    numbers.rows("ALTER TABLE plain.numbers DISABLE TRIGGER USER")
    numbers.rows("INSERT INTO plain.numbers VALUES (7, 'word 7')")
    _, err = pgtandem("verify", "numbers", dsn=dsn, code=2)
    assert "has 1 keys more than once (SQLSTATE TD025)" in err
    assert "For example [7]." in err

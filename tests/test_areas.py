"""Areas: what differs, counted by groups of columns that the mapping names."""

from __future__ import annotations

import pytest

from command_line import Gear, as_json, pgtandem
from mappings import build

MAPPING = """
mapping: users
source:
  table: old.users
  columns: {id: bigint, name: text, mail: text, born: date, place: text, status: text, hits: bigint}
target:
  table: new.users
  columns: {id: bigint, name: text, mail: text, born: date, place: text, status: text, hits: bigint,
            seen: boolean}
key: [id]
columns:
  {id: id, name: name, mail: mail, born: born, place: place, status: status, hits: hits,
   seen: {initial: "false"}}
areas:
  deletion: [status]
  account: [name, mail]
  birth: [born, place]
"""
LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.users (id bigint PRIMARY KEY, name text, mail text, born date, place text,
                        status text, hits bigint);
CREATE TABLE new.users (LIKE old.users INCLUDING ALL, seen boolean);
INSERT INTO old.users
SELECT n, 'name ' || n, n || '@example.org', date '2000-01-01' + n, 'here', 'active', n
FROM generate_series(1, 24000) AS n;
"""
AREAS = ["deletion", "account", "birth", None]


@pytest.fixture
def users(dsn):
    """A mapping with areas, copied."""
    build(dsn, MAPPING, LEGACY)
    users = Gear(dsn)
    users.rows("CALL pgtandem.backfill('users')")
    return users


def unseen(users, *statements):
    with users.connection.transaction():
        users.rows("SELECT set_config('pgtandem_users.depth', '0', true)")
        for statement in statements:
            users.rows(statement)


def changed(document):
    return {area["area"]: area["changed"] for area in document["areas"]}


def stored(users, comparison):
    """What was stored by areas, and the stored differences by areas."""
    areas = users.rows(
        "SELECT area, columns, changed FROM pgtandem.comparison_area WHERE comparison = %s"
        " ORDER BY place",
        comparison,
    )
    differences = users.rows(
        "SELECT area, kind, count(DISTINCT key) AS keys FROM pgtandem.difference"
        " WHERE comparison = %s GROUP BY area, kind",
        comparison,
    )
    return areas, {(row["area"], row["kind"]): row["keys"] for row in differences}


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_area_is_counted_beyond_what_is_stored(dsn, users, jobs):
    document = as_json("verify", "users", "--jobs", jobs, dsn=dsn)
    assert [area["area"] for area in document["areas"]] == AREAS
    assert [area["columns"] for area in document["areas"]] == [
        ["status"], ["name", "mail"], ["born", "place"], ["hits"],
    ]  # fmt: skip
    assert changed(document) == dict.fromkeys(AREAS, 0)
    unseen(
        users,
        "UPDATE new.users SET name = 'x', mail = NULL WHERE id <= 11000",
        "UPDATE new.users SET mail = 'y', place = 'there' WHERE id BETWEEN 10501 AND 20001",
        "UPDATE new.users SET status = 'deleted' WHERE id > 23990",
        "UPDATE new.users SET hits = -1 WHERE id = 22000",
        "DELETE FROM new.users WHERE id = 21000",
    )
    document = as_json("verify", "users", "--jobs", jobs, "--limit", 10000, dsn=dsn, code=1)
    expected = {"deletion": 10, "account": 20001, "birth": 9501, None: 1}
    assert changed(document) == expected
    assert document["changed"] == 20012
    assert len({repr(each["key"]) for each in document["differences"]}) <= 10000
    areas, _ = stored(users, document["comparison"])
    assert {area["area"]: area["changed"] for area in areas} == expected
    assert [area["area"] for area in areas] == AREAS
    # Where the stored ones are all of another area, those asked for are found all the same.
    document = as_json("verify", "users", "--area", "deletion", dsn=dsn, code=1)
    assert [each["key"] for each in document["differences"]] == [[n] for n in range(23991, 24001)]
    assert {(each["area"], each["column"], each["old"], each["new"]) for each in
            document["differences"]} == {("deletion", "status", "active", "deleted")}  # fmt: skip
    assert changed(document) == expected

    users.rows("CALL pgtandem.compare('users')")
    number = users.value("SELECT max(id) FROM pgtandem.comparison")
    areas, _ = stored(users, number)
    assert {area["area"]: area["changed"] for area in areas} == expected


def test_what_people_see(dsn, users):
    out, err = pgtandem("verify", "users", dsn=dsn)
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["ok", "rows", "each", "of", "24,000", "has", "its", "target"],
        ["ok", "deletion", "consistent", "in", "24,000", "rows"],
        ["ok", "account", "consistent", "in", "24,000", "rows"],
        ["ok", "birth", "consistent", "in", "24,000", "rows"],
        ["ok", "(other", "columns)", "consistent", "in", "24,000", "rows"],
    ]
    assert err == ""
    unseen(
        users,
        "UPDATE new.users SET name = 'x', mail = NULL WHERE id = 7",
        "UPDATE new.users SET name = 'z', place = 'there' WHERE id = 8",
        "DELETE FROM new.users WHERE id = 9",
    )
    out, err = pgtandem("verify", "users", dsn=dsn, code=1)
    assert [line.strip().split(maxsplit=2) for line in out.splitlines()[1:]] == [
        ["fail", "rows", "1 missing, 0 extra"],
        ["ok", "deletion", "consistent in 23,999 rows"],
        ["fail", "account", "2 of 23,999 rows differ"],
        ["fail", "birth", "1 of 23,999 rows differ"],
        ["ok", "(other", "columns)  consistent in 23,999 rows"],
    ]
    assert "To see what differs: pgtandem verify users --differences (or --area NAME)" in err
    out, err = pgtandem("verify", "users", "--differences", dsn=dsn, code=1)
    assert "7@example.org" in out
    assert "there" in out
    assert "missing" in out
    assert "To see what differs" not in err
    out, _ = pgtandem("verify", "users", "--area", "birth", dsn=dsn, code=1)
    assert "there" in out
    assert "example.org" not in out
    _, err = pgtandem("verify", "users", "--area", "birt", dsn=dsn, code=2)
    assert 'Mapping "users" has no area "birt"' in err
    assert 'Did you mean "birth"?' in err


def test_a_sample_counts_them_too_and_repair_mends_them(dsn, users):
    unseen(users, "UPDATE new.users SET name = 'x', born = NULL")
    document = as_json("verify", "users", "--sample", 100, dsn=dsn, code=1)
    rows = document["source_rows"]
    assert changed(document) == {"deletion": 0, "account": rows, "birth": rows, None: 0}
    unseen(users, "UPDATE new.users AS n SET name = o.name, born = o.born FROM old.users AS o"
                  " WHERE o.id = n.id AND n.id > 5")  # fmt: skip
    users.rows("CALL pgtandem.compare('users')")
    number = users.value("SELECT max(id) FROM pgtandem.comparison")
    areas, differences = stored(users, number)
    assert [area["changed"] for area in areas] == [0, 5, 5, 0]
    assert differences == {("account", "changed"): 5, ("birth", "changed"): 5}
    assert as_json("repair", "users", "--yes", dsn=dsn)["mended"] == 5
    assert changed(as_json("verify", "users", dsn=dsn)) == dict.fromkeys(AREAS, 0)


def test_compare_in_psql_says_each_area(dsn, users):
    unseen(users, "UPDATE new.users SET hits = NULL WHERE id < 4")
    said = []
    users.connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
    users.rows("CALL pgtandem.compare('users')")
    assert said[-4:] == [
        "deletion: 0 rows differ", "account: 0 rows differ", "birth: 0 rows differ",
        "other columns: 3 rows differ",
    ]  # fmt: skip


PATHS = """
mapping: users
source:
  table: old.users
  columns: {id: bigint, name: text, mail: text, born: date, place: text, status: text, hits: bigint}
target: {table: new.documents, columns: {id: bigint, profile: jsonb}}
key: [id]
columns:
  id: id
  profile.account.name: name
  profile.account.mail: mail
  profile.birth.born: born
  profile."birth"."its.place": place
  profile.status: status
areas:
  account: [profile.account.*]
  birth: ['"profile".birth.*']
  deletion: [profile.status]
"""
DOCUMENTS = "CREATE TABLE new.documents (id bigint PRIMARY KEY, profile jsonb);"


def test_areas_of_paths(dsn):
    built = build(dsn, PATHS, LEGACY + DOCUMENTS)
    assert built.mapping.areas == {
        "account": ["profile.account.name", "profile.account.mail"],
        "birth": ["profile.birth.born", 'profile."birth"."its.place"'],
        "deletion": ["profile.status"],
    }
    users = Gear(dsn)
    users.rows("CALL pgtandem.backfill('users')")
    unseen(
        users,
        "UPDATE new.documents SET profile = jsonb_set(profile, '{birth,born}', '\"1999-09-09\"')"
        " WHERE id <= 12000",
        "UPDATE new.documents SET profile = profile #- '{account,mail}' WHERE id = 24000",
    )
    document = as_json("verify", "users", "--area", "account", dsn=dsn, code=1)
    assert changed(document) == {"account": 1, "birth": 12000, "deletion": 0}
    assert document["differences"] == [
        {"key": [24000], "kind": "changed", "area": "account", "column": "profile.account.mail",
         "old": '"24000@example.org"', "new": None, "is_json": True}
    ]  # fmt: skip
    out, _ = pgtandem("verify", "users", "--area", "account", dsn=dsn, code=1)
    assert out.splitlines()[-1].split() == [
        "[24000]", "changed", "profile.account.mail", '"24000@example.org"', "NULL",
    ]  # fmt: skip
    unseen(users, "UPDATE new.documents SET profile = profile || '{\"status\": null}' WHERE id = 9")
    out, _ = pgtandem("repair", "users", "--yes", dsn=dsn)
    assert "profile.status" in out
    assert '"\\"' not in out

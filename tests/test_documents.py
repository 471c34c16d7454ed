"""Columns of the target that are paths in a JSONB document: typed both ways, the rest untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import Session
from mappings import Built, build, load
from pgtandem import documents
from pgtandem.errors import PgtandemError

LEGACY = """
CREATE SCHEMA shop;
CREATE TABLE shop.users (
    id integer PRIMARY KEY, name varchar(20), notes text, age integer, ok boolean, born date,
    at time, seen timestamptz, local timestamp, price numeric(20, 6), big bigint, ratio float8,
    tags text[], marks integer[], extra jsonb, raw json, code char(5), token uuid, status text,
    "odd ""%s"" $1.name" text
);
CREATE TABLE shop.profiles (user_id integer PRIMARY KEY, profile jsonb, skill jsonb);
"""
MAPPING = """
mapping: people
source:
  table: shop.users
  columns: {id: integer, name: varchar(20), notes: text, age: integer, ok: boolean, born: date,
            at: time, seen: timestamptz, local: timestamp, price: "numeric(20, 6)", big: bigint,
            ratio: float8, tags: "text[]", marks: "integer[]", extra: jsonb, raw: json,
            code: char(5), token: uuid, 'odd "%s" $1.name': text, status: text}
target:
  table: shop.profiles
  columns: {user_id: integer, profile: jsonb, skill: jsonb}
key: [user_id]
columns:
  user_id: id
  profile.account.name: name
  profile.account.notes: notes
  profile.account.age: age
  profile.account.ok: ok
  profile.birth.date: born
  profile.birth.time: at
  profile.account.seen: seen
  profile.local: local
  profile.account.price: price
  profile.account.big: big
  profile.account.ratio: ratio
  profile.tags: tags
  profile.account.deep.marks: marks
  profile.prefs.extra: extra
  profile.prefs.raw: raw
  profile.account.code: code
  profile.account.token: token
  profile."a.b %s 'x' \\".odd: 'odd "%s" $1.name'
"""
LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
ODD = '"odd ""%s"" $1.name"'
TYPED: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(LETTERS, max_size=20),
    "notes": st.text(LETTERS),
    "age": st.integers(-(2**31), 2**31 - 1),
    "ok": st.booleans(),
    "born": st.dates(),
    "at": st.times(),
    "seen": st.sampled_from(
        [
            "2024-01-01 08:00:00.5+08",
            "0044-03-15 00:00:00+00 BC",
            "infinity",
            "-infinity",
            "12024-06-01 00:00:00+00",
        ]
    ),
    "local": st.sampled_from(["2024-01-01 00:00:00.000001", "infinity", "0001-01-01 00:00:00"]),
    "price": st.decimals(-(10**13), 10**13, places=6) | st.just("NaN"),
    "big": st.integers(-(2**63), 2**63 - 1),
    "ratio": st.floats().map(lambda value: value + 0.0),  # JSON knows no -0
    "tags": st.lists(st.text(LETTERS, max_size=5) | st.none(), max_size=3),
    "marks": st.lists(st.integers(-9, 9), max_size=3),
    "extra": st.sampled_from(('{"a": [1, null]}', "[]", '"s"', "0", "null")),
    "raw": st.sampled_from(('{"a":  1}', "3", '"null"')),
    "code": st.text("abc ", max_size=5),
    "token": st.uuids(),
    ODD: st.text(LETTERS, max_size=5),
}
NAMES = ", ".join(TYPED)
COPIED = ("expand", "sync", "backfill")


def one(db: psycopg.Connection[Any], query: str, *values: Any) -> Any:
    row = db.execute(query.encode(), values or None).fetchone()
    assert row
    return row[0] if len(row) == 1 else row


def people(dsn: str, where: Path, *phases: str) -> Built:
    return build(dsn, MAPPING, LEGACY, phases or ("expand", "sync"), directory=where)


def differences(db: psycopg.Connection[Any]) -> list[Any]:
    return db.execute(
        "SELECT key, in_source, in_target, columns, source, target FROM pgtandem_people.compared()"
        " WHERE changed OR in_source <> in_target"
    ).fetchall()


@pytest.mark.both
def test_every_type_goes_there_and_back(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    """A row of the source makes one of the target, and that alone the same row of the source."""
    people(dsn, tmp_path)
    conn.execute(f"CREATE TEMP TABLE was AS SELECT id, {NAMES} FROM shop.users".encode())
    stage = f"INSERT INTO was (id, {NAMES}) VALUES (1, {', '.join(['?'] * len(TYPED))})"
    stage = stage.replace("%", "%%").replace("?", "%s")
    # A JSON null of the old row is NULL ever after.
    json = {"extra", "raw"}
    same = " AND ".join(
        f"nullif(w.{n}::jsonb, 'null') IS NOT DISTINCT FROM u.{n}::jsonb"
        if n in json
        else f"w.{n}::text IS NOT DISTINCT FROM u.{n}::text"
        for n in TYPED
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.tuples(*(st.none() | kind for kind in TYPED.values())))
    def trips(row: tuple[Any, ...]) -> None:
        conn.execute("TRUNCATE was")
        conn.execute("DELETE FROM shop.users")
        conn.execute(stage.encode(), row)
        conn.execute("SET timezone = 'Asia/Tokyo'")
        conn.execute(f"INSERT INTO shop.users (id, {NAMES}) SELECT * FROM was".encode())
        assert one(conn, "SELECT count(*) FROM pgtandem.recheck WHERE sqlstate IS NOT NULL") == 0
        assert differences(conn) == []
        profile = one(conn, "SELECT profile::text FROM shop.profiles")
        conn.execute("DELETE FROM shop.users")
        assert one(conn, "SELECT count(*) FROM shop.profiles") == 0
        conn.execute("SET timezone = 'America/New_York'")
        conn.execute(
            "INSERT INTO shop.profiles (user_id, profile) VALUES (1, %s::jsonb)", (profile,)
        )
        assert one(conn, "SELECT profile::text FROM shop.profiles") == profile
        assert differences(conn) == []
        assert one(conn, f"SELECT {same} FROM was AS w, shop.users AS u"), profile

    trips()


@pytest.mark.both
def test_every_update_of_a_copied_row_is_brought_over(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    """From any row to any other: what changed is written, whichever paths that are."""
    people(dsn, tmp_path, *COPIED)
    conn.execute("INSERT INTO shop.users (id) VALUES (1)")
    stage = f"UPDATE shop.users SET ({NAMES}) = ROW ({', '.join(['?'] * len(TYPED))})"
    stage = stage.replace("%", "%%").replace("?", "%s")

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.tuples(*(st.none() | kind for kind in TYPED.values())), st.sampled_from(list(TYPED)))
    def writes(row: tuple[Any, ...], alone: str) -> None:
        conn.execute(stage.encode(), row)
        assert differences(conn) == []
        conn.execute(f"UPDATE shop.users SET {alone} = NULL".replace("%", "%%").encode(), ())
        assert differences(conn) == []
        assert one(conn, "SELECT count(*) FROM pgtandem.recheck") == 0

    writes()


@pytest.mark.both
def test_an_update_of_a_copied_row_leaves_alone_what_it_did_not_change(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    people(dsn, tmp_path, *COPIED)
    conn.execute("INSERT INTO shop.users (id, name, at) VALUES (1, 'n', '12:34')")
    conn.execute(
        """UPDATE shop.profiles SET profile = jsonb_set(profile, '{birth,time}', '"12:34"')"""
    )
    conn.execute("UPDATE shop.users SET name = 'new'")
    assert one(
        conn, "SELECT profile #>> '{account,name}', profile #>> '{birth,time}' FROM shop.profiles"
    ) == ("new", "12:34")
    assert differences(conn) == []


UNSEEN = "SELECT set_config('pgtandem_people.depth', '0', false)"  # as if our own write


@pytest.mark.both
@pytest.mark.parametrize(
    "before",
    [
        "DELETE FROM shop.profiles",
        "INSERT INTO shop.profiles VALUES (2, '{\"account\": {}}')",
    ],
    ids=["missing", "the new key is taken"],
)
def test_what_may_not_be_copied_is_written_whole(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path, before: str
) -> None:
    people(dsn, tmp_path, *COPIED)
    conn.execute("INSERT INTO shop.users (id, name, born) VALUES (1, 'n', '2024-02-29')")
    conn.execute(UNSEEN)
    conn.execute(before.encode())
    conn.execute("RESET pgtandem_people.depth")
    conn.execute("UPDATE shop.users SET id = 2, name = 'new'" if "2" in before else
                 "UPDATE shop.users SET name = 'new'")  # fmt: skip
    assert differences(conn) == []


@pytest.mark.both
def test_while_the_copy_is_open_an_update_writes_the_whole_image(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    built = people(dsn, tmp_path, "expand")
    conn.execute(
        """INSERT INTO shop.users (id, name, born) VALUES (1, 'n', '2024-02-29');
        INSERT INTO shop.profiles VALUES (1, '{"account": {"badges": 1}}')"""
    )
    built.deploy("sync")
    conn.execute("UPDATE shop.users SET name = 'new'")
    assert differences(conn) == []
    built.deploy("backfill")
    built.revert("backfill")
    conn.execute(UNSEEN)
    conn.execute("UPDATE shop.profiles SET profile = '{}'")
    conn.execute("RESET pgtandem_people.depth")
    conn.execute("UPDATE shop.users SET name = 'newer'")
    assert differences(conn) == []


@pytest.mark.both
@pytest.mark.parametrize("phases", [("expand", "sync"), COPIED], ids=["open", "copied"])
@pytest.mark.parametrize(
    ("path", "value"),
    [("account,name", '"else"'), ("tags", '["a", "b"]'), ("prefs,extra", '{"a": 1, "b": 2}')],
)
def test_a_trigger_of_the_target_that_changes_a_value_is_noticed(
    conn: psycopg.Connection[Any],
    dsn: str,
    tmp_path: Path,
    phases: tuple[str, ...],
    path: str,
    value: str,
) -> None:
    """Also where the document contains what was to be written, and more."""
    people(dsn, tmp_path, *phases)
    conn.execute("INSERT INTO shop.users (id, name) VALUES (1, 'n')")
    conn.execute(
        f"""CREATE FUNCTION shop.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.profile := jsonb_set(NEW.profile, '{{{path}}}', '{value}'); RETURN NEW; END $$;
        CREATE TRIGGER meddle BEFORE UPDATE ON shop.profiles
        FOR EACH ROW EXECUTE FUNCTION shop.meddle()""".encode()
    )
    conn.execute("""UPDATE shop.users SET name = 'new', tags = '{a}', extra = '{"a": 1}'""")
    failed = conn.execute("SELECT key, sqlstate FROM pgtandem.recheck").fetchall()
    assert failed == [([1], "TD010")]
    assert one(conn, "SELECT profile #>> '{account,name}' FROM shop.profiles") == "n"


@pytest.mark.both
def test_what_else_the_document_holds_is_not_touched(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    """Rows that live already: the copy, the trigger and the drain merge their paths alone."""
    built = people(dsn, tmp_path, "expand")
    conn.execute(
        """INSERT INTO shop.users (id, name, age)
        SELECT n, 'name ' || n, n FROM generate_series(1, 9) n;
        INSERT INTO shop.profiles VALUES
            (1, '{"account": {"badges": [1], "name": "stale"}, "mine": {"a": null}}', '{"s": 1}'),
            (2, NULL, NULL), (3, '{"account": null}', '{}'), (4, '{"account": 7}', '{}')"""
    )
    built.deploy("sync")
    with pytest.raises(psycopg.Error, match="1 rows of mapping"):
        conn.execute("CALL pgtandem.backfill('people')")
    row = "SELECT profile -> 'account' -> 'badges', profile #>> '{account,name}', "
    row += "profile -> 'mine', skill FROM shop.profiles WHERE user_id = 1"
    assert one(conn, row) == ([1], "name 1", {"a": None}, {"s": 1})
    assert one(conn, "SELECT count(*) FROM shop.profiles") == 9
    assert one(conn, "SELECT profile FROM shop.profiles WHERE user_id = 4") == {"account": 7}
    failed = conn.execute(
        "SELECT key, sqlstate, message FROM pgtandem.recheck WHERE sqlstate IS NOT NULL"
    ).fetchall()
    assert failed == [([4], "TD029", failed[0][2])]
    assert failed[0][2].startswith("profile.account of the document is no object")
    found = conn.execute("SELECT key, columns FROM pgtandem_people.compared() WHERE changed")
    assert [key for key, _ in found] == [[4]]

    conn.execute("UPDATE shop.users SET name = 'new', age = NULL WHERE id IN (1, 4)")
    assert one(conn, row) == ([1], "new", {"a": None}, {"s": 1})
    conn.execute("UPDATE shop.profiles SET profile = profile - 'account' WHERE user_id = 4")
    conn.execute("CALL pgtandem.backfill('people')")
    assert differences(conn) == []
    assert (
        one(conn, "SELECT profile #>> '{account,name}' FROM shop.profiles WHERE user_id = 4")
        == "new"
    )


@pytest.mark.both
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_two_writers_of_one_document_both_win(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path, isolation: str
) -> None:
    people(dsn, tmp_path)
    conn.execute("INSERT INTO shop.users (id, name) VALUES (1, 'old')")
    own = "UPDATE shop.profiles SET profile = jsonb_set(profile, '{account,theirs}', '1')"
    with Session(dsn) as other, Session(dsn) as sync:
        other.run("BEGIN")
        other.run(own)
        sync.run(f"BEGIN ISOLATION LEVEL {isolation}")
        sync.send("UPDATE shop.users SET name = 'new'").waits_for_lock(other)
        other.run("COMMIT")
        sync.result()
        sync.run("COMMIT")
    conn.execute("CALL pgtandem.drain('people')")  # what a newer snapshot was needed for
    account = one(conn, "SELECT profile -> 'account' FROM shop.profiles")
    assert (account["name"], account["theirs"]) == ("new", 1)
    with Session(dsn) as sync, Session(dsn) as other:
        sync.run("BEGIN")
        sync.run("UPDATE shop.users SET name = 'newer'")
        other.send(own.replace("'1'", "'2'")).waits_for_lock(sync)
        sync.run("COMMIT")
        other.result()
    account = one(conn, "SELECT profile -> 'account' FROM shop.profiles")
    assert (account["name"], account["theirs"]) == ("newer", 2)
    assert differences(conn) == []


@pytest.mark.both
def test_what_has_no_way_back_is_refused_and_loses_nothing(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    people(dsn, tmp_path)
    conn.execute("INSERT INTO shop.users (id, age, seen, tags) VALUES (1, 7, now(), '{a}')")
    before = one(conn, "SELECT profile FROM shop.profiles")
    for path, value in {
        "account,age": ('"7"', "5.5", '{"a": 1}', "99999999999", '"x"'),
        "account,ok": ('"maybe"', "3"),
        "account,name": ('"more than twenty letters"', "3", "true"),
        "account,seen": ('"2024-01-01T00:00:00"', '"soon"', "1704067200"),
        "local": ('"2024-01-01T00:00:00Z"',),
        "birth,date": ('"2024-02-30"', '"2024-01-01T10:00:00"'),
        "tags": ('"a"', '[["a"]]', '[{"a": 1}]', "[1]"),
        "account,deep,marks": ('["x"]', "[1.5]"),
    }.items():
        for each in value:
            with pytest.raises(psycopg.Error) as caught:
                conn.execute(
                    "UPDATE shop.profiles SET profile = jsonb_set(profile, %s::text[], %s::jsonb)",
                    (f"{{{path}}}", each),
                )
            assert caught.value.sqlstate in {"TD011", "22P02", "22003", "22007", "22008", "22001"}
    assert one(conn, "SELECT profile FROM shop.profiles") == before
    # What means the same is kept as it was written.
    for path, each in (("account,seen", '"2024-01-01T08:00+08:00"'), ("birth,time", '"12:34"')):
        conn.execute(
            "UPDATE shop.profiles SET profile = jsonb_set(profile, %s::text[], %s::jsonb)",
            (f"{{{path}}}", each),
        )
        assert one(conn, f"SELECT profile #> '{{{path}}}' = '{each}' FROM shop.profiles")
    assert one(conn, "SELECT seen = '2024-01-01 00:00+00' AND at = '12:34' FROM shop.users")
    assert differences(conn) == []


@pytest.mark.parametrize("phases", [("expand", "sync"), COPIED], ids=["open", "copied"])
def test_null_missing_and_json_null_are_one(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path, phases: tuple[str, ...]
) -> None:
    people(dsn, tmp_path, *phases)
    conn.execute("INSERT INTO shop.users (id, name, extra) VALUES (1, 'n', 'null')")
    assert one(conn, "SELECT profile #> '{account,age}' = 'null' FROM shop.profiles")
    for document in ("profile - 'account'", "'{}'", "'{\"account\": null}'", "NULL"):
        conn.execute(f"UPDATE shop.profiles SET profile = {document}".encode())
        assert one(conn, "SELECT name FROM shop.users") is None
        assert differences(conn) == []
        conn.execute("UPDATE shop.users SET name = 'n'")
        assert one(conn, "SELECT profile #>> '{account,name}' FROM shop.profiles") == "n"


def test_a_document_for_a_row_that_is_not_copied_yet(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    """What it says goes to the source, what it leaves out comes from there."""
    built = people(dsn, tmp_path, "expand")
    conn.execute("ALTER TABLE shop.users ALTER status SET NOT NULL")  # which nothing maps
    conn.execute("INSERT INTO shop.users (id, name, age, status) VALUES (1, 'Ana', 7, 'x')")
    built.deploy("sync")
    conn.execute(
        "INSERT INTO shop.profiles (user_id, profile)"
        """ VALUES (1, '{"account": {"name": "Bo", "badges": 1}, "local": null}')"""
    )
    assert differences(conn) == []
    assert one(conn, "SELECT name, age, status FROM shop.users") == ("Bo", 7, "x")
    assert one(conn, "SELECT profile #> '{account,badges}' FROM shop.profiles") == 1
    conn.execute("DELETE FROM shop.profiles")
    assert one(conn, "SELECT count(*) FROM shop.users") == 0


def test_such_a_document_is_refused_where_the_source_cannot_hold_it(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    built = people(dsn, tmp_path, "expand")
    conn.execute("INSERT INTO shop.users (id, name) VALUES (1, 'Ana')")
    built.deploy("sync")
    with pytest.raises(psycopg.Error) as raised:
        conn.execute(
            "INSERT INTO shop.profiles (user_id, profile)"
            """ VALUES (1, '{"account": {"price": 0.0000001}}')"""
        )
    assert raised.value.sqlstate == "TD011"
    assert one(conn, "SELECT count(*) FROM shop.profiles") == 0


def test_a_write_beside_the_paths_does_nothing(
    conn: psycopg.Connection[Any], dsn: str, tmp_path: Path
) -> None:
    people(dsn, tmp_path)
    conn.execute("INSERT INTO shop.users (id, name) VALUES (1, 'n')")
    version = "SELECT u.xmin::text, p.xmin::text FROM shop.users u, shop.profiles p"
    user, profile = one(conn, version)
    conn.execute("UPDATE shop.profiles SET profile = profile || '{\"mine\": 1}', skill = '{}'")
    assert one(conn, version)[0] == user
    profile = one(conn, version)[1]
    conn.execute("UPDATE shop.users SET status = 'gone'")
    assert one(conn, version)[1] == profile


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("profil.a: name", 'the target has no column "profil"; did you mean "profile"?'),
        ("user_id.a: name", 'columns.user_id.a: a path needs a jsonb column, "user_id" is integer'),
        ('profile.a: "1"', "columns.profile.a: the value of an expression needs its type"),
        (
            'profile.a: {from: "1", type: "x; y", back: none}',
            'columns.profile.a: "x; y" is no type',
        ),
        ("profile.a: {from: name, equality: text}", "equality is not for a path"),
        ("user: {from: name, type: text}", 'the target has no column "user"'),
        ("skill: {from: extra, type: text}", "columns.skill: type is for a path"),
        ("{profile.a: name, profile.a.b: age}", '"profile.a" is mapped, too'),
        ("{profile: extra, profile.a.b: age}", '"profile" is mapped, too'),
        ("profile.a: times", "the JSON of timestamptz[] depends on the TimeZone"),
        ("profile..a: name", 'the target has no column "profile..a"'),
    ],
)
def test_mistakes_about_paths(written: str, mistake: str, tmp_path: Path) -> None:
    entries = written.strip("{}") if written.startswith("{") else written
    lines = ["user_id: id", *(entries.split(", ") if written.startswith("{") else [entries])]
    text = """
mapping: people
source: {table: shop.users, columns: {id: integer, name: text, age: integer, extra: jsonb,
                                     times: "timestamptz[]"}}
target: {table: shop.profiles, columns: {user_id: integer, profile: jsonb, skill: jsonb}}
key: [user_id]
columns:
"""
    with pytest.raises(PgtandemError) as caught:
        load(text + "".join(f"  {line}\n" for line in lines), tmp_path)
    assert mistake in (caught.value.detail or "")
    assert "mapping.yml:9" in (caught.value.detail or "") or "mapping.yml:10" in (
        caught.value.detail or ""
    )


def test_a_path_cannot_be_the_key(tmp_path: Path) -> None:
    with pytest.raises(PgtandemError) as caught:
        load(MAPPING.replace("key: [user_id]", "key: [profile.account.age]"), tmp_path)
    assert "is a path; a key is a column" in (caught.value.detail or "")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.b", ("a", ("b",))),
        ('a."b.c".d', ("a", ("b.c", "d"))),
        ('"a.x"."say ""b"""', ("a.x", ('say "b"',))),
        ("a", None),
        ("a.", None),
        (".a", None),
        ('a."b"c', None),
    ],
)
def test_split(name: str, place: Any) -> None:
    assert documents.split(name) == place

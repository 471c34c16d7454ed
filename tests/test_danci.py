"""examples/danci: the merge, the repair in place, their previews, and the exact undo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import psycopg
import pytest

from command_line import as_json, pgtandem
from conftest import fresh_database
from helpers import OWNER, ROOT, Session, psql, sqitch

PROJECT = ROOT / "examples" / "danci"
PROFILES, STATES = "danci.user_learning_profiles", "danci.word_learning_states"
NEVER_SET = "next_review_date IS NULL AND last_review_date IS NOT NULL"
PAST = "next_review_date < now()"


@pytest.fixture(scope="module")
def expanded(server, engine_template) -> Iterator[str]:
    """The old system with 300 learners, and the three views."""
    with fresh_database(server, "danci_template", engine_template) as name:
        dsn = server.dsn(name, OWNER)
        psql(PROJECT / "legacy.sql", dsn)
        psql(PROJECT / "generate.sql", dsn, users=300)
        sqitch("deploy", "--to-change", "reviews_expand", dsn=dsn, project=PROJECT)
        yield name


@pytest.fixture(scope="module")
def synced(server, expanded) -> Iterator[str]:
    """All of it, before the backfills."""
    with fresh_database(server, "danci_synced", expanded) as name:
        dsn = server.dsn(name, OWNER)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("UPDATE danci.amas_user_states SET attention = least(attention, 1)")
        # The gates of the backfills would copy so few rows themselves.
        for change in ("profiles_sync", "words_sync", "reviews_sync"):
            psql(PROJECT / f"deploy/{change}.sql", dsn)
        yield name


@pytest.fixture
def plain(make_database, expanded) -> str:
    return make_database(expanded)


@pytest.fixture
def dsn(make_database, synced) -> str:
    return make_database(synced)


@pytest.fixture
def rows(dsn) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    with psycopg.connect(dsn, autocommit=True) as connection:

        def ask(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query.encode(), parameters or None)
            return cursor.fetchall() if cursor.rownumber is not None else []

        yield ask


def contents(rows: Callable[..., list[tuple[Any, ...]]], table: str) -> set[tuple[Any, ...]]:
    """Every row as text, exactly."""
    return set(rows(f"SELECT t::text FROM {table} AS t"))


def counted(plan: dict[str, Any]) -> tuple[int, int, int]:
    return tuple(plan[each]["rows"] for each in ("create", "update", "leave"))  # type: ignore[return-value]


def test_the_plan_says_what_the_backfill_then_does(plain: str) -> None:
    with psycopg.connect(plain, autocommit=True) as connection:
        by_hand = connection.execute(
            f"SELECT count(*) FILTER (WHERE p.user_id IS NULL),"
            f" count(*) FILTER (WHERE p.updated_at < s.updated_at),"
            f" count(*) FILTER (WHERE p.updated_at >= s.updated_at)"
            f" FROM danci.amas_user_states AS s LEFT JOIN {PROFILES} AS p USING (user_id)"
        ).fetchone()
        assert by_hand
        plan = as_json("plan", "profiles", dsn=plain, code=1)
        assert counted(plan) == by_hand
        assert plan["failing"]["seen"] == 3
        connection.execute("UPDATE danci.amas_user_states SET attention = least(attention, 1)")
        assert counted(as_json("plan", "profiles", dsn=plain)) == by_hand
        # What it measures is what it will do: a profile that stays is not written there either.
        measured = connection.execute("SELECT sum(rows) FROM pgtandem.measure('profiles')")
        assert measured.fetchone() == (by_hand[0] + by_hand[1],)
        before = connection.execute(f"SELECT count(*) FROM {PROFILES}").fetchone()
        psql(PROJECT / "deploy/profiles_sync.sql", plain)
        done = as_json("backfill", "profiles", dsn=plain)
        after = connection.execute(f"SELECT count(*) FROM {PROFILES}").fetchone()
        assert before
        assert after
        assert after[0] - before[0] == by_hand[0]
        assert done["rows"] == by_hand[0] + by_hand[1]
    assert counted(as_json("plan", "profiles", dsn=plain)) == (0, 0, sum(by_hand))


def test_the_repair_by_category(dsn: str, rows) -> None:
    never, past = rows(
        f"SELECT count(*) FILTER (WHERE {NEVER_SET}), count(*) FILTER (WHERE {PAST}) FROM {STATES}"
    )[0]
    assert never
    assert past
    plan = as_json("plan", "reviews", dsn=dsn)
    found = {each["category"]: each["update"]["rows"] for each in plan["categories"]}
    assert found == {"never set": never, "in the past": past, "other": 0}
    right = f"NOT coalesce({NEVER_SET} OR {PAST}, false)"
    places = rows(f"SELECT ctid, xmin, t::text FROM {STATES} AS t WHERE {right}")
    before = contents(rows, STATES)

    assert as_json("backfill", "reviews", dsn=dsn)["rows"] == never + past
    assert rows(f"SELECT count(*) FROM {STATES} WHERE {NEVER_SET} OR {PAST}") == [(0,)]
    assert set(places) <= set(rows(f"SELECT ctid, xmin, t::text FROM {STATES} AS t"))
    verified = as_json("verify", "reviews", dsn=dsn)
    assert verified["changed"] == 0

    pgtandem("undo", "reviews", "--yes", dsn=dsn)
    assert contents(rows, STATES) == before


def test_rows_that_are_right_leave_no_trace_in_the_wal(dsn: str, rows) -> None:
    """As EXPLAIN says of the very statement of a chunk, in a transaction that is taken back."""
    as_json("backfill", "reviews", dsn=dsn)
    rows(f"VACUUM {STATES}")  # or the reader tidies up after the rows that were written
    relation, last = rows(
        "SELECT relation, max(last_block) FROM pgtandem.chunk WHERE mapping = 'reviews' GROUP BY 1"
    )[0]
    with psycopg.connect(dsn) as connection:
        plan = connection.execute(
            "EXPLAIN (ANALYZE, WAL, FORMAT JSON) SELECT pgtandem_reviews.copy_chunk"
            "(%s::regclass, 0, %s, 'overwrite')",
            (str(relation), last),
        ).fetchone()
    assert plan
    node = plan[0][0]["Plan"]
    assert (node.get("WAL Records", 0), node.get("WAL Bytes", 0)) == (0, 0)


def test_undo_of_a_merge_leaves_what_others_wrote(dsn: str, rows) -> None:
    before = {table: contents(rows, table) for table in (PROFILES, STATES)}
    for name in ("profiles", "words"):
        as_json("backfill", name, dsn=dsn)
    assert {t: contents(rows, t) for t in before} != before
    created, updated = rows(
        f"SELECT (SELECT p.user_id FROM {PROFILES} AS p WHERE theta = 0 LIMIT 1),"
        f" (SELECT p.user_id FROM {PROFILES} AS p JOIN danci.amas_user_states AS s"
        " USING (user_id, updated_at, attention) WHERE theta <> 0 LIMIT 1)"
    )[0]
    changed = (created, updated)
    for user in changed:
        rows(f"UPDATE {PROFILES} SET theta = 9 WHERE user_id = %s", user)
    kept = set(rows(f"SELECT t::text FROM {PROFILES} AS t WHERE theta = 9"))
    original = {row for row in before[PROFILES] if str(updated) not in row[0]}

    told = as_json("undo", "profiles", "--yes", dsn=dsn, code=1)
    assert {key for each in told["rows_left"] for key in each["key"]} == {
        str(each) for each in changed
    }
    assert contents(rows, PROFILES) == original | kept
    pgtandem("undo", "profiles", "--yes", "--force-changed", dsn=dsn)
    assert contents(rows, PROFILES) == before[PROFILES]

    pgtandem("undo", "words", "--yes", dsn=dsn)
    assert contents(rows, STATES) == before[STATES]
    # And there again.
    as_json("backfill", "words", dsn=dsn)
    assert as_json("verify", "words", dsn=dsn)["missing"] == 0


def test_all_of_it_by_the_name_of_the_project(dsn: str, rows) -> None:
    """Plan, backfill, verify and undo of three mappings; what the second wrote, the third mends."""

    def all_of_it(*arguments: object, code: int = 0) -> Any:
        return json.loads(
            pgtandem(*arguments, "danci", "--json", dsn=dsn, code=code, cwd=PROJECT)[0]
        )

    before = {table: contents(rows, table) for table in (PROFILES, STATES)}
    assert [each["mapping"] for each in all_of_it("plan")] == ["profiles", "words", "reviews"]
    _, err = pgtandem("undo", "danci", "--yes", dsn=dsn, code=2, cwd=PROJECT)
    assert 'No mapping of the project "danci" has anything to undo.' in err
    for name in ("profiles", "words", "reviews"):
        as_json("backfill", name, dsn=dsn)
    assert [each["missing"] + each["changed"] for each in all_of_it("verify")] == [0, 0, 0]
    told = all_of_it("undo", "--yes")
    assert [(each["mapping"], each["left"]) for each in told] == [
        ("reviews", 0), ("words", 0), ("profiles", 0),
    ]  # fmt: skip
    assert {table: contents(rows, table) for table in before} == before


def test_a_project_of_which_one_mapping_has_no_sync_yet(plain: str) -> None:
    psql(PROJECT / "deploy/reviews_sync.sql", plain)
    with psycopg.connect(plain, autocommit=True) as connection:
        before = connection.execute(f"SELECT t::text FROM {STATES} AS t ORDER BY 1").fetchall()
        as_json("backfill", "reviews", dsn=plain)
        out, _ = pgtandem("undo", "danci", "--yes", "--json", dsn=plain, cwd=PROJECT)
        assert [each["mapping"] for each in json.loads(out)] == ["reviews"]
        after = connection.execute(f"SELECT t::text FROM {STATES} AS t ORDER BY 1").fetchall()
    assert after == before


def test_the_newer_wins_at_the_same_instant(dsn: str, rows) -> None:
    """The canary writes a profile while a chunk waits for it: what it says last is there."""
    user = rows(
        f"SELECT user_id FROM {PROFILES} AS p JOIN danci.amas_user_states AS s USING (user_id)"
        " WHERE p.updated_at < s.updated_at LIMIT 1"
    )[0][0]
    with Session(dsn) as canary, Session(dsn) as chunk:
        canary.run("BEGIN")
        canary.run(
            f"UPDATE {PROFILES} SET attention = 0.5, updated_at = now() WHERE user_id = %s", (user,)
        )
        chunk.run("BEGIN")
        chunk.send(
            "SELECT pgtandem_profiles.copy_chunk('danci.amas_user_states', 0, 100, 'overwrite')"
        ).waits_for_lock(canary)
        canary.run("COMMIT")
        chunk.result()
        chunk.run("COMMIT")
    assert rows(f"SELECT attention FROM {PROFILES} WHERE user_id = %s", user) == [(0.5,)]


@pytest.mark.parametrize(
    ("signals", "verdict"),
    [
        ({"affected_percent": "1"}, "go on"),
        ({"affected_percent": "1.01"}, "hold"),
        ({"affected_percent": "10"}, "hold"),
        ({"affected_percent": "10.01"}, "roll back"),
        ({"affected_percent": "0", "damaged_rows": "1"}, "roll back"),
    ],
)
def test_the_decision_tree(dsn: str, rows, signals: dict[str, str], verdict: str) -> None:
    given = [f"--signal={name}={value}" for name, value in signals.items()]
    rows("CALL pgtandem.backfill('profiles')")
    rows("CALL pgtandem.compare('profiles')")
    told = as_json("gate", "profiles", *given, dsn=dsn, code=0 if verdict == "go on" else 1)
    assert told["verdict"] == verdict


def test_the_report_is_as_published(dsn: str, tmp_path) -> None:
    schema = json.loads((ROOT / "docs" / "consistency-report.schema.json").read_text())
    path = tmp_path / "consistency-report.json"
    pgtandem("verify", "reviews", "--report", path, dsn=dsn, code=1)
    report = json.loads(path.read_text())
    jsonschema.validate(report, schema)

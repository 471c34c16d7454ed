"""Merges into a table that lives: what each rule leaves, and that nothing of it is lost."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from typing import Any

import psycopg
import pytest

from command_line import as_json, pgtandem
from mappings import build, load
from pgtandem import render

LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.state (id integer PRIMARY KEY, name text, at timestamptz, away boolean DEFAULT false);
CREATE TABLE new.profile (
    user_id integer PRIMARY KEY, name text CHECK (name <> 'bad'), seen_at timestamptz, data jsonb, born text,
    own text DEFAULT 'default'
);
-- 1 to 6 are on both sides: older, the same time, newer, no time here, no time there, none at all.
INSERT INTO old.state VALUES
    (1, 'old', '2025-01-02Z'), (2, 'old', '2025-01-02Z'), (3, 'old', '2025-01-02Z'),
    (4, 'old', '2025-01-02Z'), (5, 'old', NULL), (6, 'old', NULL), (7, 'old', '2025-01-02Z');
INSERT INTO old.state VALUES (8, 'old', '2025-01-02Z', true);
INSERT INTO new.profile (user_id, name, seen_at, data, born, own) VALUES
    (1, 'new', '2025-01-01Z', '{"a": {"mine": 1}}', 'b', 'own'), (2, 'new', '2025-01-02Z', NULL, 'b', 'own'),
    (3, 'new', '2025-01-03Z', '{}', 'b', 'own'), (4, 'new', NULL, NULL, 'b', 'own'),
    (5, 'new', '2025-01-01Z', NULL, 'b', 'own'), (6, 'new', NULL, NULL, 'b', 'own'),
    (8, 'new', NULL, NULL, 'b', 'own'), (9, 'new', '2025-01-01Z', '{}', 'b', 'own');
"""
MAPPING = """
mapping: merged
source:
  table: old.state
  columns: {id: integer, name: text, at: timestamptz, away: boolean}
  filter: NOT away
target:
  table: new.profile
  columns: {user_id: integer, name: text, seen_at: timestamptz, data: jsonb, born: text}
key: [user_id]
columns: {user_id: id, name: name, seen_at: at, data.a.name: name, born: {initial: "'here'"}}
merge: {wins: newest, by: seen_at}
sync: {mode: queued, ways: forward}
"""
# Of the rows on both sides, those that are overwritten.
WON = {"source": {1, 2, 3, 4, 5, 6}, "target": set(), "newest": {1, 4}}


def mapping(rule: str, one_shot: bool = False) -> str:
    text = MAPPING if rule == "newest" else MAPPING.replace("newest, by: seen_at", rule)
    return text.replace("mode: queued, ways: forward", "ways: none") if one_shot else text


def run(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; the rows of the last."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def overwritten(dsn: str) -> set[int]:
    return {
        key
        for (key,) in run(dsn, "SELECT user_id FROM new.profile WHERE name = 'old' AND own = 'own'")
    }


def same(dsn: str) -> list[tuple[Any, ...]]:
    """All that the target holds."""
    return run(dsn, "SELECT t::text FROM new.profile AS t ORDER BY user_id")


@pytest.mark.parametrize("rule", WON)
def test_a_backfill_alone(dsn: str, rule: str) -> None:
    """What is missing is created, what is there is overwritten by the rule, the rest is left alone."""
    built = build(dsn, mapping(rule, one_shot=True), LEGACY)
    won = WON[rule]
    before = as_json("verify", "merged", dsn=dsn, code=1)
    assert (before["source_rows"], before["target_rows"]) == (7, 6)
    assert (before["missing"], before["extra"], before["changed"]) == (1, 0, len(won))
    # A sample takes keys of the target, too: its own rows are no difference either.
    assert as_json("verify", "merged", "--sample", "100", dsn=dsn, code=1)["extra"] == 0
    built.deploy("backfill")
    assert overwritten(dsn) == won
    rows = dict(run(dsn, "SELECT user_id, data FROM new.profile WHERE user_id IN (1, 7)"))
    # A path is merged into what else the document holds.
    assert rows[1] == {"a": {"mine": 1} | ({"name": "old"} if won else {})}
    assert rows[7] == {"a": {"name": "old"}}
    born = run(dsn, "SELECT user_id, born, own FROM new.profile WHERE born <> 'b'")
    assert born == [(7, "here", "default")]
    after = as_json("verify", "merged", dsn=dsn)
    assert (after["equal"], after["source_rows"], after["target_rows"]) == (True, 7, 7)
    status = run(dsn, "SELECT copy_state, sweep FROM pgtandem.mapping")
    assert status == [("complete", "none")]


def test_nothing_of_the_target_is_ever_deleted(dsn: str) -> None:
    """Not with its source row, nor out of the filter, nor by a repair, nor after a time without sync."""
    built = build(dsn, mapping("source"), LEGACY)
    run(dsn, "CALL pgtandem.backfill('merged')")
    built.deploy("backfill")
    keys = "SELECT user_id FROM new.profile ORDER BY 1"
    all_keys = [(n,) for n in range(1, 10)]
    assert run(dsn, keys) == all_keys
    run(
        dsn,
        "DELETE FROM old.state WHERE id = 1",
        "UPDATE old.state SET away = true WHERE id = 2",
        "UPDATE old.state SET id = 30, name = 'moved' WHERE id = 3",
        "CALL pgtandem.drain('merged')",
    )
    assert run(dsn, keys) == [*all_keys, (30,)]
    assert run(dsn, "SELECT count(*) FROM pgtandem.recheck") == [(0,)]
    assert as_json("verify", "merged", dsn=dsn)["equal"]
    # What the application deletes is missing, and comes back; what only the target has is nobody's.
    run(
        dsn,
        "DELETE FROM new.profile WHERE user_id = 4",
        "UPDATE new.profile SET name = 'x' WHERE user_id = 5",
    )
    as_json("verify", "merged", dsn=dsn, code=1)
    mended = as_json("repair", "merged", "--yes", dsn=dsn)
    assert {step["action"] for step in mended["steps"]} == {"insert", "update"}
    assert run(dsn, keys) == [*all_keys, (30,)]
    before = same(dsn)
    run(
        dsn, "SELECT pgtandem.queue('merged', '[9]', 'difference')", "CALL pgtandem.drain('merged')"
    )
    compared = "SELECT in_source, in_target FROM pgtandem_merged.compared_keys('[[9], [99]]')"
    assert run(dsn, compared) == [(False, False)] * 2
    assert same(dsn) == before
    built.revert("backfill")
    built.deploy("backfill")
    built.revert("backfill", "sync")
    run(dsn, "DELETE FROM old.state WHERE id IN (4, 5)")
    built.deploy("sync", "backfill")  # which asks nothing: TD026 is not for a merge
    assert same(dsn) == before
    built.revert("backfill", "sync", "expand")
    assert same(dsn) == before


def test_a_row_that_stays_need_not_fit(dsn: str) -> None:
    """An image that the target would refuse fails where it is to be written, and nowhere else."""
    for rule, failing in (("target", {7}), ("newest", {1, 4, 7})):
        run(dsn, "DROP SCHEMA IF EXISTS old, new CASCADE")
        built = build(dsn, mapping(rule), LEGACY)
        run(
            dsn,
            "UPDATE old.state SET name = 'bad'",
            "DELETE FROM pgtandem.recheck",
            "SELECT pgtandem._backfill_start('merged', NULL)",
            "SELECT pgtandem._copy_next('merged', 64, 'insert')",
        )
        failed = run(dsn, "SELECT key, sqlstate FROM pgtandem.recheck")
        assert {(key, state) for (key,), state in failed} == {(key, "23514") for key in failing}
        built.revert("sync", "expand")


def test_the_older_stamp_of_a_trigger_is_no_failure(dsn: str) -> None:
    """A trigger of the target notes the time of each write: then the target is the newer, and agrees."""
    build(dsn, mapping("newest"), LEGACY)
    run(
        dsn,
        """
        CREATE FUNCTION new.stamp() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.seen_at := now(); RETURN NEW; END $$;
        CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON new.profile
            FOR EACH ROW EXECUTE FUNCTION new.stamp();
        """,
        "CALL pgtandem.backfill('merged')",
        "UPDATE old.state SET at = now() - interval '1 hour', name = 'late' WHERE id = 1",
        "INSERT INTO old.state VALUES (10, 'late', now() - interval '1 hour')",
        "CALL pgtandem.drain('merged')",
    )
    assert run(dsn, "SELECT sqlstate FROM pgtandem.sync_failure") == []
    assert as_json("verify", "merged", dsn=dsn)["equal"]
    names = "SELECT name FROM new.profile WHERE user_id IN (1, 10) ORDER BY user_id"
    assert run(dsn, names) == [("old",), ("late",)]


def test_another_mapping_asks_about_the_rows_of_a_merge(dsn: str) -> None:
    """No longer a merge, it may not take the target's own rows for what the sync has missed."""
    build(dsn, mapping("newest"), LEGACY)
    run(dsn, "CALL pgtandem.backfill('merged')")
    before = same(dsn)
    plain = load(mapping("newest").replace("merge: {wins: newest, by: seen_at}\n", ""))
    scripts = {path.as_posix(): text for path, text in render.scripts(plain, "testing").items()}
    parts = [
        scripts[f"deploy/merged_{phase}.sql"]
        .partition(f"\n{render.BEGIN}\n")[2]
        .rpartition("COMMIT;")[0]
        for phase in ("expand", "sync")
    ]
    begin = "SELECT pgtandem.begin_rework('merged', '{old.state, new.profile}')"
    run(dsn, f"{begin};\n" + "\n".join(parts))
    assert run(dsn, "SELECT phase, copy_strategy, sweep FROM pgtandem.mapping") == [
        ("sync", "overwrite", "ask")
    ]
    with pytest.raises(psycopg.Error) as asked:
        run(dsn, "CALL pgtandem.backfill('merged')")
    assert asked.value.sqlstate == "TD026"
    assert [key for (key,) in run(dsn, "SELECT user_id FROM new.profile ORDER BY 1")] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
    ]
    assert len(same(dsn)) == len(before)


JOINED = """
mapping: merged
source: {table: old.word, columns: {id: integer}}
target: {table: new.word, columns: {id: integer, answers: bigint, right: numeric, at: timestamptz}}
key: [id]
joins:
  answer:
    table: old.answer
    columns: {word_id: integer, ok: boolean, at: timestamptz}
    touches: {id: word_id}
    values: {n: count(*), ok: count(*) FILTER (WHERE ok), last: max(at)}
columns:
  id: id
  answers: coalesce(answer.n, 0)
  right: "round(coalesce(answer.ok, 0) * 1.0 / greatest(answer.n, 1), 2)"
  at: answer.last
merge: {wins: newest, by: answers}
sync: {mode: queued, ways: forward}
"""
WORDS = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.word (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE old.word_1 PARTITION OF old.word FOR VALUES FROM (1) TO (20);
CREATE TABLE old.word_2 PARTITION OF old.word FOR VALUES FROM (20) TO (99);
CREATE TABLE old.answer (word_id integer, ok boolean, at timestamptz DEFAULT now());
CREATE INDEX ON old.answer (word_id);
CREATE TABLE new.word (id integer PRIMARY KEY, answers bigint, "right" numeric, at timestamptz);
INSERT INTO old.word SELECT generate_series(1, 30);
INSERT INTO old.answer SELECT n % 30 + 1, n % 3 > 0 FROM generate_series(1, 120) AS n;
INSERT INTO new.word SELECT n, n, 0 FROM generate_series(1, 6) AS n;
INSERT INTO new.word VALUES (99, 1, 1);
"""


def test_aggregates_of_a_partitioned_table(dsn: str) -> None:
    """By a count, which grows with every answer."""
    built = build(dsn, JOINED, WORDS)
    run(dsn, "CALL pgtandem.backfill('merged')")
    built.deploy("backfill")
    count = 'SELECT id, answers FROM new.word WHERE id < 7 OR "right" > 0.5 AND id = 99 ORDER BY 1'
    assert run(dsn, count) == [(1, 4), (2, 4), (3, 4), (4, 4), (5, 5), (6, 6), (99, 1)]
    run(
        dsn,
        "INSERT INTO old.answer SELECT 5, false FROM generate_series(1, 6)",
        "CALL pgtandem.drain('merged')",
    )
    assert run(dsn, "SELECT answers FROM new.word WHERE id = 5") == [(10,)]
    # A partition goes, and takes rows of the source along: those of the target stay.
    run(dsn, "ALTER TABLE old.word DETACH PARTITION old.word_2", "CALL pgtandem.backfill('merged')")
    assert run(dsn, "SELECT count(*) FROM new.word") == [(31,)]
    assert run(dsn, "SELECT copy_state, sweep FROM pgtandem.mapping") == [("complete", "none")]
    said, _ = pgtandem("verify", "merged", dsn=dsn)
    assert "19 rows of the source" in said

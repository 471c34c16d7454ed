"""Undo: the target is as if the tool had never run, but for what the applications wrote."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from mappings import build

LEGACY = """
CREATE SCHEMA shop;
CREATE TABLE shop.old (id integer PRIMARY KEY, a text, b numeric) WITH (fillfactor = 10);
CREATE TABLE shop.thing (
    id integer PRIMARY KEY, a text, b numeric, own text DEFAULT '', stamp integer DEFAULT 0
);
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.stamp := NEW.stamp + 1; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON shop.thing FOR EACH ROW
    WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION shop.touch();
CREATE FUNCTION shop.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE shop.thing SET own = own || '!' WHERE id IN (NEW.id, NEW.id + 1);
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER UPDATE OF a ON shop.thing FOR EACH ROW WHEN (NEW.a = 'x')
    EXECUTE FUNCTION shop.again();
"""

MAPPING = """
mapping: thing
source: {table: shop.old, columns: {id: integer, a: text, b: numeric}}
target: {table: shop.thing, columns: {id: integer, a: text, b: numeric}}
key: [id]
columns: {id: id, a: a, b: b}
sync: {mode: record, ways: forward}
backfill: {undo: true}
"""

RESET = """
DELETE FROM shop.old;
INSERT INTO shop.old
SELECT n, CASE n WHEN 4 THEN 'x' ELSE repeat('a', n) END, n FROM generate_series(1, 5) AS n;
DELETE FROM shop.thing; DELETE FROM pgtandem.recheck;
TRUNCATE pgtandem_thing.pre_image RESTART IDENTITY;
INSERT INTO shop.thing SELECT n, 'was', 1.50 FROM generate_series(4, 7) AS n;
SELECT pgtandem.open_copy('thing');
UPDATE pgtandem.mapping SET sweep = 'ask';
"""

KEYS = st.integers(1, 8)
VALUES = st.sampled_from(["'x'", "'was'", "NULL", "'it''s, (\"'"])
WRITES = {
    "INSERT INTO shop.old VALUES ({key}, {value}, 1.0) ON CONFLICT DO NOTHING",
    "UPDATE shop.old SET a = {value} WHERE id = {key}",
    "UPDATE shop.old SET id = id + 10 WHERE id = {key}",
    "UPDATE shop.old SET id = id - 10 WHERE id > 10 AND id - 10 NOT IN (SELECT id FROM shop.old)",
    "DELETE FROM shop.old WHERE id = {key}",
    "INSERT INTO shop.thing VALUES ({key}, {value}, 1.00) ON CONFLICT DO NOTHING",
    "UPDATE shop.thing SET a = {value} WHERE id = {key}",
    "UPDATE shop.thing SET own = {value} WHERE id = {key}",
    "DELETE FROM shop.thing WHERE id = {key}",
}


@dataclass
class Pending:
    """What we wrote of a key: the row before and after; whether others wrote between, or since."""

    before: str | None
    after: str | None
    broken: bool = False
    touched: bool = False

    @property
    def is_nothing(self) -> bool:
        return not self.broken and self.before == self.after


class Machine(RuleBasedStateMachine):
    """The model knows whole rows and who wrote them; the tool has hashes and a trigger."""

    connection: psycopg.Connection[Any]

    @initialize()
    def reset(self) -> None:
        self.connection.execute(RESET)
        self.pending: dict[int, Pending] = {}

    def rows(self) -> dict[int, str]:
        return dict(self.connection.execute("SELECT id, (t.*)::text FROM shop.thing AS t"))

    def versions(self) -> dict[int, str]:
        return dict(self.connection.execute("SELECT id, xmin || ' ' || ctid FROM shop.thing"))

    def ours(self, *statements: str) -> None:
        """Let the tool write, and note what it did."""
        before = self.rows()
        taken = {  # by an application, as far as the queue knows
            key
            for (key,) in self.connection.execute(
                "SELECT (key ->> 0)::integer FROM pgtandem.recheck GROUP BY key "
                "HAVING bool_and(reason = 'gone')"
            )
            if "CALL pgtandem.backfill('thing')" in statements
        }
        for statement in statements:
            try:
                self.connection.execute(statement.encode())
            except psycopg.Error as error:
                if error.sqlstate != "TD026":  # somebody has to decide about extra rows
                    raise
        after = self.rows()
        for key in before.keys() | after.keys():
            was, now = before.get(key), after.get(key)
            if was != now:
                known = self.pending.setdefault(key, Pending(was, was))
                known.broken |= known.touched or known.after != was
                known.broken |= now is None and key in taken
                known.after, known.touched = now, False

    @rule(write=st.sampled_from(sorted(WRITES)), key=KEYS, value=VALUES)
    def application(self, write: str, key: int, value: str) -> None:
        before = self.versions()
        self.connection.execute(write.format(key=key, value=value).encode())
        for each, version in self.versions().items():
            if each in self.pending and before.get(each) != version:
                self.pending[each].touched = True

    @rule()
    def same(self) -> None:
        self.application("UPDATE shop.thing SET own = own", 0, "")

    @rule()
    def chunk(self) -> None:
        self.ours(
            "SELECT pgtandem._list_new_leaves('thing')",
            "SELECT pgtandem._copy_next('thing', 1, 'overwrite')",
        )

    @rule()
    def backfill(self) -> None:
        self.ours("CALL pgtandem.backfill('thing')")

    @rule(key=KEYS)
    def repair(self, key: int) -> None:
        self.ours(
            f"SELECT pgtandem.queue('thing', '[{key}]', 'difference')",
            "CALL pgtandem.drain('thing', 'difference')",
        )

    @rule(key=KEYS, value=VALUES)
    def between(self, key: int, value: str) -> None:
        """An application writes between two writes of ours."""
        self.repair(key)
        self.application("UPDATE shop.thing SET a = {value} WHERE id = {key}", key, value)
        self.repair(key)

    @rule(force=st.booleans())
    def undo(self, force: bool) -> None:
        expected = self.rows()
        left: dict[int, Pending] = {}
        for key, known in self.pending.items():
            now = expected.get(key)
            changed = known.broken or known.touched or now != known.after
            if known.is_nothing or now == known.before:
                continue
            if not force and changed:
                left[key] = known
            elif known.before is None:
                expected.pop(key, None)
            else:
                expected[key] = known.before
        try:
            self.connection.execute("CALL pgtandem.undo('thing', %s)", (force,))
        except psycopg.Error as error:
            if error.sqlstate != "TD062":
                raise
            assert not self.pending
        self.pending = left
        assert self.but_for_echoes(self.rows()) == self.but_for_echoes(expected)
        found = self.connection.execute("SELECT (key ->> 0)::integer FROM pgtandem_thing.pre_image")
        assert {key for (key,) in found} == left.keys()
        # And nothing of ours writes again.
        expected = self.rows()
        self.connection.execute("CALL pgtandem.drain('thing')")
        assert self.rows() == expected

    def but_for_echoes(self, rows: dict[int, str]) -> dict[int, str]:
        """A row that stays may get a "!" more of the trigger, where another is restored."""
        return {
            key: re.sub(r"!*,\d+\)$", "", row) if key in self.pending else row
            for key, row in rows.items()
        }

    def teardown(self) -> None:
        if hasattr(self, "pending"):
            self.undo(False)
            self.undo(True)


def run(dsn: str, change: Callable[[str], str] | None = None) -> None:
    """Deploy once, and let the machine run on it."""
    build(dsn, MAPPING, LEGACY, change=change or str)
    with psycopg.connect(dsn, autocommit=True) as connection:
        Bound = type("Bound", (Machine,), {"connection": connection})  # noqa: N806
        how = settings(max_examples=25, stateful_step_count=15) if few() else settings()
        if change:  # to be found, not to be made small
            how = settings(how, phases=[Phase.generate], max_examples=200)
        run_state_machine_as_test(Bound, settings=how)


def few() -> bool:
    return settings().max_examples <= 25


def test_it_is_as_if_we_had_never_been_there(dsn):
    run(dsn)


MUTATIONS = {
    "what others wrote between is not seen": [("v_broken := true;", "NULL;")],
    "nobody looks whether the row is ours still": [
        ("v_broken := v_broken OR v_after", "v_broken := v_broken OR NULL IS NOT NULL AND v_after")
    ],
    "other triggers have the last word": [("    INTO NEW USING v_before;", "    USING v_before;")],
    "what came of which row is not asked": [
        ("AND b.after_xmin = o.before_xmin AND b.after_ctid = o.before_ctid", "AND false")
    ],
    "the same values again are no write": [
        ("v_after_xmin IS DISTINCT FROM v_writer", "false"),
        ("v_after_xmin IS DISTINCT FROM v_image.before_xmin", "false"),
    ],
    "what an application writes is recorded": [
        (".record', true) <> ''\n", ".record', true) IS DISTINCT FROM 'x'\n"),
        ("CASE current_setting('pgtandem_thing.record') WHEN", "CASE 'ours' WHEN"),
    ],
    "the last pre-image counts, not the first": [
        ("        IF v_columns IS NULL THEN\n", "        IF v_columns IS NULL OR true THEN\n")
    ],
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_broken_on_purpose_it_is_not(dsn, what):
    found: set[str] = set()

    def change(script: str) -> str:
        for old, new in MUTATIONS[what]:
            found.update([old] if old in script else [])
            script = script.replace(old, new)
        return script

    with pytest.raises(AssertionError):
        run(dsn, change)
    assert len(found) == len(MUTATIONS[what])

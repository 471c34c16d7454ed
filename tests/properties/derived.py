"""Mappings of several tables, of several rows, and in place, under random writes.

Each shape brings the statements of its applications and, written by hand, the queries that say what
its target should hold: independent of the mapping, so never derived from it.
"""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from properties.machine import ISOLATION
from properties.shapes import Shape
from properties.statements import Statement
from properties.world import CONFLICTS, Actor, World, connect, drain, finish_copy, run_script

Writes = st.SearchStrategy[str]


@dataclass(frozen=True)
class Derived:
    """A mapping with the writes of its applications.

    Attributes:
        shape: scripts and legacy tables.
        writes: statements of the old application.
        new_writes: statements of the new one, where it writes what is kept equal.
        wrong: a query that returns what is wrong in the target.
        copied: the same of what `fill` makes by chunks alone; None where chunks are no such thing.
        errors: SQLSTATEs that the applications may get from what they do themselves.
    """

    shape: Shape
    writes: Writes
    wrong: str
    new_writes: Writes | None = None
    emptied: str | None = None
    errors: frozenset[str] = field(default_factory=frozenset)

    def broken(self, *mutations: tuple[str, str]) -> Derived:
        """The same with the rendered SQL changed."""
        return Derived(
            self.shape.broken(*mutations), self.writes, self.wrong, self.new_writes, self.emptied,
            self.errors,
        )  # fmt: skip


def _shape(name: str, legacy: str, mapping: str) -> Shape:
    # The machine asks nothing of a shape's two sides: what they hold is said in SQL here.
    return Shape(name, legacy, mapping, None, None, None)  # type: ignore[arg-type]


def _one(*texts: str, **values: tuple[str, ...]) -> Writes:
    """One of some statements, with {name} filled in from the values of that name."""

    @st.composite
    def drawn(draw: st.DrawFn) -> str:
        text = draw(st.sampled_from(texts))
        for name, choices in values.items():
            while f"{{{name}}}" in text:
                text = text.replace(f"{{{name}}}", draw(st.sampled_from(choices)), 1)
        return text

    return drawn()


JOINED = """
CREATE SCHEMA bill;
CREATE TABLE bill.tariff (code text PRIMARY KEY, level integer);
CREATE TABLE bill.person (
    id integer PRIMARY KEY, email text UNIQUE, tariff text, away boolean DEFAULT false, seen
        integer DEFAULT 0
) WITH (fillfactor = 10);
CREATE INDEX ON bill.person (tariff);
CREATE TABLE bill.talk (
    id integer PRIMARY KEY, person_id integer REFERENCES bill.person ON DELETE CASCADE, loud boolean
);
CREATE INDEX ON bill.talk (person_id);
CREATE TABLE bill.message (
    id integer PRIMARY KEY, talk_id integer REFERENCES bill.talk ON DELETE CASCADE ON UPDATE
        CASCADE,
    day integer, note text
);
CREATE INDEX ON bill.message (talk_id);
CREATE TABLE bill.payment (
    id integer PRIMARY KEY, person_id bigint, amount numeric, status text, seen integer DEFAULT 0
);
CREATE INDEX ON bill.payment (person_id);
CREATE TABLE bill.mail (id integer PRIMARY KEY, "to" varchar(20), words integer);
CREATE INDEX ON bill.mail ("to");
CREATE TABLE bill.sum (
    person_id integer PRIMARY KEY, days bigint, last text, paid numeric, plan text, mails bigint,
        level integer,
    loudest integer, used integer DEFAULT 0
);
INSERT INTO bill.tariff VALUES ('a', 1), ('b', 2);
INSERT INTO bill.person SELECT n, 'm' || n, 'a' FROM generate_series(1, 4) AS n;
INSERT INTO bill.talk SELECT n, n % 4 + 1, n % 2 = 0 FROM generate_series(1, 5) AS n;
INSERT INTO bill.message SELECT n, n % 5 + 1, n % 3, 'n' || n FROM generate_series(1, 9) AS n;
INSERT INTO bill.payment SELECT n, n % 5, n % 3, 'paid' FROM generate_series(1, 6) AS n;
INSERT INTO bill.mail SELECT n, 'm' || n % 5, n FROM generate_series(1, 6) AS n;
"""

JOINS = """
mapping: joined
source:
  table: bill.person
  columns: {id: integer, email: text, tariff: text, away: boolean}
  filter: away IS NOT TRUE
target:
  table: bill.sum
  columns: {person_id: integer, days: bigint, last: text, paid: numeric, plan: text, mails: bigint,
    level: integer, loudest: integer}
key: [person_id]
joins:
  payment:
    table: bill.payment
    columns: {id: integer, person_id: bigint, amount: numeric, status: text}
    touches: {id: person_id}
    filter: status <> 'void'
    values: {paid: sum(amount)}
  best:
    table: bill.payment
    columns: {id: integer, person_id: bigint, amount: numeric, status: text}
    touches: {id: person_id}
    first: amount DESC NULLS LAST
    values: {plan: status}
  talk:
    table: bill.talk
    columns: {id: integer, person_id: integer, loud: boolean}
    touches: {id: person_id}
  message:
    table: bill.message
    columns: {id: integer, talk_id: integer, day: integer, note: text}
    touches: {talk.id: talk_id}
    values: {days: count(DISTINCT day)}
  latest:
    table: bill.message
    columns: {id: integer, talk_id: integer, day: integer, note: text}
    touches: {talk.id: talk_id}
    filter: talk.loud
    first: latest.day DESC NULLS LAST, latest.id
    values: {note: note, talk: talk.id}
  mail:
    table: bill.mail
    columns: {to: varchar(20), words: integer}
    touches: {email: '"to"'}
    values: {mails: count(*)}
  tariff:
    table: bill.tariff
    columns: {code: text, level: integer}
    touches: {tariff: code}
    values: {level: level}
columns:
  person_id: id
  days: coalesce(message.days, 0)
  last: latest.note
  paid: payment.paid
  plan: best.plan
  mails: coalesce(mail.mails, 0)
  level: tariff.level
  loudest: latest.talk
sync: {mode: queued, ways: forward}
"""

JOINED_WRONG = """
SELECT coalesce(e.person_id, t.person_id), e, t
FROM (
    SELECT p.id AS person_id,
           (SELECT count(DISTINCT m.day) FROM bill.message m, bill.talk k
            WHERE m.talk_id = k.id AND k.person_id = p.id) AS days,
           (SELECT m.note FROM bill.message m, bill.talk k
            WHERE m.talk_id = k.id AND k.person_id = p.id AND k.loud
            ORDER BY m.day DESC NULLS LAST, m.id LIMIT 1) AS last,
           (SELECT sum(y.amount) FROM bill.payment y
            WHERE y.person_id = p.id AND y.status <> 'void') AS paid,
           (SELECT min(y.status COLLATE "C") COLLATE "default" FROM bill.payment y
            WHERE y.person_id = p.id AND y.amount IS NOT DISTINCT FROM (
                SELECT max(z.amount) FROM bill.payment z WHERE z.person_id = p.id)) AS plan,
           (SELECT count(*) FROM bill.mail l WHERE l."to" = p.email) AS mails,
           (SELECT f.level FROM bill.tariff f WHERE f.code = p.tariff) AS level,
           (SELECT k.id FROM bill.message m, bill.talk k
            WHERE m.talk_id = k.id AND k.person_id = p.id AND k.loud
            ORDER BY m.day DESC NULLS LAST, m.id LIMIT 1) AS loudest
    FROM bill.person p WHERE NOT p.away OR p.away IS NULL
) AS e
FULL JOIN (SELECT person_id, days, last, paid, plan, mails, level, loudest FROM bill.sum) AS t
  ON t.person_id = e.person_id
WHERE e IS DISTINCT FROM t
"""

PERSON, TALK, SMALL = ("1", "2", "3", "4"), ("1", "2", "3", "4", "5"), ("0", "1", "2", "NULL")


def joined() -> Derived:
    """Aggregates and a first row, directly, through another table, by a column that is no key."""
    return Derived(
        _shape("joined", JOINED, JOINS),
        _one(
            "INSERT INTO bill.person VALUES ({p}, 'm{p}', {f})",
            (
                "INSERT INTO bill.person VALUES ({p}, 'm{p}', {f}) ON CONFLICT (id) DO UPDATE "
                "SET away = NOT person.away"
            ),
            "DELETE FROM bill.person WHERE id = {p}",
            "UPDATE bill.person SET id = {p} WHERE id = {p}",
            "UPDATE bill.person SET email = 'm{p}' WHERE id = {p}",
            "UPDATE bill.person SET email = NULL",
            "UPDATE bill.person SET tariff = {f} WHERE id = {p}",
            "UPDATE bill.person SET away = {b} WHERE id IN ({p}, {p})",
            "UPDATE bill.person SET seen = seen + 1",
            "INSERT INTO bill.talk VALUES ({t}, {p}, {b})",
            "UPDATE bill.talk SET person_id = {p} WHERE id IN ({t}, {t})",
            "UPDATE bill.talk SET loud = {b} WHERE id = {t}",
            "UPDATE bill.talk SET id = {t} WHERE id = {t}",
            "UPDATE bill.talk SET person_id = NULL WHERE id = {t}",
            "DELETE FROM bill.talk WHERE id = {t}",
            (
                "INSERT INTO bill.message SELECT n, {t}, {s}, 'n{s}' FROM generate_series(1, 9) "
                "AS n ON CONFLICT DO NOTHING"
            ),
            "INSERT INTO bill.message VALUES ({t}, {t}, {s}, 'x{s}')",
            "UPDATE bill.message SET talk_id = {t}, day = {s} WHERE id = {t}",
            "UPDATE bill.message SET note = 'n{s}' WHERE id IN ({t}, {t})",
            "UPDATE bill.message SET talk_id = {t} WHERE talk_id = {t}",
            "DELETE FROM bill.message WHERE id % 3 = {s}",
            "INSERT INTO bill.payment VALUES ({t}, {p}, {s}, {v})",
            "UPDATE bill.payment SET person_id = {p} WHERE id = {t}",
            "UPDATE bill.payment SET person_id = 5000000000 WHERE id = {t}",
            "UPDATE bill.payment SET status = {v} WHERE person_id = {p}",
            "UPDATE bill.payment SET amount = {s}",
            "DELETE FROM bill.payment WHERE id = {t}",
            "WITH gone AS (DELETE FROM bill.payment WHERE id = {t} RETURNING *) "
            "INSERT INTO bill.payment SELECT id, {p}, amount, {v} FROM gone",
            "INSERT INTO bill.mail VALUES ({t}, 'm{p}', {s})",
            "UPDATE bill.mail SET \"to\" = 'm{p}' WHERE id = {t}",
            "DELETE FROM bill.mail WHERE id = {t}",
            "UPDATE bill.tariff SET level = {s} WHERE code = {f}",
            "DELETE FROM bill.tariff WHERE code = {f}",
            "INSERT INTO bill.tariff VALUES ({f}, {s})",
            "UPDATE bill.tariff SET code = {f} WHERE code = {f}",
            p=PERSON, t=TALK, s=SMALL, b=("true", "false", "NULL"), f=("'a'", "'b'"),
            v=("'paid'", "'void'", "'back'"),
        ),
        JOINED_WRONG,
        emptied="bill.sum",
        errors=frozenset({"23502"}),
    )  # fmt: skip


PROFILES = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.profile (a integer, b text, data jsonb, gone boolean DEFAULT false, seen
    integer, PRIMARY KEY (a, b))
WITH (fillfactor = 10);
CREATE TABLE new.part (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text NOT NULL, b text NOT NULL, a integer
        NOT NULL,
    value jsonb, at integer, own text DEFAULT 'new', UNIQUE (a, b, kind)
);
INSERT INTO old.profile SELECT n, 'x', jsonb_build_object('k', n, 'l', 1, 'other', n) FROM
    generate_series(1, 3) AS n;
INSERT INTO new.part (a, b, kind, value) VALUES (1, 'x', 'mine', '0'), (9, 'x', 'mine', '0');
"""

PARTS = """
mapping: parts
source:
  table: old.profile
  columns: {a: integer, b: text, data: jsonb, gone: boolean}
  filter: NOT gone
target:
  table: new.part
  columns: {a: integer, b: text, kind: text, value: jsonb, at: integer}
  filter: kind <> 'mine'
rows:
  part: SELECT key, value FROM jsonb_each(data) AS j WHERE key IN ('k', 'l', 'm')
key: [a, b, kind]
columns:
  a: a
  b: b
  kind: part.key
  value: part.value
  at: {initial: a}
sync: {mode: queued, ways: forward}
"""

PARTS_WRONG = """
SELECT coalesce(e.a, t.a), e, t
FROM (SELECT p.a, p.b, j.key AS kind, j.value
      FROM old.profile p, jsonb_each(p.data) j WHERE p.gone = false AND j.key = ANY ('{k,l,m}'))
          AS e
FULL JOIN (SELECT a, b, kind, value FROM new.part WHERE kind <> 'mine') AS t
  ON (t.a, t.b, t.kind) = (e.a, e.b, e.kind)
WHERE e IS DISTINCT FROM t
UNION ALL
SELECT 0, ROW(2), ROW(count(*)) FROM new.part WHERE kind = 'mine' HAVING count(*) <> 2
"""


def parts() -> Derived:
    """One row to several, under a key of three columns, beside rows of another owner."""
    return Derived(
        _shape("parts", PROFILES, PARTS),
        _one(
            "INSERT INTO old.profile VALUES ({a}, {b}, {d})",
            (
                "INSERT INTO old.profile VALUES ({a}, {b}, {d}) ON CONFLICT (a, b) DO UPDATE "
                "SET data = excluded.data"
            ),
            "UPDATE old.profile SET data = {d} WHERE a = {a}",
            "UPDATE old.profile SET data = data - {k} WHERE a IN ({a}, {a})",
            "UPDATE old.profile SET data = data || {d}",
            "UPDATE old.profile SET gone = {g} WHERE a = {a}",
            "UPDATE old.profile SET a = {a} WHERE a = {a} AND b = {b}",
            "UPDATE old.profile SET b = {b} WHERE a = {a}",
            "UPDATE old.profile SET seen = 1",
            "DELETE FROM old.profile WHERE a = {a}",
            "WITH gone AS (DELETE FROM old.profile WHERE a = {a} RETURNING *) "
            "INSERT INTO old.profile SELECT a, b, {d}, gone, seen FROM gone",
            a=("1", "2", "3", "4"), b=("'x'", "'y'"), k=("'k'", "'l'", "'m'"), g=("true",
                "false", "NULL"),
            d=("NULL", "'{}'", """'{"k": 1}'""", """'{"k": 2, "l": null}'""",
               """'{"l": {"k": 3}, "m": "x", "other": 1}'"""),
        ),
        PARTS_WRONG,
        new_writes=_one(
            "UPDATE new.part SET own = 'app', at = 7",
            "UPDATE new.part SET own = {o} WHERE a = {a} AND kind = 'k'",
            a=("1", "2", "3", "4"), o=("'1'", "'2'"),
        ),
        emptied="new.part",
        errors=frozenset({"22023", "23502"}),
    )  # fmt: skip


PEOPLE = """
CREATE SCHEMA shop;
CREATE TABLE shop.person (
    id integer PRIMARY KEY, name text, cents integer, seen integer DEFAULT 0, out boolean DEFAULT
        false,
    full_name text, price numeric(12, 2), first text, last text, level text NOT NULL DEFAULT
        'none', nick text
) WITH (fillfactor = 10);
INSERT INTO shop.person (id, name, cents) VALUES (1, 'Ada L', 1), (2, NULL, NULL), (3, 'Bo', 0),
    (4, 'C D E', -5);
"""

IN_PLACE = """
mapping: changed
source:
  table: shop.person
  columns: {id: integer, name: text, cents: integer, nick: text, out: boolean}
target:
  table: shop.person
  columns: {id: integer, full_name: text, price: "numeric(12, 2)", first: text, last: text,
      level: text}
key: [id]
columns:
  id: id
  full_name: nick
  price: {from: cents / 100.0, back: {cents: price * 100}}
  first: {from: "split_part(name, ' ', 1)", back: {name:
      "first || coalesce(' ' || nullif(last, ''), '')"}}
  last: {from: "substr(name, length(split_part(name, ' ', 1)) + 2)", back: none}
  level: {from: "CASE WHEN cents > 0 THEN 'payer' ELSE 'none' END", back: none}
sync: {mode: MODE, ways: both}
"""

CHANGED_WRONG = """
SELECT id, p FROM shop.person p
WHERE CONDITION AND (
      full_name IS DISTINCT FROM nick
   OR price IS DISTINCT FROM round(cents / 100.0, 2)
   OR first IS DISTINCT FROM (CASE WHEN name IS NOT NULL THEN (string_to_array(name, ' '))[1] END)
      AND NOT (name = '' AND first = '')
   OR last IS DISTINCT FROM (CASE WHEN position(' ' IN name) > 0 THEN substr(name, position(' '
       IN name) + 1)
                                  WHEN name IS NOT NULL THEN '' END)
   OR level IS DISTINCT FROM (CASE WHEN cents > 0 THEN 'payer' ELSE 'none' END))
"""

OLD_PERSON = _one(
    "INSERT INTO shop.person (id, name, cents) VALUES ({p}, {n}, {c})",
    (
        "INSERT INTO shop.person (id, nick) VALUES ({p}, {n}) ON CONFLICT (id) DO UPDATE SET "
        "nick = excluded.nick, cents = {c}"
    ),
    (
        "INSERT INTO shop.person (id, name) VALUES ({p}, {n}) ON CONFLICT (id) DO UPDATE SET "
        "name = excluded.name"
    ),
    (
        "INSERT INTO shop.person (id, name, cents) SELECT n, {n}, {c} FROM generate_series(1, "
        "6) AS n ON CONFLICT DO NOTHING"
    ),
    "UPDATE shop.person SET name = {n} WHERE id = {p}",
    "UPDATE shop.person SET name = {n}, cents = {c}, nick = {n} WHERE id IN ({p}, {p})",
    "UPDATE shop.person SET cents = {c}",
    "UPDATE shop.person SET seen = seen + 1",
    "UPDATE shop.person SET out = {b} WHERE id IN ({p}, {p})",
    "UPDATE shop.person SET out = {b}, name = {n} WHERE id = {p}",
    "UPDATE shop.person SET id = {p} WHERE id = {p}",
    "DELETE FROM shop.person WHERE id = {p}",
    "WITH gone AS (DELETE FROM shop.person WHERE id = {p} RETURNING *) "
    "INSERT INTO shop.person (id, name, cents, nick) SELECT id, {n}, cents, nick FROM gone",
    p=("1", "2", "3", "4", "5", "6"), n=("'Ada L'", "'Bo'", "'C D E'", "''", "NULL"),
    c=("0", "100", "-5", "NULL"), b=("true", "false", "NULL"),
)  # fmt: skip
NEW_PERSON = _one(
    "INSERT INTO shop.person (id, full_name, price, first, last) VALUES ({p}, {f}, {c}, {f}, '')",
    "UPDATE shop.person SET full_name = {f} WHERE id = {p}",
    "UPDATE shop.person SET price = {c} WHERE id IN ({p}, {p})",
    "UPDATE shop.person SET first = {f}, last = {l} WHERE id = {p}",
    "UPDATE shop.person SET last = {l} WHERE id = {p}",
    "UPDATE shop.person SET level = 'payer', price = 3 WHERE id = {p}",
    "UPDATE shop.person SET full_name = {f}, seen = 0",
    p=("1", "2", "3", "4", "5", "6"), f=("'Eve'", "'Bo'"), l=("'X'", "'Y Z'", "''", "NULL"),
    c=("0", "1.25", "-3", "NULL"),
)  # fmt: skip


def changed(mode: str) -> Derived:
    """In place and both ways: a rename, another type, a split, a new NOT NULL column."""
    return Derived(
        _shape("changed", PEOPLE, IN_PLACE.replace("MODE", mode)),
        OLD_PERSON,
        CHANGED_WRONG.replace("CONDITION", "true"),
        new_writes=NEW_PERSON,
        errors=frozenset({"23502", "TD011"}),
    )


def filtered() -> Derived:
    """In place, for some of the rows: they come and go."""
    mapping = IN_PLACE.replace("MODE", "record").replace(
        "out: boolean}", "out: boolean}\n  filter: out IS NOT TRUE"
    )
    return Derived(
        _shape("changed", PEOPLE, mapping),
        OLD_PERSON,
        CHANGED_WRONG.replace("CONDITION", "(NOT out OR out IS NULL)"),
        new_writes=NEW_PERSON,
        errors=frozenset({"23502", "TD011"}),
    )


STAGED = """
CREATE SCHEMA vibe;
CREATE TABLE vibe.person (
    id integer PRIMARY KEY, name text, seen integer DEFAULT 0, stage text NOT NULL DEFAULT 'new',
        active integer, total integer
) WITH (fillfactor = 10);
CREATE TABLE vibe.payment (id integer PRIMARY KEY, person_id integer REFERENCES vibe.person ON
    DELETE CASCADE, amount integer);
CREATE INDEX ON vibe.payment (person_id);
INSERT INTO vibe.person (id, name) SELECT n, 'p' || n FROM generate_series(1, 4) AS n;
INSERT INTO vibe.payment SELECT n, n % 4 + 1, n % 3 FROM generate_series(1, 8) AS n;
"""

STAGES = """
mapping: staged
source:
  table: vibe.person
  columns: {id: integer, name: text}
target:
  table: vibe.person
  columns: {id: integer, total: integer, active: integer}
key: [id]
joins:
  payment:
    table: vibe.payment
    columns: {id: integer, person_id: integer, amount: integer}
    touches: {id: person_id}
    values: {total: sum(amount), n: count(*)}
columns:
  id: id
  total: coalesce(payment.total, 0) + coalesce(length(name), 0)
  active: coalesce(payment.n, 0)
sync: {mode: queued, ways: forward}
"""


def staged() -> Derived:
    """In place from another table."""
    return Derived(
        _shape("staged", STAGED, STAGES),
        _one(
            "INSERT INTO vibe.person (id, name) VALUES ({p}, {n})",
            "UPDATE vibe.person SET name = {n} WHERE id IN ({p}, {p})",
            "UPDATE vibe.person SET seen = seen + 1",
            "UPDATE vibe.person SET id = {p} WHERE id = {p}",
            "DELETE FROM vibe.person WHERE id = {p}",
            "INSERT INTO vibe.payment VALUES ({p}, {p}, {a})",
            "UPDATE vibe.payment SET person_id = {p}, amount = {a} WHERE id = {p}",
            "UPDATE vibe.payment SET amount = {a}",
            "DELETE FROM vibe.payment WHERE id IN ({p}, {p})",
            p=("1", "2", "3", "4", "5"), n=("'a'", "'bb'", "NULL"), a=("0", "3", "NULL"),
        ),
        "SELECT id, p FROM vibe.person p WHERE total IS DISTINCT FROM coalesce(length(p.name), 0) + "
        "coalesce((SELECT sum(y.amount) FROM vibe.payment y WHERE y.person_id = p.id), 0) "
        "OR active IS DISTINCT FROM (SELECT count(*) FROM vibe.payment y WHERE y.person_id = p.id)",
        new_writes=_one("UPDATE vibe.person SET stage = 'used' WHERE id = {p}", p=PERSON),
    )  # fmt: skip


def derived_machine(world: World, derived: Derived) -> type[RuleBasedStateMachine]:
    """Four sessions that write, a worker, a DBA who moves the phases: the end is always the same."""
    shape, name = derived.shape, f"'{derived.shape.name}'"
    anybody = st.integers(0, 3)
    new_writes = derived.new_writes if derived.new_writes is not None else derived.writes

    class Tandem(RuleBasedStateMachine):
        """Sessions 0 to 2 are the old application, 3 the new one."""

        def __init__(self) -> None:
            super().__init__()
            self.stack = ExitStack()
            self.log: list[str] = []
            self.phase = "sync"
            self.step: Any = None
            self.failed = False

        @initialize(before=st.lists(derived.writes, max_size=3))
        def start(self, before: list[str]) -> None:
            self.dsn = self.stack.enter_context(world.database(shape))
            self.owner = connect(self.dsn)
            self.stack.callback(self.owner.close)
            for statement in before:
                self.log.append(f"owner: {statement}")
                try:
                    self.owner.execute(statement.encode())
                except psycopg.Error as error:
                    self.expect(error.sqlstate in CONFLICTS | derived.errors, repr(error))
            self._script("deploy/sync")
            self.writers = [self._actor(who) for who in ("old 1", "old 2", "old 3", "new")]
            self.worker, self.dba = self._actor("worker"), self._actor("dba")

        def _actor(self, who: str) -> Actor:
            actor = Actor(who, self.dsn, self.log)
            self.stack.callback(actor.close)
            return actor

        def _script(self, script: str) -> None:
            self.log.append(f"owner: {script}")
            run_script(self.owner, shape.script(script))

        def expect(self, condition: bool, message: str) -> None:
            if not condition:
                self.failed = True
                raise AssertionError("\n".join([message, "", *self.log]))

        def _write(self, who: int, statement: str) -> None:
            actor = self.writers[who]
            if actor.is_free:
                actor.send(statement, self.owner)
                self._accept(actor)

        def _accept(self, actor: Actor) -> None:
            error = actor.last_error
            actor.last_error = None
            self.expect(
                error is None or error.sqlstate in CONFLICTS | derived.errors,
                f"{actor.name} failed: {error!r}",
            )

        @rule(who=st.integers(0, 2), statement=derived.writes)
        def old_write(self, who: int, statement: str) -> None:
            self._write(who, statement)

        @rule(who=st.integers(0, 2), one=derived.writes, other=derived.writes)
        def old_writes(self, who: int, one: str, other: str) -> None:
            self._write(who, one)
            self._write(who, other)

        @rule(statement=new_writes)
        def new_write(self, statement: str) -> None:
            self._write(3, statement)

        @rule(who=anybody, isolation=st.sampled_from(ISOLATION), looks=st.booleans())
        def begin(self, who: int, isolation: str, looks: bool) -> None:
            actor = self.writers[who]
            if actor.is_free and not actor.in_transaction:
                actor.send(f"BEGIN ISOLATION LEVEL {isolation}")
                if looks:
                    actor.send("SELECT count(*) FROM pg_class")

        @rule(who=anybody, back=st.booleans())
        def savepoint(self, who: int, back: bool) -> None:
            actor = self.writers[who]
            if actor.is_free and actor.in_transaction:
                if back and actor.savepoints:
                    actor.send(f"ROLLBACK TO s{actor.savepoints}")
                else:
                    actor.savepoints += 1
                    actor.send(f"SAVEPOINT s{actor.savepoints}")

        @rule(who=anybody, commit=st.sampled_from([True, True, False]))
        def end(self, who: int, commit: bool) -> None:
            if self.writers[who].is_free and self.writers[who].in_transaction:
                self.writers[who].finish(commit)

        @rule(blocks=st.sampled_from([1, 1, 64]), commits=st.booleans())
        def work(self, blocks: int, commits: bool) -> None:
            if not self.worker.is_free:
                return
            if self.worker.in_transaction:
                self.worker.finish()
                return
            if self.step is None:
                self.step = self.worker.send(
                    f"SELECT pgtandem._backfill_start({name}, NULL)::text", self.owner
                )
                self.step = self.step and self.step[0]
                return
            self.worker.send("BEGIN")
            result = self.worker.send(
                Statement(
                    f"SELECT s::text, s.stage FROM pgtandem._backfill_step({name}, ("
                    f"SELECT ROW(p.stage, {blocks}, p.strategy, p.deadline, p.older, p.upto, "
                    "p.wait)::pgtandem.backfill_step "
                    "FROM (SELECT (%s::pgtandem.backfill_step).*) AS p)) AS s",
                    (self.step,),
                ),
                self.owner,
            )
            self.step = (
                result[0] if result and result[1] not in ("done", "stuck", "extra") else None
            )
            if result is None and self.worker.is_free:
                self.worker.finish(False)
            if commits and self.worker.is_free:
                self.worker.finish()

        @rule()
        def backfill(self) -> None:
            if self.dba.is_free:
                self.dba.send(f"CALL pgtandem.backfill({name})", self.owner)

        @rule()
        def drain(self) -> None:
            if self.dba.is_free:
                self.dba.send(f"CALL pgtandem.drain({name})", self.owner)

        @rule(holds=st.booleans())
        def drain_batch(self, holds: bool) -> None:
            """A batch whose transaction may stay open between two writes."""
            if self.dba.is_free and not self.dba.in_transaction:
                self.dba.send("BEGIN")
                self.dba.send(f"SELECT pgtandem._drain_batch({name})", self.owner)
                if not holds and self.dba.is_free:
                    self.dba.finish()
            elif self.dba.is_free:
                self.dba.finish()

        @rule(meanwhile=st.lists(derived.writes, max_size=2), again=st.booleans())
        def move_phase(self, meanwhile: list[str], again: bool) -> None:
            """Everybody ends; then the next phase, or back."""
            self.finish_all()
            if self.phase == "sync" and again:
                self._script("revert/sync")
                for statement in meanwhile:
                    self._write(0, statement)
                self._script("deploy/sync")
            elif self.phase == "sync":
                self.log.append("owner: deploy/backfill")
                finish_copy(self.owner, shape, shape.script("deploy/backfill"))
                self.phase = "backfill"
                self.nothing_is_wrong()
            else:
                self._script("revert/backfill")
                self.phase = "sync"
            self.step = None

        def finish_all(self) -> None:
            deadline = time.monotonic() + 30
            for actor in (self.dba, self.worker, *self.writers):
                if actor.is_free or actor is not self.dba:
                    actor.finish()
            while not self.dba.is_free and time.monotonic() < deadline:
                time.sleep(0.002)
            self.dba.finish()
            self.step = None
            for actor in self.writers:
                self._accept(actor)

        def nothing_is_wrong(self) -> None:
            drain(self.owner, shape)
            found = self.owner.execute(derived.wrong.encode()).fetchall()
            self.expect(found == [], f"wrong: {found}")
            found = self.owner.execute(
                f"SELECT key, columns, source, target FROM {shape.schema}.compared() "
                "WHERE changed OR NOT in_source OR NOT in_target".encode()
            ).fetchall()
            self.expect(found == [], f"differences: {found}")

        def chunks_say_the_same(self) -> None:
            """What a chunk makes of each row is what the image says, in one snapshot."""
            if derived.emptied is None:
                return
            schema, kept = shape.schema, "kind = 'mine'" if shape.name == "parts" else "false"
            with self.owner.transaction(force_rollback=True):
                self.owner.execute(f"DELETE FROM {derived.emptied} WHERE NOT {kept}".encode())
                self.owner.execute(
                    f"SELECT {schema}.copy_chunk(source, 0, 100000, 'insert') "
                    "FROM pgtandem.mapping".encode()
                )
                found = self.owner.execute(
                    f"SELECT key, columns, source, target FROM {schema}.compared() "
                    "WHERE changed OR NOT in_source OR NOT in_target".encode()
                ).fetchall()
                self.expect(found == [], f"a chunk differs from the image: {found}")

        @rule()
        def check(self) -> None:
            """Once the copy is complete, everything is right at every stop."""
            self.finish_all()
            row = self.owner.execute("SELECT copy_state FROM pgtandem.mapping").fetchone()
            if row == ("complete",):
                self.nothing_is_wrong()

        def teardown(self) -> None:
            try:
                if hasattr(self, "dba") and not self.failed:
                    self.finish_all()
                    self.log.append("owner: backfill")
                    finish_copy(self.owner, shape)
                    self.nothing_is_wrong()
                    self.chunks_say_the_same()
            finally:
                self.stack.close()

    return Tandem


SHAPES: dict[str, Callable[[], Derived]] = {
    "joins": joined,
    "rows": parts,
    "in place, record": lambda: changed("record"),
    "in place, strict": lambda: changed("strict"),
    "in place, filtered": filtered,
    "in place, joins": staged,
}

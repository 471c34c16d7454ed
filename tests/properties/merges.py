"""Merges under random writes: the three rules, as queries that are written by hand.

Each write takes the next number of one sequence, so a number tells which write it was; what the
application of the target writes it notes in new.wrote, in the same transaction.
"""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from properties.derived import Derived, Writes, _one, _shape

LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE SEQUENCE new.clock;
CREATE TABLE old.state (
    id integer PRIMARY KEY, at integer DEFAULT nextval('new.clock'), away boolean, seen integer
) WITH (fillfactor = 10);
CREATE TABLE old.bonus (id integer PRIMARY KEY, state_id integer, amount integer);
CREATE INDEX ON old.bonus (state_id);
CREATE TABLE new.state (
    id integer PRIMARY KEY, side text NOT NULL, at integer, total bigint, own integer DEFAULT 0
);
CREATE TABLE new.wrote (id integer, at integer);
INSERT INTO old.state SELECT n FROM generate_series(1, 4) AS n;
INSERT INTO old.bonus SELECT n, n % 5, n FROM generate_series(1, 6) AS n;
INSERT INTO new.state SELECT n, 'new', nextval('new.clock'), 0, 1 FROM generate_series(3, 6) AS n;
INSERT INTO new.wrote SELECT id, at FROM new.state;
"""
MAPPING = """
mapping: merged
source:
  table: old.state
  columns: {id: integer, at: integer, away: boolean}
  filter: away IS NOT TRUE
target:
  table: new.state
  columns: {id: integer, side: text, at: integer, total: bigint}
key: [id]
columns: {id: id, side: "'old'", at: at}
merge: {wins: target}
sync: {mode: queued, ways: forward}
"""
# By the source alone: what comes of another table changes without becoming newer.
JOINED = MAPPING.replace(
    "at: at}",
    "at: at, total: 'coalesce(bonus.total, 0)'}\njoins:\n  bonus:\n    table: old.bonus\n    columns: "
    "{state_id: integer, amount: integer}\n    touches: {id: state_id}\n    values: {total: sum(amount)}",
)

OLD = (
    "INSERT INTO old.state (id) VALUES ({k})",
    "INSERT INTO old.state (id) VALUES ({k}) ON CONFLICT (id) DO UPDATE SET at = nextval('new.clock')",
    "UPDATE old.state SET at = nextval('new.clock') WHERE id IN ({k}, {k})",
    "UPDATE old.state SET at = nextval('new.clock')",
    "UPDATE old.state SET at = NULL WHERE id = {k}",
    "UPDATE old.state SET away = {b} WHERE id = {k}",
    "UPDATE old.state SET seen = 1",
    "UPDATE old.state SET id = {k}, at = nextval('new.clock') WHERE id = {k}",
    "DELETE FROM old.state WHERE id = {k}",
    "WITH gone AS (DELETE FROM old.state WHERE id = {k} RETURNING id) INSERT INTO old.state SELECT {k} FROM gone",
)
BONUS = (
    "INSERT INTO old.bonus VALUES ({k}, {k}, {k})",
    "UPDATE old.bonus SET state_id = {k}, amount = amount + 1 WHERE id = {k}",
    "DELETE FROM old.bonus WHERE id = {k}",
)
NOTED = "WITH w AS ({0} RETURNING id, at) INSERT INTO new.wrote SELECT id, at FROM w"
INSERT = NOTED.format(
    "INSERT INTO new.state VALUES ({k}, 'new', nextval('new.clock'), NULL, 1) ON CONFLICT DO NOTHING"
)
UPDATE = NOTED.format(
    "UPDATE new.state SET side = 'new', at = nextval('new.clock'), own = own + 1 WHERE id IN ({k}, {k})"
)
# Where the source wins, what the image does not hold is the application's, and that alone.
OWN = NOTED.format("UPDATE new.state SET own = own + 1 WHERE id = {k}")

# Whatever the rule: what the source has is there, and no write of the application's is lost.
ALWAYS = """
SELECT 'missing', s::text FROM old.state AS s
WHERE away IS NOT TRUE AND NOT EXISTS (SELECT FROM new.state AS t WHERE t.id = s.id)
UNION ALL
SELECT 'a write is lost', t::text FROM new.state AS t
WHERE own <> (SELECT count(*) FROM new.wrote AS w WHERE w.id = t.id)
UNION ALL
SELECT 'a row is lost', w::text FROM new.wrote AS w
WHERE NOT EXISTS (SELECT FROM new.state AS t WHERE t.id = w.id)
"""
TARGET = """
UNION ALL
SELECT 'was the application''s', t::text
FROM new.state AS t, (SELECT id, max(at) AS at FROM new.wrote GROUP BY id) AS w
WHERE t.id = w.id AND (t.side, t.at) IS DISTINCT FROM ('new', w.at)
"""
SOURCE = """
UNION ALL
SELECT 'is not the image', t::text FROM new.state AS t, old.state AS s
WHERE t.id = s.id AND s.away IS NOT TRUE AND (t.side, t.at, t.total) IS DISTINCT FROM
    ('old', s.at, (SELECT coalesce(sum(b.amount), 0) FROM old.bonus AS b WHERE b.state_id = s.id))
"""
NEWEST = """
UNION ALL
SELECT 'the source is newer', t::text FROM new.state AS t, old.state AS s
WHERE t.id = s.id AND s.away IS NOT TRUE AND coalesce(s.at, 0) > coalesce(t.at, 0)
UNION ALL
SELECT 'the application was newer', t::text
FROM new.state AS t, (SELECT id, max(at) AS at FROM new.wrote GROUP BY id) AS w
WHERE t.id = w.id AND coalesce(t.at, 0) < w.at
UNION ALL
SELECT 'half of one and half of another', t::text FROM new.state AS t
WHERE (side = 'new') <> EXISTS (SELECT FROM new.wrote AS w WHERE (w.id, w.at) = (t.id, t.at))
"""


def _writes(*statements: str) -> Writes:
    keys = ("1", "2", "3", "4", "5", "6", "7")
    return _one(*statements, k=keys, b=("true", "false", "NULL"))


def merged(wins: str) -> Derived:
    """A merge by one of the rules; `source` with a join."""
    mapping = (JOINED if wins == "source" else MAPPING).replace(
        "wins: target", "wins: newest, by: at" if wins == "newest" else f"wins: {wins}"
    )
    return Derived(
        _shape("merged", LEGACY, mapping),
        _writes(*OLD, *(BONUS if wins == "source" else ())),
        ALWAYS + {"source": SOURCE, "target": TARGET, "newest": NEWEST}[wins],
        new_writes=_writes(INSERT, OWN if wins == "source" else UPDATE),
        emptied="new.state",
    )

"""Mistakes in mappings with joins, with rows, in place: each with its line, and what was meant."""

# ruff: noqa: E501 - a case a line
from __future__ import annotations

from pathlib import Path

import pytest

from test_spec import loaded, mistakes

JOINS = """\
mapping: sums
source:
  table: b.person
  columns: {id: integer, email: text, data: jsonb}
target:
  table: b.sum
  columns: {id: integer, paid: numeric, days: bigint, plan: text}
key: [id]
joins:
  payment:
    table: b.payment
    columns: {person_id: integer, amount: numeric, weight: real, tags: "text[]"}
    touches: {id: person_id}
    values: {paid: sum(amount)}
  talk:
    table: b.talk
    columns: {id: integer, person_id: integer}
    touches: {id: person_id}
  message:
    table: b.message
    columns: {id: integer, talk_id: integer, day: date, plan: text}
    touches: {talk.id: talk_id}
    filter: day IS NOT NULL
    first: day DESC
    values: {plan: plan}
columns:
  id: id
  paid: coalesce(payment.paid, 0)
  plan: message.plan
sync: {mode: queued, ways: forward}
"""
ROWS = """\
mapping: parts
source:
  table: b.profile
  columns: {id: integer, data: jsonb}
target:
  table: b.part
  columns: {id: integer, kind: text, value: jsonb}
  filter: kind <> 'mine'
rows:
  part: SELECT key, value FROM jsonb_each(data) AS j
key: [id, kind]
columns:
  id: id
  kind: part.key
  value: part.value
sync: {mode: queued, ways: forward}
"""
PLACE = """\
mapping: renamed
source:
  table: b.person
  columns: {id: integer, name: text, on: boolean}
  filter: '"on"'
target:
  table: b.person
  columns: {id: integer, full: text, state: text}
key: [id]
columns:
  id: id
  full: name
  state: {initial: "'new'", unset: state = ''}
sync: {mode: record, ways: both}
"""
MERGE = """\
mapping: merged
source:
  table: b.state
  columns: {id: integer, name: text, at: timestamptz, doc: jsonb}
target:
  table: b.profile
  columns: {id: integer, name: text, seen_at: timestamptz, doc: jsonb}
key: [id]
columns:
  id: id
  name: {initial: name}
  seen_at: at
  doc.at: at
merge: {wins: newest, by: seen_at}
sync: {mode: queued, ways: forward}
"""

CASES = [
    # joins
    (JOINS, "  payment:\n", "  source:\n", 10, 'joins.source: "source" is taken'),
    (JOINS, "  talk:\n", "  moved:\n", 15, 'joins.moved: "moved" is taken'),
    (JOINS, "table: b.payment", "table: payment", 11, "joins.payment.table: write schema.table"),
    (JOINS, "amount: numeric", "amount: 'num;'", 12, '"num;" is no type'),
    (JOINS, "amount: numeric", f"{'x' * 64}: numeric", 12, "is no name of a column, or too long"),
    (JOINS, "touches: {talk.id: talk_id}", "touches: {talc.id: talk_id}", 22,
     'joins.message.touches: no join "talc"; did you mean "talk"?'),
    (JOINS, "touches: {talk.id: talk_id}", "touches: {talk.idd: talk_id}", 22,
     'joins.message.touches: talk has no column "idd"; did you mean "id"?'),
    (JOINS, "touches: {id: person_id}\n    values", "touches: {idd: person_id}\n    values", 13,
     'joins.payment.touches: the source has no column "idd"; did you mean "id"?'),
    (JOINS, "touches: {talk.id: talk_id}", "touches: {talk.id: talk_id, id: id}", 22,
     "joins.message.touches: it leads two ways at once"),
    (JOINS, "touches: {id: person_id}\n  message", "touches: {message.id: id}\n  message", 18,
     "joins.talk.touches: it never reaches the source"),
    (JOINS, "touches: {id: person_id}\n    values", "touches: {data: person_id}\n    values", 13,
     "joins.payment.touches: jsonb is not for finding rows by"),
    (JOINS, "touches: {id: person_id}\n    values", "touches: {id: tags}\n    values", 13,
     "joins.payment.touches: text[] is not for finding rows by"),
    (JOINS, "    values: {plan: plan}\n", "", 24, "joins.message.first: of what? It has no values"),
    (JOINS, "touches: {talk.id: talk_id}", "touches: {id: talk_id}", 15,
     "joins.talk: it has no values, and no other join goes through it"),
    (JOINS, "sum(amount)", "count(payment)", 14,
     'joins.payment.values.paid: it reads all of a row of "payment"'),
    (JOINS, "sum(amount)", "max(payment.*::text)", 14, 'it reads all of a row of "payment"'),
    (JOINS, "filter: day IS NOT NULL", "filter: message IS NOT NULL", 23,
     'joins.message.filter: it reads all of a row of "message"'),
    (JOINS, "sum(amount)", "sum(payment.amuont)", 14,
     'joins.payment.columns has no "amuont"; did you mean "amount"?'),
    (JOINS, "sum(amount)", "\"string_agg(amount::text, ',')\"", 14,
     "joins.payment.values.paid: string_agg depends on the order of the rows"),
    (JOINS, "sum(amount)", "sum(weight)", 14, "a sum of real depends on the order of the rows"),
    (JOINS, "payment.paid, 0", "payment.payed, 0", 28,
     'columns.paid: joins.payment has no value "payed"; did you mean "paid"?'),
    (JOINS, "plan: message.plan", "plan: message::text", 29,
     "columns.plan: write message with one of its values"),
    (JOINS, "mode: queued", "mode: record", 30, "sync.mode: a mapping with joins is synced in mode queued"),
    (JOINS, "ways: forward", "ways: both", 30, "sync.ways: mode queued and mappings with joins or rows"),
    (JOINS, "ways: forward", "ways: forward, truncate: follow", 30,
     "sync.truncate: in mode queued a TRUNCATE is refused"),
    (JOINS, "  id: id\n  paid", "  id: payment.paid\n  paid", 27,
     'key: "id" depends on a join; it must not'),
    (JOINS, "sync:", "contract: {columns: [email]}\nsync:", 30,
     "contract.columns: not for a mapping with joins or rows"),
    (JOINS, "day DESC", "day DESC)", 24, "joins.message.first: a parenthesis has no partner"),
    # rows
    (ROWS, "mode: queued", "mode: strict", 16, "sync.mode: a mapping with rows is synced in mode queued"),
    (ROWS, "[id, kind]", "[kind, id]", 11, "key: begin with the columns that all rows of one source row share"),
    (ROWS, "[id, kind]", "[kind]", 11, "key: begin with the columns that all rows of one source row share"),
    (ROWS, "FROM jsonb_each(data) AS j", "FROM jsonb_each(data) AS j;", 10, "an expression has no semicolon"),
    (ROWS, "  part:", "  a: SELECT 1\n  part:", 9, "rows"),
    (ROWS.replace("rows:\n  part: SELECT key, value FROM jsonb_each(data) AS j\n", "")
         .replace("part.key", "data::text").replace("part.value", "data"),
     "mode: queued", "mode: record", 8, "target.filter: only in mode queued, or ways: none"),
    # in place
    (PLACE.replace("on: boolean}", "on: boolean, state: text}"),
     "full: name", "full: {from: upper(state), back: none}", 12, "columns.full: it reads state, which the mapping writes"),
    (PLACE, "filter: '\"on\"'", "filter: state = ''", 5, "source.filter: it reads state, which the mapping writes"),
    (PLACE, "  id: id\n", "  id: id + 1\n", 11, 'key: where the target is the source, "id" is itself'),
    (PLACE, "full: name", "full: {from: name, unset: full = ''}", 12, "columns.full: unset is for initial columns"),
    (PLACE, "key: [id]", "rows: {part: SELECT 1}\nkey: [id]", 9, "rows: not where the target is the source itself"),
    (PLACE, "key: [id]", ("joins: {boss: {table: b.person, columns: {id: integer, full: text}, touches: {id: id}, "
     "values: {full: max(full)}}}\nkey: [id]"), 9, "joins.boss: it reads full, which the mapping writes"),
    # merges
    (MERGE, "wins: newest", "wins: newer", 14, "merge.wins: input should be 'source', 'target' or 'newest'"),
    (MERGE, "{wins: newest, by: seen_at}", "{by: seen_at}", 14, "merge.wins: is missing"),
    (MERGE, "by: seen_at", "bye: seen_at", 14, 'merge.bye: there is no such key; did you mean "by"?'),
    (MERGE, "newest, by: seen_at", "newest", 14, "merge.wins: newest by which column? Write by:"),
    (MERGE, "wins: newest", "wins: source", 14, "merge.by: it is for wins: newest; take it out"),
    (MERGE, "by: seen_at", "by: seen", 14, 'merge.by: "seen" is no mapped column; did you mean "seen_at"?'),
    (MERGE, "by: seen_at", "by: id", 14, 'merge.by: "id" is of the key, so it never differs'),
    (MERGE, "by: seen_at", "by: name", 14, 'merge.by: "name" is initial, so nobody keeps it equal'),
    (MERGE, "by: seen_at", "by: doc.at", 14, 'merge.by: "doc.at" is a path; take a column'),
    (MERGE.replace("{initial: name}", "name"), "by: seen_at", "by: name", 14, 'merge.by: "name" is text; take a number, a date'),
    (MERGE, "mode: queued", "mode: record", 14, "merge: not in mode record; write sync: {mode: queued, ways: forward}"),
    (MERGE, "mode: queued", "mode: strict", 14, "merge: not in mode strict"),
    (MERGE, "sync: {mode: queued, ways: forward}\n", "", 14, "merge: not in mode record"),
    (MERGE, "ways: forward", "ways: both", 15, "sync.ways: mode queued and mappings with joins or rows go forward only"),
    (MERGE, "key: [id]", "rows: {part: SELECT 1 AS n}\nkey: [id]", 15, "merge: not with rows"),
    (MERGE, "  table: b.profile", "  table: b.state", 14, "merge: not where the target is the source itself"),
    (MERGE, "doc: jsonb}\nkey", "doc: jsonb}\n  filter: id > 0\nkey", 8, "target.filter: a merge compares and deletes no row of the target's own"),
    (MERGE, "sync:", "contract: {columns: [name]}\nsync:", 15, "contract.columns: not for a merge"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[4])
def test_mistake(tmp_path: Path, case: tuple[str, str, str, int, str]) -> None:
    good, old, new, line, message = case
    assert old in good
    found = mistakes(tmp_path, good.replace(old, new, 1))
    assert any(text.startswith(f"{line}: ") and message in text for text in found), found


@pytest.mark.parametrize("good", [JOINS, ROWS, PLACE])
def test_the_good_ones_are_good(tmp_path: Path, good: str) -> None:
    loaded(tmp_path, good)


@pytest.mark.parametrize(
    "value",
    [
        "string_agg(amount::text, ',' ORDER BY amount)",
        "count(*) FILTER (WHERE payment.amount > 0)",
        "sum(weight::numeric)",
        "max('payment'::text)",
    ],
)
def test_values_that_may_be(tmp_path: Path, value: str) -> None:
    loaded(tmp_path, JOINS.replace("sum(amount)", f'"{value}"', 1))

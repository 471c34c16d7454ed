"""Mappings over documents of MongoDB: what is read of them, what is given back, what is found."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from command_line import Running, as_json, pgtandem
from helpers import ROOT, Session
from mappings import Built, build, load
from pgtandem import consistency, render, spec
from pgtandem.errors import PgtandemError
from staging import stage

REAL = ROOT.parent / "shared" / "data" / "mongoexport-customers.json"
GOOD = """
mapping: people
source:
  table: staging.people
  columns: {_id: text, document: jsonb}
target:
  table: app.people
  columns: {id: uuid, mongo_id: text, name: text, age: integer, tags: "text[]", city: text,
            born: timestamptz, extra: jsonb, stars: integer, price: "numeric(8,2)", part: bpchar}
key: [mongo_id]
columns:
  mongo_id: _id
  id: pgtandem.mongo_id_uuid(_id)
  stars: {initial: "3"}
document:
  fields:
    name: name
    age: {path: age, default: "0"}
    tags: {path: tags, default: "'{}'"}
    city: address.city
    born: born
    extra: extra
  ignored: [__v, address.zip]
  view: app.people_documents
checks:
  nameless: SELECT mongo_id FROM app.people WHERE name IS NULL   -- who is it?
sync: {mode: record, ways: forward}
"""
LEGACY = """
CREATE SCHEMA staging;
CREATE TABLE staging.people (_id text PRIMARY KEY, document jsonb NOT NULL, import bigint NOT NULL);
CREATE SCHEMA app;
CREATE TABLE app.people (
    id uuid PRIMARY KEY, mongo_id text NOT NULL UNIQUE, name text, age integer, tags text[],
    city text, born timestamptz, extra jsonb, stars integer, price numeric(8,2), part char(3));
"""


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        done = connection.execute(query.encode())
        return done.fetchall() if done.rownumber is not None else []


def documents(dsn: str, view: str = "app.people_documents") -> dict[str, Any]:
    return dict(rows(dsn, f"SELECT _id, document FROM {view}"))


@pytest.fixture
def people(dsn) -> Built:
    """The mapping of GOOD, its copy complete."""
    return build(dsn, GOOD, LEGACY, ("expand", "sync", "backfill"))


# --- the mapping file -----------------------------------------------------------------------------


MISTAKES = [
    # What is written in place of what, the beginning of the line that is named, what is said.
    ("    name: name", "    nam: name", "nam:", 'no column "nam"; did you mean "name"?'),
    ("    name: name", "    mongo_id: name", "mongo_id: name", "it stands under columns, too"),
    ("    name: name", "    part: name", "part: name", "is for an expression under columns"),
    ("    name: name", "    name: {path: name, bson: date}", "name: {",
     "a column of type text is for string or objectId, not date"),
    ("    name: name", "    name: {path: name, bson: dat}", "name: {", "should be 'string'"),
    ("    name: name", "    name: {path: name, defalt: x}", "name: {",
     'no such key; did you mean "default"?'),
    ("    name: name", "    name: name..x", "name: name..x", "it is no path"),
    ("    name: name", "    name: _id", "name: _id", "map the column of the source instead"),
    ("    name: name", "    name: extra.name", "extra: extra", "one is within the other"),
    ("address.zip]", "address]", "ignored:", "one is within the other"),
    ("address.zip]", "address..x]", "ignored:", "is no path"),
    ('default: "0"', 'default: "(0"', "age:", "a parenthesis has no partner"),
    ('{path: age, default: "0"}', "{path: age, default_where: null}", "age:", "should be"),
    ('{path: age, default: "0"}', "{path: age, default_where: empty}", "age:",
     "default_where without a default"),
    ('default: "0"', "default: pending", "age:", 'no column "pending"; a text is'),
    ("  view: app.people_documents", "  view: documents", "view:", "write schema.name"),
    ("  view: app.people_documents", "  viw: app.documents", "viw:", 'did you mean "view"?'),
    ("  mongo_id: _id", "  mongo_id: upper(_id)", "view:", "holds the _id of the document"),
    ("document:\n", "document:\n  column: documnt\n", "column: doc", 'did you mean "document"?'),
    ("document:\n", "document:\n  id: id\n", "id: id", 'no column "id"; did you mean "_id"?'),
    ("document: jsonb}", "document: text}", "document:\n", "documents are jsonb"),
    ("ways: forward", "ways: both", "sync:", "nothing is written back into the documents"),
    ("sync:", "rows: {r: SELECT 1 AS x}\nsync:", "document:\n", "not with rows"),
    ("  nameless: SELECT", "  nameless: DELETE", "nameless:", "it is no SELECT"),
    ("  nameless: SELECT mongo", "  nameless: SELECT (mongo", "nameless:", "has no partner"),
    ("  nameless:", "  unread_fields:", "unread_fields:", "the document section brings one"),
    ("  nameless:", "  no name:", "no name:", "should match"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "said"), MISTAKES)
def test_each_mistake_has_its_line_and_says_what_was_meant(tmp_path, old, new, at, said):
    text = replaced(old, new)
    with pytest.raises(PgtandemError) as raised:
        load(text, tmp_path)
    found = (raised.value.detail or "").replace(f"{tmp_path / 'mapping.yml'}:", "").splitlines()
    line = text.count("\n", 0, re.search(rf"^ *{re.escape(at)}", text, re.MULTILINE).end()) + 1
    line -= at.endswith("\n")
    assert any(each.startswith(f"{line}:") and said in each for each in found), (line, found)


def test_what_checks_say_does_not_change_what_the_mapping_means(tmp_path):
    one, other = (load(text).hash for text in (GOOD, replaced("IS NULL", "= ''")))
    assert one == other
    assert load(replaced("name: name", "name: title")).hash != one


def test_documents_are_archived_by_nobody():
    """There is no contract: the source is what the import has written."""
    assert render.phases(load(GOOD)) == ("expand", "sync", "backfill")


# --- what is read -----------------------------------------------------------------------------


TYPES = {
    # type, bson: documents' values in each form, and what the column holds.
    ("text", "string"): (['"é 🔮"', '""'], ["é 🔮", ""]),
    ("text", "objectId"): (['{"$oid": "5ca4bbcea2dd94ee58162a68"}'], ["5ca4bbcea2dd94ee58162a68"]),
    ("varchar(9)", "string"): (['"abc"'], ["abc"]),
    ("boolean", "boolean"): (["true", "false"], [True, False]),
    ("smallint", "number"): (['{"$numberInt": "7"}', "7.0"], [7, 7]),
    ("integer", "number"): (['{"$numberInt": "7"}', '{"$numberLong": "7"}', "-7"], [7, 7, -7]),
    ("integer", "decimal"): (['{"$numberDecimal": "7"}'], [7]),
    ("bigint", "number"): (['{"$numberLong": "9007199254740993"}', "7"], [9007199254740993, 7]),
    ("numeric", "decimal"): (['{"$numberDecimal": "1.10"}', '{"$numberDecimal": "NaN"}'], None),
    ("numeric", "number"): (['{"$numberDouble": "NaN"}', "1.10", '{"$numberInt": "5"}'], None),
    ("double precision", "number"): (
        ['{"$numberDouble": "-0.0"}', '{"$numberDouble": "Infinity"}', "0.1"], None,
    ),
    ("timestamptz", "date"): (
        ['{"$date": {"$numberLong": "-1"}}', '{"$date": "2024-02-29T12:00:00.5+01:00"}',
         '{"$date": 1700000000000}', '{"$date": {"$numberLong": "253402300800000"}}'], None,
    ),
    ("uuid", "uuid"): (
        ['{"$uuid": "73ffd264-44b3-4c69-90e8-e7d1dfc035d4"}',
         '{"$binary": "c//SZESzTGmQ6OfR38A11A==", "$type": "4"}'], None,
    ),
    ("uuid", "string"): (['"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"'], None),
    ("bytea", "binary"): (['{"$binary": {"base64": "AAEC", "subType": "00"}}',
                           '{"$binary": "AAEC", "$type": "00"}'], [b"\0\1\2", b"\0\1\2"]),
    ("jsonb", "json"): (
        ['{"a": [{"$numberInt": "5"}, {"$date": 1}], "b": {"$numberDouble": "NaN"}}', '"x"', "[]"],
        None,
    ),
    ("text[]", "string"): (['["a", null, "b,\\"{}"]', "[]"], [["a", None, 'b,"{}'], []]),
    ("text[]", "objectId"): (['[{"$oid": "5ca4bbcea2dd94ee58162a68"}, null]'], None),
    ("boolean[]", "boolean"): (["[true, null]"], [[True, None]]),
    ("smallint[]", "number"): (["[1]"], [[1]]),
    ("integer[]", "number"): (['[{"$numberInt": "1"}, null, 3]'], [[1, None, 3]]),
    ("bigint[]", "number"): (['[{"$numberLong": "9007199254740993"}]'], [[9007199254740993]]),
    ("uuid[]", "string"): (['["73ffd264-44b3-4c69-90e8-e7d1dfc035d4"]'], None),
    ("jsonb[]", "json"): (['[{"a": {"$numberInt": "1"}}, [2], null, "x"]'], None),
}  # fmt: skip


@pytest.mark.both
def test_every_type_comes_in_from_every_form_and_goes_back_as_it_was(dsn):
    """One column for each type; one document for each form, NULL, and nothing."""
    names = {pair: f"c{n}" for n, pair in enumerate(TYPES)}
    declared = {name: kind for (kind, _), name in names.items()}
    mapping = {
        "mapping": "people",
        "source": {"table": "staging.people", "columns": {"_id": "text", "document": "jsonb"}},
        "target": {"table": "app.people", "columns": {"mongo_id": "text", **declared}},
        "key": ["mongo_id"],
        "columns": {"mongo_id": "_id"},
        "document": {
            "fields": {name: {"path": f"in.{name}", "bson": bson}
                       for (_, bson), name in names.items()},
            "view": "app.people_documents",
        },
        "sync": {"ways": "forward"},
    }  # fmt: skip
    legacy = LEGACY.partition("CREATE TABLE app")[0] + (
        "CREATE TABLE app.people (mongo_id text PRIMARY KEY, "
        + ", ".join(f"{name} {kind}" for name, kind in declared.items())
        + ");"
    )
    people = build(dsn, json.dumps(mapping), legacy, ("expand", "sync", "backfill"))
    most = max(len(forms) for forms, _ in TYPES.values())
    sent = []
    for n in range(most):
        given = {names[pair]: forms[n % len(forms)] for pair, (forms, _) in TYPES.items()}
        inside = ", ".join(f'"{name}": {text}' for name, text in given.items())
        sent.append(f'{{"_id": {n}, "in": {{{inside}}}}}')
    nulls = ", ".join(f'"{name}": null' for name in declared)
    sent += [f'{{"_id": "nulls", "in": {{{nulls}}}}}', '{"_id": "nothing"}']
    stage(dsn, "people", sent)
    assert rows(dsn, "SELECT * FROM pgtandem_people.checked()") == []
    assert rows(dsn, "SELECT * FROM pgtandem_people.compared() WHERE changed"
                     " OR NOT in_target OR NOT in_source") == []  # fmt: skip
    for pair, (_, held) in TYPES.items():
        if held:
            query = f"SELECT {names[pair]} FROM app.people WHERE mongo_id LIKE '%numberInt%'"
            found = [row[0] for row in rows(dsn, query + " ORDER BY mongo_id")]
            assert found[: len(held)] == held, pair
    # Each value, in its meaning, is what came in.
    unlike = rows(
        dsn,
        """
        SELECT s._id, e.key, pgtandem.mongo_json(e.value), d.document #> ARRAY['in', e.key]
        FROM staging.people AS s JOIN app.people_documents AS d USING (_id),
             jsonb_each(s.document -> 'in') AS e
        WHERE pgtandem.mongo_json(e.value) IS DISTINCT FROM d.document #> ARRAY['in', e.key]""",
    )
    assert unlike == []
    assert set(documents(dsn)['"nothing"']["in"].values()) == {None}
    assert people.mapping.document.document


# Limits that a type has beyond its name: in columns only, not for what is in the document.
LIMITED = {
    "numeric(5,2)": "decimal", "numeric(5, 2)": "number", "varchar(3)": "string",
    "timestamptz(0)": "date", "varchar(3)[]": "string",
}  # fmt: skip
NUMBERS = [
    "0", "-1", "1.50", "3.7", "1e2", "32768", "2147483648", "9007199254740993", "1234.5", "0.005",
    "9223372036854775808", "1e400", "0.1234567890123456789",
]  # fmt: skip
WRAPPED = [
    ("$numberInt", ("5", "-2147483648", "x", "1.5")),
    ("$numberLong", ("9223372036854775807", "9223372036854775808", "-9223372036854775808")),
    ("$numberDouble", ("3.0", "3.7", "-0.0", "NaN", "-Infinity", "1e300", "5e-324", "1e-5")),
    ("$numberDecimal", ("1.10", "1E+3", "-0", "0E-10", "NaN", "-Infinity", "123.456", "1E-6176",
                        "9.999999999999999999999999999999999E+6144", "sNaN")),
    ("$oid", ("5ca4bbcea2dd94ee58162a68", "5CA4BBCEA2DD94EE58162A68", "x")),
    ("$uuid", ("73ffd264-44b3-4c69-90e8-e7d1dfc035d4", "73FFD264-44B3-4C69-90E8-E7D1DFC035D4", "")),
    ("$date", ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5Z", "2023-02-29T00:00:00Z", "x",
               "2024-02-29T12:00:00.123456Z", "2024-02-29T12:00:00+05:45", "0000-01-01T00:00:00Z")),
    ("$symbol", ("s",)),
]  # fmt: skip
ODD = [
    *NUMBERS, *(json.dumps({key: text}) for key, texts in WRAPPED for text in texts),
    "true", '"true"', '""', '"abc"', '"abcd"', '"abc  "', '"1"', "[]", "{}", "[[1]]", '{"a": null}',
    '"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"', '"73FFD26444B34C6990E8E7D1DFC035D4"',
    '"2024-02-29T12:00:00Z"', '{"$numberInt": "5", "a": 1}', "null",
    *(f'{{"$date": {{"$numberLong": "{n}"}}}}' for n in (
        0, -1, 1700000000999, -62135596800000, -62135596800001, 253402300800000,
        9223372036854775807, -9223372036854775808, -210866803200001, "x")),
    '{"$date": 1700000000123}', '{"$date": 1.5}', '{"$date": null}', '{"$numberInt": 5}',
    *(f'{{"$binary": {{"base64": "{data}", "subType": "{kind}"}}}}' for data, kind in (
        ("c//SZESzTGmQ6OfR38A11A==", "04"), ("c//SZESzTGmQ6OfR38A11A==", "03"), ("AAEC", "00"),
        ("", "00"), ("A", "00"), ("AAEC", "05"))),
    '{"$binary": "AAEC", "$type": "00"}', '{"$binary": "AAEC"}', '{"$regex": "a", "$options": ""}',
    '{"$timestamp": {"t": 1, "i": 2}}', '{"$minKey": 1}',
]  # fmt: skip
EXACT = """
SELECT s._id, s.document #> ARRAY['in', c], d.document #> ARRAY['in', c], u.found IS NOT NULL
FROM staging.people AS s
CROSS JOIN LATERAL jsonb_object_keys(s.document -> 'in') AS c
LEFT JOIN app.people_documents AS d USING (_id)
LEFT JOIN pgtandem_people.checked('unfit_documents') AS u ON u.found ->> '_id' = s._id
WHERE CASE WHEN d._id IS NULL THEN u.found IS NULL
           ELSE u.found IS NOT NULL OR
                pgtandem.mongo_json(s.document #> ARRAY['in', c]) IS DISTINCT FROM
                d.document #> ARRAY['in', c] END
"""


def is_same_decimal(one: Any, other: Any) -> bool:
    """1E+3 comes back as 1000; it is no other number."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    texts = [each.get("$numberDecimal", "NaN") for each in (one, other)]
    return Decimal(texts[0]) == Decimal(texts[1])


@pytest.mark.both
def test_whatever_a_document_holds_comes_back_as_it_was_or_is_named(dsn):
    """Each odd value, alone or in an array, into a column of each type."""
    kinds = [*TYPES, *LIMITED.items()]
    declared = {f"c{n}": kind for n, (kind, _) in enumerate(kinds)}
    mapping = {
        "mapping": "people",
        "source": {"table": "staging.people", "columns": {"_id": "text", "document": "jsonb"}},
        "target": {"table": "app.people", "columns": {"mongo_id": "text", **declared}},
        "key": ["mongo_id"],
        "columns": {"mongo_id": "_id"},
        "document": {
            "fields": {name: {"path": f"in.{name}", "bson": bson}
                       for name, (_, bson) in zip(declared, kinds, strict=True)},
            "view": "app.people_documents",
        },
        "sync": {"ways": "forward"},
    }  # fmt: skip
    legacy = LEGACY.partition("CREATE TABLE app")[0] + (
        "CREATE TABLE app.people (mongo_id text PRIMARY KEY, "
        + ", ".join(f"{name} {kind}" for name, kind in declared.items())
        + ");"
    )
    build(dsn, json.dumps(mapping), legacy, ("expand", "sync", "backfill"))
    stage(
        dsn,
        "people",
        (
            f'{{"_id": "{name} {n}", "in": {{"{name}": {text}}}}}'
            for name, kind in declared.items()
            for n, value in enumerate(ODD)
            for text in [f"[{value}]" if kind.endswith("[]") else value]
        ),
    )
    unlike = [each for each in rows(dsn, EXACT) if not is_same_decimal(*each[1:3])]
    assert unlike == []
    assert rows(dsn, "SELECT mapping, key, message FROM pgtandem.recheck") == []
    held = rows(dsn, "SELECT count(*) FROM app.people")[0][0]
    assert len(ODD) * 4 < held < len(ODD) * len(kinds) // 2
    assert rows(dsn, "SELECT FROM pgtandem_people.compared() WHERE changed OR NOT in_source") == []


def test_what_a_document_lacks_gets_its_default_and_the_view_shows_that(dsn):
    text = (
        replaced('{path: age, default: "0"}', '{path: age, default: "0", default_where: "null"}')
        .replace("name: name", "name: {path: name, default: upper(_id), default_where: empty}")
    )  # fmt: skip
    build(dsn, text, LEGACY, ("expand", "sync", "backfill"))
    sent = ['{"_id": "a", "age": null, "name": "", "tags": null}', '{"_id": "b", "name": null}']
    stage(dsn, "people", [*sent, '{"_id": "c", "age": 5, "name": "x"}'])
    assert rows(dsn, "SELECT mongo_id, age, name, tags FROM app.people ORDER BY 1") == [
        ('"a"', 0, '"A"', None), ('"b"', 0, '"B"', []), ('"c"', 5, "x", []),
    ]  # fmt: skip
    assert documents(dsn)['"a"'] == {
        "_id": "a", "name": '"A"', "age": 0, "tags": None, "born": None, "extra": None,
        "address": {"city": None},
    }  # fmt: skip


@pytest.mark.parametrize("sync", ["{mode: queued, ways: forward}", "{mode: strict, ways: forward}"])
def test_other_modes(dsn, sync):
    text = replaced("{mode: record, ways: forward}", sync)
    build(dsn, text, LEGACY, ("expand", "sync", "backfill"))
    sent = ['{"_id": "a", "age": 5}', '{"_id": "b", "age": 1.5}']
    stage(dsn, "people", sent)
    pgtandem("drain", "people", dsn=dsn)
    assert rows(dsn, "SELECT mongo_id, age FROM app.people") == [('"a"', 5)]
    stage(dsn, "people", ['{"_id": "b", "age": 2}'], full=True)
    pgtandem("drain", "people", dsn=dsn)
    assert rows(dsn, "SELECT mongo_id, age FROM app.people") == [('"b"', 2)]


# --- what does not fit ------------------------------------------------------------------------


def test_a_document_that_does_not_fit_is_set_aside_by_name_and_comes_when_it_is_mended(people):
    dsn = people.dsn
    stage(dsn, "people", ['{"_id": "a", "age": 1.5, "tags": ["x", 1], "name": "a"}',
                          '{"_id": "b", "name": "b", "address": "Rome"}',
                          '{"_id": "c", "name": "c", "__v": 1, "address": {"zip": 1}}',
                          ])  # fmt: skip
    assert rows(dsn, "SELECT mongo_id FROM app.people ORDER BY 1") == [('"b"',), ('"c"',)]
    assert rows(dsn, "SELECT * FROM pgtandem_people.checked() ORDER BY found ->> 'path'") == [
        ("unread_fields", {"path": "address", "documents": 1, "example": '"b"'}),
        ("unfit_documents", {"_id": '"a"', "path": "age", "value": 1.5,
                             "flaw": "not to be held exactly by integer"}),
        ("unfit_documents", {"_id": '"a"', "path": "tags", "value": ["x", 1],
                             "flaw": "an element: no string"}),
    ]  # fmt: skip
    stage(dsn, "people", ['{"_id": "a", "age": 2, "name": "a"}'])
    assert rows(dsn, "SELECT age FROM app.people WHERE mongo_id = '\"a\"'") == [(2,)]
    stage(dsn, "people", ['{"_id": "a", "age": "old", "name": "a"}'])
    assert rows(dsn, "SELECT age FROM app.people WHERE mongo_id = '\"a\"'") == []
    assert as_json("verify", "people", dsn=dsn, code=1)["equal"]
    assert rows(dsn, "SELECT key FROM pgtandem.recheck") == []  # nothing failed


def test_an_expression_that_fails_queues_its_key_and_no_import(dsn):
    text = replaced('    age: {path: age, default: "0"}\n', "").replace(
        "  stars:", "  age: pgtandem.mongo_integer(document -> 'age')\n  stars:"
    )
    build(dsn, text, LEGACY, ("expand", "sync"))
    stage(dsn, "people", ['{"_id": "a", "age": "old"}', '{"_id": "b", "age": 3}'])
    assert rows(dsn, "SELECT mongo_id, age FROM app.people") == [('"b"', 3)]
    assert rows(dsn, "SELECT key, sqlstate, message FROM pgtandem.failures") == [
        (['"a"'], "TD085", 'the value "old" of a document is no integer')
    ]


# --- checks -----------------------------------------------------------------------------------


def test_verify_runs_the_checks_and_says_what_they_find(people, tmp_path):
    dsn = people.dsn
    stage(dsn, "people", [{"_id": n} for n in range(30)] + [{"_id": "x", "name": "x", "y": 1}])
    out, err = pgtandem("verify", "people", dsn=dsn, code=1)
    assert out.splitlines()[0].startswith("people: equal. Compared every row")
    assert "fail  nameless: 30" in out
    assert "ok    unfit_documents" in out
    assert 'fail  unread_fields: 1  {"path": "y", "example": "\\"x\\"", "documents": 1}' in out
    assert "SELECT * FROM pgtandem_people.checked('nameless')" in err
    report = tmp_path / "report.json"
    found = as_json("verify", "people", "--report", report, dsn=dsn, code=1)
    assert found["equal"]
    assert [(each["check"], each["found"], len(each["examples"])) for each in found["checks"]] == [
        ("nameless", 30, 20), ("unfit_documents", 0, 0), ("unread_fields", 1, 1),
    ]  # fmt: skip
    made = consistency.Report.model_validate_json(report.read_text())
    assert [vars(each) for each in made.checks] == found["checks"]
    # A sample looks at some keys, and runs no check.
    assert as_json("verify", "people", "--sample", 5, dsn=dsn)["checks"] == []
    stage(dsn, "people", [{"_id": "x", "name": "x"}], full=True)
    assert all(not c["found"] for c in as_json("verify", "people", dsn=dsn)["checks"])


def test_the_checks_see_what_the_comparison_saw(people):
    """A row that somebody spoils after the snapshot is in neither."""
    dsn = people.dsn
    stage(dsn, "people", [{"_id": n, "name": "x"} for n in range(3)])
    with Session(dsn) as holder, Session(dsn) as other:
        # The comparison waits before it looks at the queue: it has its snapshot by then.
        holder.run("BEGIN")
        holder.run("LOCK pgtandem.recheck")
        other.run('UPDATE app.people SET age = 9 WHERE mongo_id = \'{"$numberInt": "0"}\'')
        with Running("verify", "people", "--json", dsn=dsn) as running:
            watcher = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
                " AND relation = 'pgtandem.recheck'::regclass"
            )
            while other.value(watcher) == 0:
                assert running.poll() is None
            other.run("UPDATE app.people SET name = NULL")
            holder.run("COMMIT")
            code, out, _ = running.end()
    made = json.loads(out)
    assert (code, made["changed"], [c["found"] for c in made["checks"]]) == (1, 1, [0, 0, 0])
    assert as_json("verify", "people", dsn=dsn, code=1)["checks"][0]["found"] == 3


def test_a_check_that_fails_is_named(dsn):
    build(dsn, replaced("name IS NULL", "1 / age = 1"), LEGACY, ("expand", "sync", "backfill"))
    stage(dsn, "people", ['{"_id": "a"}'])
    _, err = pgtandem("verify", "people", dsn=dsn, code=2)
    assert 'The check "nameless" of mapping "people" fails.' in err
    assert "division by zero" in err


def test_a_check_of_a_column_that_is_not_there_fails_the_deploy(dsn):
    with pytest.raises(AssertionError, match='column "nam" does not exist'):
        build(dsn, replaced("WHERE name IS", "WHERE nam IS"), LEGACY, ("expand",))


# --- the view ---------------------------------------------------------------------------------


def test_the_view_replaces_nothing_of_somebody_elses(dsn):
    own = (
        LEGACY
        + "CREATE VIEW app.people_documents AS SELECT 'x'::text AS _id, jsonb '1' AS document;"
    )
    with pytest.raises(AssertionError, match="is taken by something else than the view"):
        build(dsn, GOOD, own, ("expand",))
    assert documents(dsn) == {"x": 1}


def test_the_view_goes_with_the_mapping(people):
    assert rows(people.dsn, "SELECT to_regclass('app.people_documents') IS NULL") == [(False,)]
    people.revert("backfill", "sync", "expand")
    assert rows(people.dsn, "SELECT to_regclass('app.people_documents') IS NULL") == [(True,)]
    assert rows(people.dsn, "SELECT FROM pg_namespace WHERE nspname = 'pgtandem_people'") == []


@pytest.mark.both
def test_odd_names(dsn):
    """Of tables, columns, paths, checks' columns; `$checked$` in a query."""
    paths = ['"a.b"', "a'b", 'q."""x"""', "back\\\\slash", "pct%s", "$oid", "🔮", '"null"']
    columns = ["select", 'quo"te', "per%cent", "ba\\ck", "ü", "Name", "v_x", "sp ace"]
    mapping = {
        "mapping": "odd",
        "source": {"table": 'staging."Pe ople"', "columns": {"_id": "text", "docu ment": "jsonb"}},
        "target": {
            "table": 'app."Peo%ple"',
            "columns": {"_id": "text", **dict.fromkeys(columns, "text")},
        },
        "key": ["_id"],
        "columns": {"_id": "_id"},
        "document": {
            "column": "docu ment",
            "fields": dict(zip(columns, [p.replace("\\\\", "\\") for p in paths], strict=True)),
            "view": 'app."View of"',
        },
        "checks": {"odd": """SELECT '$checked$' AS "co l" FROM app."Peo%ple" WHERE false"""},
        "sync": {"ways": "forward"},
    }  # fmt: skip
    quoted = ", ".join('"' + c.replace('"', '""') + '" text' for c in columns)
    legacy = f"""
        CREATE SCHEMA staging; CREATE SCHEMA app;
        CREATE TABLE staging."Pe ople" (_id text PRIMARY KEY, "docu ment" jsonb);
        CREATE TABLE app."Peo%ple" (_id text PRIMARY KEY, {quoted});"""
    build(dsn, json.dumps(mapping, ensure_ascii=False), legacy, ("expand", "sync", "backfill"))
    inside = {"a.b": "1", "a'b": "2", "q": {'"x"': "3"}, "back\\slash": "4", "pct%s": "5",
              "$oid": "6", "🔮": "7", "null": "8"}  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO staging."Pe ople" VALUES (\'"k"\', %s)',
            (json.dumps({"_id": "k"} | inside),),
        )
    assert rows(dsn, 'SELECT * FROM app."Peo%ple"') == [('"k"', *"12345678")]
    assert documents(dsn, 'app."View of"') == {'"k"': {"_id": "k"} | inside}
    assert rows(dsn, "SELECT * FROM pgtandem_odd.checked()") == []


# --- a real file ------------------------------------------------------------------------------


CUSTOMERS = """
mapping: customers
source: {table: staging.customers, columns: {_id: text, document: jsonb}}
target:
  table: app.customers
  columns: {mongo_id: text, username: text, name: text, address: text, birthdate: timestamptz,
            email: text, active: boolean, accounts: "integer[]", tiers: jsonb}
key: [mongo_id]
columns: {mongo_id: _id}
document:
  fields:
    username: username
    name: name
    address: address
    birthdate: birthdate
    email: email
    active: {path: active, default: "false"}
    accounts: accounts
    tiers: tier_and_details
  view: app.customers_documents
checks:
  email_twice: SELECT email FROM app.customers GROUP BY 1 HAVING count(*) > 1
sync: {ways: forward}
"""


@pytest.mark.skipif(not REAL.exists(), reason="the real file is not part of the project")
def test_a_real_file_goes_the_whole_road(dsn):
    pgtandem("import", "mongo", REAL, "--into", "staging.customers", dsn=dsn)
    build(dsn, CUSTOMERS, """CREATE SCHEMA app; CREATE TABLE app.customers (
        mongo_id text PRIMARY KEY, username text, name text, address text, birthdate timestamptz,
        email text, active boolean, accounts integer[], tiers jsonb);""")  # fmt: skip
    pgtandem("backfill", "customers", dsn=dsn)
    made = as_json("verify", "customers", dsn=dsn, code=1)
    assert made["equal"]
    assert made["source_rows"] == made["target_rows"] == len(REAL.read_text().splitlines())
    # What nobody would have noticed: an address twice.
    assert [(c["check"], c["found"]) for c in made["checks"]] == [
        ("email_twice", 1), ("unfit_documents", 0), ("unread_fields", 0),
    ]  # fmt: skip
    given = {each["_id"]["$oid"]: each for each in map(json.loads, REAL.read_text().splitlines())}
    held = {d["_id"]["$oid"]: d for d in documents(dsn, "app.customers_documents").values()}
    assert given.keys() == held.keys()
    for key, document in given.items():
        born = rows(
            dsn, "SELECT pgtandem.mongo_json('{}')".format(json.dumps(document["birthdate"]))
        )
        assert held[key] == {
            "_id": {"$oid": key},
            "active": document.get("active", False),
            "birthdate": born[0][0],
            "accounts": [int(each["$numberInt"]) for each in document["accounts"]],
            **{name: document[name] for name in (
                "username", "name", "address", "email", "tier_and_details")},
        }  # fmt: skip


def test_the_mapping_of_the_example_is_loaded():
    for name in ("users", "tasks", "subtasks"):
        mapping = spec.load(ROOT / f"examples/mongo_tasks/mappings/{name}.yml")
        assert mapping.document.document
        assert mapping.document.document.view == f"app.{name}_documents"

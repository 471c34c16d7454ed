"""pgtandem import mongo: what is in the files is in the staging table, or set aside."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace

import bson
import psycopg
import pytest
from bson import json_util
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.json_util import JSONMode, JSONOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import set_json_loads

from command_line import Running, pgtandem, wait_for
from conftest import fresh_database
from helpers import OWNER, ROOT, TIMEOUT
from pgtandem import mongo_documents, mongo_files, mongo_import
from pgtandem.cli import cli, run
from pgtandem.commands import import_

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MODES = {"canonical": JSONMode.CANONICAL, "relaxed": JSONMode.RELAXED, "v1": JSONMode.LEGACY}
CODEC = CodecOptions(
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)
FORMS = {
    name: JSONOptions(
        json_mode=mode, uuid_representation=UuidRepresentation.UNSPECIFIED,
        datetime_conversion=DatetimeConversion.DATETIME_MS, tz_aware=False, tzinfo=None,
    )
    for name, mode in MODES.items()
}  # fmt: skip
CUSTOMERS = ROOT.parent / "shared" / "data" / "mongoexport-customers.json"
TABLES = count(1)
FEW = settings(
    max_examples=40, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
NASTY = [
    '"My Schema"."Users"', 'staging."it\'s ""q""; -- %s {0}"', 'staging."表 🦊"', "staging.plain",
]  # fmt: skip


@pytest.fixture(scope="module")
def database(server, engine_template) -> Iterator[str]:
    """One for all: each test has a staging table of its own."""
    with fresh_database(server, "mongo_import", engine_template) as name:
        yield server.dsn(name, OWNER)


@pytest.fixture(scope="module")
def session(database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        set_json_loads(lambda text: json.loads(text, parse_float=Decimal), connection)
        yield connection


@pytest.fixture
def load(database, session, capsys, tmp_path):
    """Import bytes into a table: load(data, table) returns exit status, stdout, stderr."""

    def call(data, table, *options, name="a.json", code=0):
        files = data if isinstance(data, list) else [data]
        paths = []
        for n, each in enumerate(files):
            path = each
            if isinstance(each, bytes):
                path = tmp_path / (name if n == 0 else f"{n}{name}")
                path.write_bytes(each)
            paths.append(str(path))
        arguments = ["import", "mongo", *paths, "--into", table, "--dsn", database, *options]
        capsys.readouterr()
        status = run(lambda: cli.main(arguments, standalone_mode=False))
        out, err = capsys.readouterr()
        assert code is None or status == code, out + err
        return out, err

    return call


@pytest.fixture
def table():
    return f"staging.t{next(TABLES)}"


def held(session, table):
    """The documents of a staging table by _id, numbers exactly."""
    return dict(session.execute(f"SELECT _id, document FROM {table}").fetchall())


def state(session, table):
    """All that an import leaves behind, but for the numbers of imports."""
    number = session.execute(
        "SELECT max(id) FROM pgtandem.import WHERE staging = %s::regclass::text", (table,)
    ).fetchone()[0]
    counts = session.execute(
        "SELECT state, documents, inserted, updated, unchanged, repeated, set_aside, deleted,"
        " line, position, bytes, digest FROM pgtandem.import WHERE id = %s", (number,)
    ).fetchone()  # fmt: skip
    bad = session.execute(
        "SELECT file, position, line, reason, message, size, raw FROM pgtandem.import_bad"
        " WHERE import = %s ORDER BY file, position", (number,)
    ).fetchall()  # fmt: skip
    seen = session.execute("SELECT count(*) FROM pgtandem.import_seen").fetchone()[0]
    return held(session, table), counts, bad, seen


def bad(session, table):
    return [(line, position, reason, bytes(raw))
            for _, position, line, reason, _, _, raw in state(session, table)[2]]  # fmt: skip


def exact(text):
    return json.loads(text, parse_float=Decimal)


def lines(*documents):
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in documents)


# Whole documents, in each form.

SCALARS = st.one_of(
    st.none(), st.booleans(), st.text(max_size=8),
    st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1).map(bson.Int64),
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e300, 5e-324, 1e21]),
    st.binary(min_size=12, max_size=12).map(bson.ObjectId),
    st.integers(-(2**60), 2**60).map(DatetimeMS), st.integers(0, 2**41).map(DatetimeMS),
    st.builds(Binary, st.binary(max_size=9), st.sampled_from([0, 4, 5, 128])),
    st.uuids().map(lambda value: Binary(value.bytes, 4)),
    st.sampled_from(["1", "1.0", "-0", "0E-6176", "1.5E+3", "NaN", "Infinity", "-Infinity",
                     "1234567890123456789012345678901234", "9.99E+6144"]).map(bson.Decimal128),
    st.builds(bson.Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.builds(bson.Regex, st.text("ab.*[]", max_size=5), st.sampled_from(["", "im"])),
    st.sampled_from([bson.MinKey(), bson.MaxKey()]),
    st.builds(bson.Code, st.text("ab(){};", max_size=9)),
)  # fmt: skip
NAMES = st.text(max_size=6).filter(lambda name: not name.startswith("$") and "\x00" not in name)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
IDS = st.one_of(
    st.binary(min_size=12, max_size=12).map(bson.ObjectId), st.text(max_size=6),
    st.integers(-5, 5), st.integers(-5, 2**62).map(bson.Int64), st.floats(-3, 3, width=16),
    st.booleans(), st.integers(0, 2**41).map(DatetimeMS), st.none(),
    st.uuids().map(lambda value: Binary(value.bytes, 4)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=2),
)  # fmt: skip
DOCUMENTS = st.builds(
    lambda _id, rest: {"_id": _id, **rest}, IDS, st.dictionaries(NAMES, VALUES, max_size=4)
)


def anywhere(value, is_it):
    """Whether something is in a value, however deep."""
    if isinstance(value, dict):
        return any(anywhere(each, is_it) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(anywhere(each, is_it) for each in value)
    return is_it(value)


def has_nul(value):
    parts = lambda each: each if isinstance(each, str) else getattr(each, "pattern", "")  # noqa: E731
    return anywhere(value, lambda each: "\x00" in parts(each))


def has_negative_zero(value):
    return anywhere(
        value, lambda each: type(each) is float and each == 0 and math.copysign(1, each) < 0
    )


def same_id(value):
    """What MongoDB finds equal has one: all numbers that are whole, whatever their type."""
    if isinstance(value, dict):
        # JSONB has no order of fields.
        return ("object", *sorted((name, same_id(each)) for name, each in value.items()))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", Decimal(value))
    return (type(value).__name__, repr(value))


def typed(value):
    """A document with the types of its values; the order of fields does not count."""
    if isinstance(value, dict):
        return ("object", *sorted((name, typed(each)) for name, each in value.items()))
    if isinstance(value, list):
        return ("array", *map(typed, value))
    if type(value) is Binary and value.subtype == 0:
        value = bytes(value)
    return (type(value).__name__, repr(value))


@pytest.mark.both
@settings(FEW)
@given(documents=st.lists(DOCUMENTS, max_size=8), form=st.sampled_from([*FORMS]),
       spaced=st.booleans(), wide=st.booleans())  # fmt: skip
def test_staging_holds_the_documents_value_for_value(
    session, load, documents, form, spaced, wide
):  # fmt: skip
    table = f"staging.t{next(TABLES)}"
    separators = (", ", " : ") if spaced else (",", ":")
    texts = [
        json_util.dumps(each, json_options=FORMS[form], separators=separators, ensure_ascii=wide)
        for each in documents
    ]
    firsts, expected, unfit = {}, {}, 0
    for each, text in zip(documents, texts, strict=True):
        if (
            has_nul(each)
            or (form != "canonical" and has_negative_zero(each))
            or firsts.setdefault(same_id(each["_id"]), text) != text
        ):
            unfit += 1
        else:
            expected[same_id(each["_id"])] = text, each
    data = "".join(text + "\n" for text in texts).encode()
    load(data, table, code=1 if unfit else 0)
    texts = [row[0] for row in session.execute(f"SELECT document::text FROM {table}")]
    # Bare NaN and infinities are no JSON; they are written as canonical Extended JSON is.
    constant = lambda name: {"$numberDouble": name}  # noqa: E731
    wanted = [
        json.loads(text, parse_float=Decimal, parse_constant=constant)
        for text, _ in expected.values()
    ]
    # Not by all that is in it: 1E+16 and 10000000000000000 are equal, and sorted apart.
    key = lambda value: json.dumps(value["_id"], sort_keys=True, default=str)  # noqa: E731
    assert sorted(map(exact, texts), key=key) == sorted(wanted, key=key)
    assert len(bad(session, table)) == unfit
    if form == "canonical":
        read = [json_util.loads(text, json_options=FORMS[form]) for text in texts]
        assert sorted(map(typed, read)) == sorted(typed(each) for _, each in expected.values())
    assert {row[0] for row in session.execute(f"SELECT _id FROM {table}")} == {
        row[0] for row in session.execute(
            f"SELECT pgtandem.mongo_id(document -> '_id') FROM {table}")}  # fmt: skip


@settings(FEW, max_examples=25)
@given(documents=st.lists(DOCUMENTS, max_size=6, unique_by=lambda each: same_id(each["_id"])))
def test_a_dump_holds_what_its_export_does(session, load, documents):
    documents = [each for each in documents if not has_nul(each)]
    dump, export = f"staging.t{next(TABLES)}", f"staging.t{next(TABLES)}"
    raw = b"".join(bson.encode(each, codec_options=CODEC) for each in documents)
    load(raw, dump, name="a.bson")
    texts = [json_util.dumps(each, json_options=FORMS["canonical"]) for each in documents]
    load("".join(text + "\n" for text in texts).encode(), export)
    assert held(session, dump) == held(session, export)
    assert len(held(session, dump)) == len(documents)


# What does not go in as it is.

BAD = [
    (b'{"_id":1,"a":}', "broken JSON", b""),
    (b'{"_id":2}{"_id":3}', "broken JSON", b""),
    (b"}", "broken JSON", b""),
    (b'{"_id":3,"a":"\\u0000"}', "NUL character", b""),
    (b'{"_id":3,"\\\\\\u0000":1}', "NUL character", b""),
    (b'{"_id":3,"a":"\\ud800"}', "refused by PostgreSQL", b""),
    (b'{"a":1}', "no _id", b""),
    (b'[{"_id":1}]', "no object", b""),
    (b'"_id"', "no object", b""),
    (b"7", "no object", b""),
    (b'{"_id":4,"a":"\xff"}', "invalid UTF-8", b""),
    (b'{"_id":4,"a":{"b":1,"c":2,"b":1}}', "field twice", b""),
    (b'{"_id":5,"_id":5}', "field twice", b""),
    (b'{"_id":5,"a":-0.0}', "number", b""),
    (b'{"_id":5,"a":[-0]}', "number", b""),
    (b'{"_id":5,"a":[-0.0]}', "number", b""),
    (b'{"_id":5,"a":[1,-0.0]}', "number", b""),
    (b'{"_id":5,"a": -0e5 }', "number", b""),
    (b'{"_id":5,"a":1e400000}', "number", b""),
    (b'{"_id":5,"a":1e-400000}', "number", b""),
    (b'{"_id":{"$numberInt":"x"}}', "refused by PostgreSQL", b""),
    (b'{"_id":"' + b"x" * 9 + b'","a":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested", b""),
    (b'{"_id":1}', "duplicate _id", b'{"_id":1,"a":2}'),
    (b'{"_id":{"$numberLong":"1"}}', "duplicate _id", b'{"_id":1}'),
    (b'{"_id":{"$oid":"5CA4BBCEA2DD94EE58162A68"}}', "duplicate _id",
     b'{"_id":{"$oid":"5ca4bbcea2dd94ee58162a68"}}'),
]  # fmt: skip


@pytest.mark.both
@pytest.mark.parametrize("is_first", [False, True], ids=["after a good one", "first"])
def test_each_bad_document_is_set_aside_and_the_rest_goes_in(session, load, table, is_first):
    """Each with good neighbours in a file of its own, and at last all together."""
    good = [b'{"_id":"good","a":"\\\\u0000, -0, \\ud83e\\udd8a"}', b'{"_id":"better"}']
    for raw, reason, before in BAD:
        if is_first and raw.startswith(b"["):
            continue  # a file that begins so is an array
        data = [each for each in (before, raw, *good) if each] if is_first else [
            each for each in (before, good[0], raw, good[1]) if each]  # fmt: skip
        session.execute(f"DROP TABLE IF EXISTS {table}")
        load(b"\n".join(data) + b"\n", table, code=1)
        (found,) = bad(session, table)
        line = data.index(raw) + 1
        assert found[0] == line
        assert found[1] == sum(len(each) + 1 for each in data[: line - 1])
        assert found[2].startswith(reason), (raw, found)
        assert found[3] == raw
        assert len(held(session, table)) == len(data) - 1


def test_lines_that_are_documents_only_together(session, load, table):
    """As many as there are lines, so the block looks good; the second line is not the third."""
    good = b'{"_id":"good"}'
    data = [b'{"_id":1},{"_id":2}', b'{"_id":3}', b'{"_id":4,"a":[1', b"2]}", good]
    load(b"\n".join(data), table, code=1)
    assert held(session, table) == {
        '{"$numberInt": "3"}': {"_id": 3}, '"good"': {"_id": "good"},
    }  # fmt: skip
    assert [(line, raw) for line, _, _, raw in bad(session, table)] == [
        (1, data[0]), (3, data[2]), (4, data[3]),
    ]  # fmt: skip
    inner = [b'{"_id":1},{"_id":2},{"_id":3}', b'{"_id":4,"a":[', b'{"b":1}', b"]}"]
    load(b"\n".join(inner), f"{table}x", code=1)
    assert held(session, f"{table}x") == {}


def test_numbers_that_json_has_no_word_for(session, load, table):
    """As exports before version 4.2 write them; in a text they stay what they are."""
    document = b'{"_id":%d,"a":[+Infinity, -Infinity,NaN],"b":{"c":+Infinity},"d":"[+Infinity,NaN"}'
    load(b"\n".join(document % n for n in range(3)), table)
    load(b"[%s,\n %s]" % (document % 3, document % 4), table)
    name = lambda text: {"$numberDouble": text}  # noqa: E731
    assert held(session, table) == {
        f'{{"$numberInt": "{n}"}}': {
            "_id": n, "a": [name("Infinity"), name("-Infinity"), name("NaN")],
            "b": {"c": name("Infinity")}, "d": "[+Infinity,NaN",
        }
        for n in range(5)
    }  # fmt: skip
    broken = b'{"_id":9,"a":[+Infinity,+Inf]}'
    load(broken + b"\n", table, code=1)
    assert bad(session, table) == [(1, 0, "broken JSON", broken)]


AMBIGUOUS = [
    {"$numberInt": "5"}, {"$date": 5}, {"$oid": "5ca4bbcea2dd94ee58162a68"}, {"$date": "x"},
    {"$binary": "AAEC", "$type": "00"}, {"$regex": "a", "$options": ""}, {"$undefined": True},
]  # fmt: skip


def test_a_dump_with_fields_that_would_be_taken_for_types(session, load, table):
    raws = [bson.encode({"_id": n, "a": [{"b": each}]}) for n, each in enumerate(AMBIGUOUS)]
    two = bson.encode({"_id": 8, "a": 1, "b": 2})
    twice = two.replace(b"b\0", b"a\0")
    symbol = bson.encode({"_id": 9, "a": "x"}).replace(b"\x02a\0", b"\x0ea\0")
    fine = {"_id": "fine", "a": {"$ref": "c", "$id": 1}, "$x": 1, "b": "$date\u00e9"}
    load(b"".join([*raws, twice, symbol, bson.encode(fine)]), table, name="a.bson", code=1)
    assert [(reason, raw) for _, _, reason, raw in bad(session, table)] == [
        *(("ambiguous", raw) for raw in raws), ("field twice", twice), ("field twice", symbol),
    ]  # fmt: skip
    assert [*held(session, table)] == ['"fine"']


@pytest.mark.parametrize(
    ("line", "is_plain"),
    [
        (b'{"_id":1,"a":[-0.05,-0.5,-1e-7,0.0]}', True),
        (b'{"_id":1,"a":"-0.0.1 \\\\ \\n"}', False),
        (b'{"_id":1,"a":"\\\\u0000"}', False),
        (b'{"_id":1,"a":-0.0}', False),
        (b'{"_id":1,"a":-0}', False),
        (b'{"_id":1,"a":1,"a":1}', False),
        (b'{"_id":1,"a":1.10}', False),
        (b'{"_id":1,"a":"\xff"}', False),
        (b'{"_id":1, "a":1}', False),
        (b'{"a":1}', False),
        (b'{"_id":1},{"_id":2}', False),
    ],
)
def test_which_lines_need_no_look_of_their_own(line, is_plain):
    """The others may be as good; they only take longer."""
    before, after = b'{"_id":{"$oid":"5ca4bbcea2dd94ee58162a68"}}', '{"_id":"é"}'.encode()
    some = [before, line, after]
    ids = [b'{"$oid": "5ca4bbcea2dd94ee58162a68"}', b'{"$numberInt": "1"}', b'"\xc3\xa9"']
    assert mongo_documents.ids_of(b"\n".join(some), some) == (ids if is_plain else None)


def test_pieces_before_and_after_an_id_that_postgresql_has_to_spell(
    session, load, table, monkeypatch
):  # fmt: skip
    """All in one chunk: what came before is there when it is asked who was first."""
    monkeypatch.setattr(mongo_files, "PIECE", 1)
    data = [b'{"_id":1}', b'{"_id":2}', b"{", b'{"_id":2.0,"a":1}', b'{"_id":3.5}', b'{"_id":1}',
            b'{"_id":4}', b"}", b'{"_id":4,"a":1}']  # fmt: skip
    out, _ = load(b"\n".join(data), table, code=1)
    assert out.startswith(
        f"{table}: 9 documents: 4 inserted, 1 there twice and the same, 4 set aside."
    )
    assert [(line, reason) for line, _, reason, _ in bad(session, table)] == [
        (3, "broken JSON"), (4, "duplicate _id"), (8, "broken JSON"), (9, "duplicate _id"),
    ]  # fmt: skip


def test_the_encoding_of_the_client_does_not_matter(session, load, table, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    data = '{"_id":"é","a":"€ 🦊"}\n'.encode()
    for _ in range(2):  # by COPY into the table, and beside what is there
        load(data, table)
        assert held(session, table) == {'"é"': {"_id": "é", "a": "€ 🦊"}}


def test_the_summary_counts_them_by_reason(session, load, table):
    data = b'{"_id":1}\n\n{"_id":1,"a":1}\n{"_id":2,"a":\n{"_id":3}\r\n{}\n{}\n{"_id":4'
    out, err = load(data, table, code=1)
    assert out.startswith(f"{table}: 7 documents: 2 inserted, 5 set aside. 7 in ")
    table_of_reasons = out.splitlines()[4:]
    assert [line.rsplit(maxsplit=0)[0][:14].strip() for line in table_of_reasons] == [
        "broken JSON", "duplicate _id", "no _id", "truncated",
    ]  # fmt: skip
    assert "pgtandem.import_bad" in err
    found = json.loads(load(data, table, "--json", code=1)[0])
    assert {each["reason"]: (each["documents"], each["line"]) for each in found["reasons"]} == {
        "duplicate _id": (1, 3), "broken JSON": (1, 4), "no _id": (2, 6), "truncated": (1, 8),
    }  # fmt: skip
    assert (found["documents"], found["unchanged"], found["set_aside"]) == (7, 2, 5)


def test_a_document_that_a_trigger_refuses_is_set_aside(session, load, table):
    load(b"", table)
    session.execute(f"ALTER TABLE {table} ADD CHECK (document ->> 'a' <> 'no')")
    data = b"".join(b'{"_id":%d,"a":"%s"}\n' % (n, b"no" if n % 7 == 3 else b"yes")
                    for n in range(50))  # fmt: skip
    load(data, table, code=1)
    assert {line for line, *_ in bad(session, table)} == {n + 1 for n in range(50) if n % 7 == 3}
    assert len(held(session, table)) == 43


def test_sizes(session, load, table, monkeypatch):
    """Over 16 MiB as BSON, over 64 MiB as text, and a text that is larger than its BSON."""
    monkeypatch.setattr(mongo_documents, "MAX_BSON", 1000)
    monkeypatch.setattr(mongo_documents, "MAX_TEXT", 4000)
    monkeypatch.setattr(mongo_files, "KEPT", 100)
    monkeypatch.setattr(mongo_files, "BLOCK", 512)
    fits = {"_id": 1, "a": [{"$numberInt": "1"}] * 80}
    large, larger = {"_id": 2, "a": "x" * 1100}, {"_id": 4, "a": "y" * 9000}
    data = lines(fits, large, {"_id": 3}, larger, {"_id": 5})
    load(data, table, code=1)
    assert [each["_id"] for each in held(session, table).values()] == [1, 3, 5]
    starts = [data.index(b'{"_id":%d' % n) for n in (2, 4)]
    sizes = state(session, table)[2]
    assert [(line, position, reason, size) for position, line, reason, size in
            ((each[1], each[2], each[3], each[5]) for each in sizes)] == [
        (2, starts[0], "over 16 MiB", 1116), (4, starts[1], "over 16 MiB", 9017)]  # fmt: skip
    assert bytes(sizes[0][6]) == data.splitlines()[1]
    assert bytes(sizes[1][6]) == data.splitlines()[3][: len(sizes[1][6])]


def test_strict_stops_at_the_first_and_goes_on_when_it_is_mended(
    session, load, table, tmp_path, monkeypatch
):  # fmt: skip
    monkeypatch.setattr(mongo_files, "BLOCK", 30)
    data = b"".join(b'{"_id":%d,"a":%s}\n' % (n, b"1" if n != 5 else b"}") for n in range(10))
    _, err = load(data, table, "--strict", code=2)
    assert "a.json, line 6, byte 80: broken JSON." in err
    assert "Hint: What is before it is in. Mend it and run the command again" in err
    # Of the chunk with the bad one nothing is in, nor of those after it.
    assert len(held(session, table)) in {4, 5}
    load(data.replace(b"}}", b"1}"), table, "--strict")
    assert len(held(session, table)) == 10
    assert state(session, table)[1][:3] == ("complete", 10, 10)


def test_a_dry_run_says_the_same_and_writes_nothing(session, database, load, table):
    data = b'{"_id":1}\n{"_id":1,"a":1}\n{"_id":2,"a":-0}\n{"_id":3,"a":1e400000}\n{"_id":3}\n'
    before = session.execute("SELECT count(*) FROM pgtandem.import").fetchone()
    dry = json.loads(load(data, table, "--dry-run", "--json", code=1)[0])
    assert session.execute("SELECT to_regclass(%s)", (table,)).fetchone()[0] is None
    assert session.execute("SELECT count(*) FROM pgtandem.import").fetchone() == before
    wet = json.loads(load(data, table, "--json", code=1)[0])
    for each in (dry, wet):
        del each["import"], each["seconds"], each["files"]
    assert dry == wet
    again = b'{"_id":1}\n{"_id":3,"b":1}\n{"_id":4}\n'
    held_before = state(session, table)
    dry = json.loads(load(again, table, "--dry-run", "--json")[0])
    assert state(session, table) == held_before
    wet = json.loads(load(again, table, "--json")[0])
    for each in (dry, wet):
        del each["import"], each["seconds"], each["files"]
    assert dry == wet
    assert (wet["inserted"], wet["updated"], wet["unchanged"]) == (1, 1, 1)


# Where the files are cut, and where the import is.


def test_an_array_that_is_cut_between_documents(session, load, table, monkeypatch):
    """What it lost is not deleted by --full, be it that the import was interrupted before."""
    monkeypatch.setattr(mongo_files, "BLOCK", 20)
    data = b'[{"_id":1},\n{"_id":2},\n{"_id":3}]\n'
    load(data, table)
    cut = data[: data.index(b',\n{"_id":3')]
    with monkeypatch.context() as patched:
        patched.setattr(mongo_import.Turn, "done", stop)
        with pytest.raises(Killed):
            load(cut, table, "--full", "--yes", code=2)
    _, err = load(cut, table, "--full", "--yes", code=1)
    assert "goes on after" in err
    assert "Nothing was deleted (--full)" in err
    assert bad(session, table) == [(2, len(cut), "truncated", b"")]
    assert len(held(session, table)) == 3


def chunks_of(data, name, tmp_path, place=None):
    path = tmp_path / name
    path.write_bytes(data)
    reader = mongo_files.Reader([str(path)], "auto")
    return list(reader.chunks(place or mongo_files.Place(), lambda *_: None))


MIXED = (
    '{"_id":1,"a":"é"}\n{"_id":2,"b":[NaN,+Infinity]}\r\n\n'
    '{"_id":3,"a":"\\n{\\"}"}\n  {"_id":4}\n{"a":1}\n'
    '{"_id":5,"表":"🦊"}\n{"_id":6,"a":[1,\n{"_id":7,"a":-0}\n{"_id":8}'
).encode()
PRETTY = (
    '[{\n\t"_id": 1,\n\t"a": {\n\t\t"é": "}]"\n\t}\n},\n'
    '{\n\t"_id": 2,\n\t"a": [\n\t\t{"_id": 3}\n\t]\n}'
    ',\n{\n\t"_id": 4,\n\t"a": x\n},\n{"_id":5,"a":1,"a":2},{"_id":6,"b":"🦊"}]\n'
).encode()
DUMP = b"".join(bson.encode({"_id": n, "a": "é" * n}) for n in range(6)) + b"\x30\x00\x00\x00\x10"
CONTENTS = [
    ("a.json", MIXED, 6), ("a.json", b"\xef\xbb\xbf" + MIXED, 6), ("a.json", MIXED + b"\n", 6),
    ("a.json", PRETTY, 3), ("a.json", PRETTY[1:-2], 3), ("a.json", PRETTY[:-6], 2),
    ("a.json", PRETTY[: PRETTY.index(b',\n{\n\t"_id": 4')], 2),
    ("a.bson", DUMP, 6), ("a.json", b"", 0), ("a.json", b"[]", 0), ("a.json", b"\n\n", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "good"), CONTENTS)
def test_wherever_a_block_ends_the_documents_are_the_same(tmp_path, monkeypatch, name, data, good):
    def found(chunks):
        for before, after in pairwise(chunks):
            assert (after.number, after.total >= before.total) == (before.number + 1, True)
        pieces = [piece for chunk in chunks for piece in chunk.pieces]
        documents = [each for piece in pieces for each in piece.found[0]]
        for each in documents:
            assert data[each.position :].startswith(each.raw)
        return documents, [each for chunk in chunks for each in chunk.bad]

    whole = found(chunks_of(data, name, tmp_path))
    assert len(whole[0]) == good
    for block in range(1, len(data) + 2):
        monkeypatch.setattr(mongo_files, "BLOCK", block)
        monkeypatch.setattr(mongo_files, "PIECE", block // 3)
        chunks = chunks_of(data, name, tmp_path)
        assert found(chunks) == whole, block
        # And after each chunk it goes on as if nothing had been.
        if block in {7, 40, len(data) - 1}:
            for n, chunk in enumerate(chunks):
                place = mongo_files.Place(
                    chunk.number, 1, chunk.line, chunk.position, chunk.total, chunk.digest
                )
                rest = chunks_of(data, name, tmp_path, place)
                assert found(rest) == found(chunks[n + 1 :])


class Killed(BaseException):
    pass


def stop(*_):
    raise Killed


KEYS = st.integers(0, 12)
LINES = st.lists(
    st.one_of(
        st.builds(lambda key, value: b'{"_id":%d,"a":%d}' % (key, value), KEYS, st.integers(0, 2)),
        st.sampled_from([b'{"a":1}', b'{"_id":', b'{"_id":1,"a":-0}', b"", b'{"_id":1e999999}']),
        st.sampled_from([b'{"_id":1.0}', b'{"_id":{"$numberDouble":"2"},"a":2}']),
    ),
    max_size=20,
)


@settings(FEW, max_examples=15)
@given(before=LINES, data=LINES, block=st.integers(1, 120), piece=st.integers(1, 40),
       jobs=st.integers(1, 2),
       kills=st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=3))  # fmt: skip
def test_killed_at_any_point_it_ends_the_same(
    session, load, monkeypatch, before, data, block, piece, jobs, kills
):  # fmt: skip
    """As a kill is for the database: before a commit, or right after it."""
    one, other = f"staging.t{next(TABLES)}", f"staging.t{next(TABLES)}"
    note = mongo_import.Import._note
    done = mongo_import.Turn.done
    data = b"\n".join(data)
    expected = None
    for table in (one, other):
        for each in (b"\n".join(before), data):
            with monkeypatch.context() as patched:
                patched.setattr(mongo_files, "BLOCK", block)
                patched.setattr(mongo_files, "PIECE", piece)
                for at, is_committed in kills if table == other else []:
                    left = [at]

                    def kill(run, *rest, call, left=left):
                        left[0] -= 1
                        if left[0] == 0:
                            raise Killed
                        return call(run, *rest)

                    with patched.context() as kill_patch:
                        if is_committed:
                            kill_patch.setattr(
                                mongo_import.Turn, "done",
                                lambda *a, kill=kill: kill(*a, call=done),
                            )  # fmt: skip
                        else:
                            kill_patch.setattr(
                                mongo_import.Import, "_note",
                                lambda *a, kill=kill: kill(*a, call=note),
                            )  # fmt: skip
                        try:
                            load(each, table, "--jobs", str(jobs), code=2)
                        except Killed:
                            continue
                        except AssertionError:
                            break  # it was done before
                if is_running(session, table) or not kills or table == one:
                    load(each, table, code=None)
        if expected is None:
            expected = state(session, table)
    assert state(session, other) == expected


def is_running(session, table):
    return session.execute(
        "SELECT count(*) FROM pgtandem.import WHERE staging = %s AND state = 'running'", (table,)
    ).fetchone()[0]


@settings(FEW, max_examples=15)
@given(old=LINES, new=LINES, jobs=st.integers(1, 2), block=st.integers(1, 200))
def test_an_older_export_and_then_the_newer_in_full_is_the_newer(
    session, load, monkeypatch, old, new, jobs, block
):  # fmt: skip
    new = [each for each in new if each.endswith(b"}")]
    fresh, delta = f"staging.t{next(TABLES)}", f"staging.t{next(TABLES)}"
    with monkeypatch.context() as patched:
        patched.setattr(mongo_files, "BLOCK", block)
        load(b"\n".join(old), delta, code=None)
        load(b"\n".join(new), delta, "--full", "--yes", "--jobs", str(jobs), code=None)
        load(b"\n".join(new), fresh, code=None)
    gone = held(session, delta).keys() - held(session, fresh).keys()
    if bad(session, fresh):
        assert state(session, delta)[1][7] == 0
        assert {key: held(session, delta)[key] for key in held(session, fresh)} == held(
            session, fresh
        )
    else:
        assert not gone
        assert held(session, delta) == held(session, fresh)
    assert bad(session, delta) == bad(session, fresh)


@pytest.mark.both
def test_what_is_there_and_the_same_is_not_written(session, load, table):
    data = lines(*({"_id": n, "a": n} for n in range(50)))
    load(data, table)
    session.execute(f"""
        CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'written: %', coalesce(new.document, old.document);
        END $$;
        CREATE TRIGGER loud BEFORE INSERT OR UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}();
    """)
    rows = f"SELECT _id, xmin::text, xmax::text, ctid::text FROM {table} ORDER BY 1"
    before = session.execute(rows).fetchall()
    for options in ([], ["--full"], ["--jobs", "2"]):
        load(data, table, *options)
        assert session.execute(rows).fetchall() == before
        assert state(session, table)[1][1:5] == (50, 0, 0, 50)
    # To the byte: JSONB finds 1 and 1.0 equal, and they are not the same.
    load(data.replace(b'"a":7}', b'"a":7.0}'), table, code=1)
    assert [each[2] for each in bad(session, table)] == ["refused by PostgreSQL"]
    session.execute(f"DROP TRIGGER loud ON {table}")
    load(data.replace(b'"a":7}', b'"a":7.0}'), table)
    assert state(session, table)[1][1:5] == (50, 0, 1, 49)
    assert [row[0] for row in session.execute(f"SELECT document::text FROM {table} WHERE import = "
            f"(SELECT max(import) FROM {table})")] == ['{"a": 7.0, "_id": 7}']  # fmt: skip


@pytest.mark.both
def test_full_asks_before_it_deletes_much(session, load, table):
    load(lines(*({"_id": n} for n in range(20))), table)
    _, err = load(lines(*({"_id": n} for n in range(18))), table, "--full")
    assert f"2 of 20 documents in {table} are not in the files (10.0 %)." in err
    few = lines({"_id": 1}, {"_id": 99})
    _, err = load(few, table, "--full", code=2)
    assert f"17 of 19 documents in {table} are not in the files (89.5 %)" in err
    assert "nobody is there to be asked. None was deleted." in err
    assert "the same command with --yes deletes them" in err
    assert len(held(session, table)) == 19
    # It goes on, not from the beginning: only the question was open.
    _, err = load(few, table, "--full", "--yes")
    assert "goes on after" in err
    assert {each["_id"] for each in held(session, table).values()} == {1, 99}
    assert state(session, table)[1][7] == 17
    # What is set aside would look as if it were gone.
    _, err = load(b'{"_id":1}\n{"_id":99', table, "--full", "--yes", code=1)
    assert "Nothing was deleted (--full), as documents were set aside" in err
    assert len(held(session, table)) == 2


@pytest.mark.parametrize(("pack", "name"), [
    (gzip.compress, "a.json.gz"), (zstd.compress, "a.json.zst"), (gzip.compress, "a"),
    (lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]), "two members.gz"),
    (lambda data: zstd.compress(data[:50]) + zstd.compress(data[50:]), "two frames.zst"),
])  # fmt: skip
def test_compressed_files(session, load, table, pack, name):
    data = lines(*({"_id": n, "a": "x" * n} for n in range(300)))
    load(pack(data), table, name=name)
    assert len(held(session, table)) == 300


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_damaged_file_goes_in_up_to_there(session, load, table, monkeypatch, pack):
    monkeypatch.setattr(mongo_files, "BLOCK", 4096)
    rows = [{"_id": n, "a": base64.b64encode(os.urandom(60)).decode()} for n in range(4000)]
    data = pack(lines(*rows))
    _, err = load(data[: len(data) * 3 // 4], table, code=2)
    assert "a.json is damaged: it cannot be decompressed to its end." in err
    assert "Hint: What was read before is in." in err
    assert 100 < len(held(session, table)) < 4000
    _, err = load(data, table)
    assert "goes on after byte" in err
    assert len(held(session, table)) == 4000


def test_several_files_and_standard_input(session, database, load, table, tmp_path, monkeypatch):
    class Input:
        buffer = io.BufferedReader(io.BytesIO(gzip.compress(b'{"_id":3}\n{"_id":')))

    monkeypatch.setattr(sys, "stdin", Input)
    load([b'{"_id":1}\n', b'[{"_id":2}, {}]', "-", bson.encode({"_id": 4})], table, code=1)
    assert sorted(each["_id"] for each in held(session, table).values() if
                  not isinstance(each["_id"], dict)) == [1, 2, 3]  # fmt: skip
    files = session.execute(
        "SELECT file, name FROM pgtandem.import_bad WHERE import ="
        " (SELECT max(id) FROM pgtandem.import) ORDER BY 1"
    ).fetchall()
    assert [(number, Path(name).name) for number, name in files] == [(2, "1a.json"), (3, "-")]
    assert "can be read once" in load(["-", "-"], table, code=2)[1]


@pytest.mark.parametrize("name", NASTY)
def test_names_of_tables(session, load, name):
    try:
        load(lines({"_id": 1}, {"_id": 2}), name)
        load(lines({"_id": 1, "a": 1}), name, "--full", "--yes", "--dry-run")
        load(lines({"_id": 1, "a": 1}), name, "--full", "--yes", "--jobs", "2")
        assert held(session, name) == {'{"$numberInt": "1"}': {"_id": 1, "a": 1}}
    finally:
        session.execute(f"DROP TABLE IF EXISTS {name}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--into", "a.b.c"], "a.b.c is no name of a table."),
        (["--into", "a..c"], "a..c is no name of a table."),
        (["--into", "staging.odd"], "staging.odd cannot hold documents (SQLSTATE TD080)"),
        (["--into", "staging.a_view"], "It is no table."),
        (["--into", "staging.no_key"], "It has no unique index on _id."),
        (["--into", "staging.more"], "It needs a value for: b, \"C\"."),
    ],
)  # fmt: skip
def test_a_staging_table_that_is_none(session, load, arguments, said):
    session.execute("""
        CREATE SCHEMA IF NOT EXISTS staging;
        CREATE TABLE IF NOT EXISTS staging.odd (_id text, document json);
        CREATE OR REPLACE VIEW staging.a_view AS SELECT 1 AS a;
        CREATE TABLE IF NOT EXISTS staging.no_key (_id text, document jsonb, import bigint);
        CREATE TABLE IF NOT EXISTS staging.more (_id text PRIMARY KEY, document jsonb,
            import bigint, a int, b int NOT NULL, "C" text NOT NULL, d int NOT NULL DEFAULT 1,
            e int NOT NULL GENERATED ALWAYS AS IDENTITY);
        CREATE UNIQUE INDEX IF NOT EXISTS only_some ON staging.no_key (_id) WHERE import > 1;
    """)
    _, err = load(b"", arguments[1], code=2)
    assert said in err
    assert "Hint: " in err


def test_files_that_cannot_be_read(load, table, tmp_path):
    assert "nowhere: No such file or directory" in load(["nowhere"], table, code=2)[1]
    assert "is a directory" in load([tmp_path], table, code=2)[1]
    archive = b"\x6d\xe2\x99\x81" + b"\x00" * 20
    assert "is an archive of mongodump" in load(archive, table, code=2)[1]
    assert "is in UTF-16" in load('{"_id":1}'.encode("utf-16"), table, code=2, name="b")[1]


def test_an_import_of_other_files_that_is_not_finished(session, load, table, monkeypatch):
    monkeypatch.setattr(mongo_files, "BLOCK", 30)
    first = lines(*({"_id": n} for n in range(20)))
    load(first + b"}\n", table, "--strict", code=2)
    assert "(SQLSTATE TD082)" in load([first, first], table, code=2)[1]
    _, err = load(first.replace(b"3", b"4", 1), table, code=2)
    assert "What was read of" in err
    assert "is not what is in it now. (SQLSTATE TD082)" in err
    assert "--restart to begin anew" in err
    load(first[: first.rindex(b"{")], table, "--restart")
    assert session.execute(
        "SELECT array_agg(state ORDER BY id) FROM pgtandem.import WHERE staging = %s", (table,)
    ).fetchone() == (["abandoned", "complete"],)


def test_two_at_once(session, database, load, table):
    load(b"", table)
    with psycopg.connect(database) as other:
        other.execute("SELECT pgtandem.begin_import(%s::regclass, '[{}]')", (table,))
        _, err = load(b"", table, code=2)
        assert f"an import into {table} is running already (SQLSTATE TD081)" in err
        assert f"It is run by pid {other.info.backend_pid}." in err
    wait_for(lambda: "TD081" not in load(b"", table, code=None)[1])


def test_a_session_that_went_on_elsewhere_is_noticed(session, load, table, monkeypatch):
    monkeypatch.setattr(mongo_files, "BLOCK", 30)
    note = mongo_import.Import._note

    def meddle(run, *rest):
        if rest[1].number == 3:
            session.execute("UPDATE pgtandem.import SET chunks = 9 WHERE id = %s", (run.number,))
        note(run, *rest)

    monkeypatch.setattr(mongo_import.Import, "_note", meddle)
    _, err = load(lines(*({"_id": n} for n in range(20))), table, code=2)
    assert "is not at chunk 3 (SQLSTATE TD084)" in err
    assert "It is running, after chunk 9." in err


SLOW = """
    CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        FOR n IN 1..6000 LOOP
            EXIT WHEN NOT new.document ? 'wait' OR pg_try_advisory_xact_lock(42);
            PERFORM pg_sleep(0.01);
        END LOOP;
        RETURN new;
    END $$;
    CREATE TRIGGER slow BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION {0}();
"""


@pytest.mark.parametrize("is_fresh", [True, False])
def test_a_later_chunk_gives_way_to_an_earlier_one(
    session, database, load, table, tmp_path, monkeypatch, is_fresh
):  # fmt: skip
    """The first waits for a row of the second, which waits for its turn: nobody sees a deadlock."""
    load(b"" if is_fresh else b'{"_id":0}', table)
    session.execute(SLOW.format(table))
    monkeypatch.setattr(mongo_files, "BLOCK", 40)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    first = b'{"_id":1,"wait":1}\n{"_id":2,"a":"one"}\n'
    data = first + b'{"_id":2,"a":"two"}\n{"_id":3,"a":"333"}\n'
    wait = mongo_import.Turn._wait
    waits = []

    def release(turn, number, gives_way):
        # It has written its rows; or it could not, as the first one was there before.
        if number == 2 and not waits:
            waits.append(number)
            session.execute("SELECT pg_advisory_unlock(42)")
        wait(turn, number, gives_way)

    monkeypatch.setattr(mongo_import.Turn, "_wait", release)
    session.execute("SELECT pg_advisory_lock(42)")
    load(data, table, "--jobs", "2", code=1)
    assert waits == [2]
    assert [each[2:] for each in bad(session, table)] == [("duplicate _id", b'{"_id":2,"a":"two"}')]
    assert held(session, table)['{"$numberInt": "2"}']["a"] == "one"


@pytest.mark.parametrize("is_fresh", [True, False])
def test_the_second_document_of_an_id_never_wins(
    session, database, load, table, monkeypatch, is_fresh
):  # fmt: skip
    """A later chunk has looked for the _id before the earlier one has committed it."""
    load(b"" if is_fresh else b'{"_id":0}', table)
    session.execute(SLOW.format(table))
    monkeypatch.setattr(mongo_files, "BLOCK", 48)
    first = b'{"_id":2,"a":"one"}\n{"_id":1,"wait":1}\n'
    data = first + b'{"_id":2,"a":"two"}\n{"a":1}\n'
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND wait_event = 'transactionid'"
    )

    def release():
        with psycopg.connect(database, autocommit=True) as other:
            wait_for(lambda: other.execute(waits).fetchone()[0])
            session.execute("SELECT pg_advisory_unlock(42)")

    session.execute("SELECT pg_advisory_lock(42)")
    releasing = threading.Thread(target=release)
    releasing.start()
    load(data, table, "--jobs", "2", code=1)
    releasing.join()
    assert held(session, table)['{"$numberInt": "2"}']["a"] == "one"
    assert [each[2] for each in bad(session, table)] == ["duplicate _id", "no _id"]


def test_a_table_that_drops_what_is_written(session, load, table, monkeypatch):
    monkeypatch.setattr(mongo_import, "TRIES", 3)
    load(b'{"_id":1}', table)
    session.execute(f"""
        CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER mute BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}();
    """)
    _, err = load(b'{"_id":2}', table, code=2)
    assert f"{table} does not keep what is written to it." in err
    assert "Drop the trigger" in err


def test_a_lock_that_somebody_holds_is_waited_for(session, database, load, table, monkeypatch):
    load(lines({"_id": 1}), table)
    alone = mongo_import.Turn.alone
    with psycopg.connect(database) as holder:
        holder.execute(f"UPDATE {table} SET import = import")

        def let_go(turn, number):
            holder.rollback()
            alone(turn, number)

        monkeypatch.setattr(mongo_import.Turn, "alone", let_go)
        load(lines({"_id": 1, "a": 1}), table)
    assert held(session, table)['{"$numberInt": "1"}'] == {"_id": 1, "a": 1}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, None])
def test_a_process_that_is_killed_goes_on(session, database, load, table, tmp_path, number):
    load(b"", table)
    session.execute(SLOW.format(table))
    filler = "x" * 3000
    rows = [{"_id": n, "a": filler, **({"wait": 1} if n == 1500 else {})} for n in range(2500)]
    path = tmp_path / "a.json"
    path.write_bytes(lines(*rows))
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(42)")
        with Running("import", "mongo", path, "--into", table, dsn=database) as command:
            wait_for(lambda: len(held(session, table)) > 500)
            if number is None:  # its sessions end, as by a restart of the server
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name LIKE 'pgtandem%'"
                )
            status, _, err = command.end(number)
    if number == signal.SIGKILL:
        assert status == -signal.SIGKILL
    elif number is None:
        assert status == 2
        assert "terminat" in err
    else:
        assert status == 130
        assert "Interrupted after" in err
        assert "run the same command again" in err
    assert 500 < len(held(session, table)) < 1500
    wait_for(lambda: "TD081" not in load([path], table, "--dry-run", code=None)[1])
    _out, err = load([path], table, code=None)
    wait_for(lambda: "TD081" not in (answer := load([path], table, code=None))[1] and answer)
    assert len(held(session, table)) == 2500


PEAK = """
import sys
from pathlib import Path
from pgtandem.cli import cli
cli.main(sys.argv[1:], standalone_mode=False)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def test_memory_does_not_grow_with_the_file(database, tmp_path):
    """30 MB are more than is held at once; 70 need no more than these."""
    filler = "x" * 1000
    path = tmp_path / "a.json"
    peaks = []
    for megabytes in (30, 70):
        number = next(TABLES)
        path.write_bytes(lines(*({"_id": n, "a": filler} for n in range(1000 * megabytes))))
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "import", "mongo", path, "--dsn", database,
             "--into", f"staging.t{number}", "--jobs", "2"],
            check=True, capture_output=True, text=True, timeout=TIMEOUT,
        )  # fmt: skip
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 12, peaks
    assert max(peaks) < 150, peaks


@pytest.mark.both
def test_who_is_no_superuser_and_owns_nothing(session, server, load, table, as_user, tmp_path):
    """The grants of docs/mongo.md are enough, where the table is there."""
    load(b"", table)
    text = (ROOT / "docs" / "mongo.md").read_text()
    grants = text.partition("```sql\nGRANT")[2].partition("```")[0]
    session.execute(f"GRANT{grants}".replace("staging.users", table).replace("ana", "new_app"))
    dsn = as_user(server.dsn("mongo_import", OWNER), "new_app")
    path = tmp_path / "a.json"
    for data, code in ((b'{"_id":1}\n{"_id":2}\n{', 1), (b'{"_id":1,"a":1}\n', 0)):
        path.write_bytes(data)
        pgtandem("import", "mongo", path, "--into", table, "--full", "--yes", dsn=dsn, code=code)
    assert held(session, table) == {'{"$numberInt": "1"}': {"_id": 1, "a": 1}}


def test_who_may_not_import_leaves_nothing(session, server, load, table, as_user, tmp_path):
    """Nor does an import where the engine is missing."""
    path = tmp_path / "mine.json"
    path.write_bytes(b'{"_id":1}')
    dsn = as_user(server.dsn("mongo_import", OWNER), "old_app")
    for dry in ([], ["--dry-run"]):
        _, err = pgtandem("import", "mongo", path, "--into", "other.t", *dry, dsn=dsn, code=2)
        assert "Your role may not import into other.t. (SQLSTATE 42501)" in err or dry
    load(b"", table)
    session.execute(
        f"GRANT USAGE ON SCHEMA pgtandem, staging TO old_app; GRANT SELECT ON {table} TO old_app;"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON pgtandem.import, pgtandem.import_bad TO old_app"
    )
    _, err = pgtandem("import", "mongo", path, "--into", table, dsn=dsn, code=2)
    assert f"Your role may not import into {table}. (SQLSTATE 42501)" in err
    assert f"Detail: permission denied for table {table.partition('.')[2]}" in err
    assert "Who may import" in err
    session.execute("DELETE FROM pgtandem.import WHERE role = 'old_app'")
    with fresh_database(server, "mongo_none") as name:
        owner = server.dsn(name, OWNER)
        for dry in ([], ["--dry-run"]):
            _, err = pgtandem("import", "mongo", path, "--into", "s.t", *dry, dsn=owner, code=2)
            assert 'The engine is not in the database "mongo_none", or lacks a part.' in err
            assert "Hint: pgtandem init deploys it" in err
        with psycopg.connect(owner) as connection:
            query = "SELECT to_regnamespace('s') IS NULL"
            assert connection.execute(query).fetchone() == (True,)


def test_how_far_it_is():
    shown = []
    run = SimpleNamespace(counts=mongo_import.Result(), read=0, file=1)
    meter = SimpleNamespace(show=lambda percent, text: shown.append((percent, text)))
    watch = import_.Watch(run, [{"size": 100}, {"size": 300}], meter)
    watch.beat()
    run.counts.add(documents=1000, set_aside=2)
    run.read = 50
    watch.beat()
    run.file, run.read = 2, 100
    watch.beat()
    assert [percent for percent, _ in shown] == [0.0, 12.5, 50.0]
    assert shown[0][1] == "0 documents"
    assert re.fullmatch(r"1,000 documents, [\d,]+/s, 2 set aside", shown[1][1])
    assert shown[2][1].endswith("2 set aside, 0:00:00 to go")
    import_.Watch(run, [{"size": 100}, {"size": None}], meter).beat()  # standard input
    assert shown[3][0] is None


def test_a_real_export(session, load, table):
    if not CUSTOMERS.exists():
        pytest.skip("shared/data is not here: it is no part of the project")
    load([CUSTOMERS], table)
    read = [exact(line) for line in CUSTOMERS.read_bytes().splitlines()]
    assert held(session, table) == {json.dumps(each["_id"]): each for each in read}
    assert len(read) == 500

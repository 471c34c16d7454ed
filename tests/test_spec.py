"""Every mistake in a mapping file is told with its file, its line and what was meant."""

from __future__ import annotations

import json
import re

import pytest

from helpers import ROOT
from mappings import nasty
from pgtandem import model, spec, sqltext
from pgtandem.errors import PgtandemError

GOOD = """\
mapping: shop
source:
  table: old.item
  columns: {id: bigint, name: text, price: integer, seen: timestamptz, flag: boolean}
  filter: NOT flag
target:
  table: new.item
  columns: {id: bigint, label: text, cents: integer, seen: timestamptz, stars: integer}
key: [id]
columns:
  id: id
  label: {from: upper(name), back: {name: lower(label)}}
  cents: price
  seen: seen
  stars: {initial: "3"}
sync: {mode: record, ways: both}
"""
LONG = "x" * 64


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def mistakes(tmp_path, text: str | bytes) -> list[str]:
    path = tmp_path / "shop.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PgtandemError) as raised:
        spec.load(path)
    return (raised.value.detail or "").replace(f"{path}:", "").splitlines()


def loaded(tmp_path, text: str) -> spec.Mapping:
    path = tmp_path / "shop.yml"
    path.write_text(text, encoding="utf-8")
    return spec.load(path)


def test_the_good_one_is_good(tmp_path):
    mapping = loaded(tmp_path, GOOD)
    assert mapping.name == "shop"
    assert [c.name for c in mapping.synced] == ["id", "label", "cents", "seen"]
    assert mapping.columns[1].reads == ("name",)


BAD = {
    # What is no mapping at all.
    "empty": ("", "1: a mapping is a YAML map with the keys mapping, source, target"),
    "only a comment": ("# nothing\n", "1: a mapping is a YAML map"),
    "a list": ("- mapping\n", "1: a mapping is a YAML map"),
    "a word": ("shop", "1: a mapping is a YAML map"),
    "broken": (replaced("key: [id]", "key: [id"), r"1\d: .*expected"),
    "a tab": (replaced("  table: old.item", "\ttable: old.item"), "3: .*cannot start any token"),
    "a key twice": (replaced("key: [id]", "key: [id]\nkey: [id]"), "10: .*duplicate key"),
    "a column twice": (replaced("  cents: price", "  cents: price\n  cents: name"), "14: .*dupl"),
    "not UTF-8": (GOOD.replace("label", "libell\xe9").encode("latin-1"), "8: 'utf-8' codec"),
    # Keys.
    "an unknown key": (replaced("sync:", "synch:"), '16: synch: .*did you mean "sync"'),
    "one in a section": (
        replaced("mode: record", "mood: record"),
        '16: sync.mood: there is no such key; did you mean "mode"',
    ),
    "one in a column": (
        replaced('initial: "3"', 'intial: "3"'),
        '15: columns.stars.intial: there is no such key; did you mean "initial"',
    ),
    "no source": (re.sub(r"source:\n(  .*\n)+", "", GOOD, count=1), "1: source: is missing"),
    "no key": (replaced("key: [id]\n", ""), "1: key: is missing"),
    "an empty key": (replaced("key: [id]", "key: []"), "9: key: still to be decided"),
    "no table": (replaced("  table: old.item\n", ""), "2: source.table: is missing"),
    "no columns": (re.sub(r"\ncolumns:\n(  .*\n)+", "\n", GOOD), "1: columns: is missing"),
    "a bad name": (
        replaced("mapping: shop", "mapping: Shop"),
        r"1: mapping: should match '\^\[a-z",
    ),
    "a number as name": (replaced("mapping: shop", "mapping: 7"), "1: mapping: should be a text"),
    "a list as table": (replaced("old.item", "[old, item]"), "3: source.table: should be a text"),
    "a word as key": (replaced("[id]", "id"), r"9: key: should be a list, as in \[id\]"),
    "a bad mode": (
        replaced("record", "recorded"),
        "16: sync.mode: input should be 'strict', 'record'",
    ),
    "a bad duration": (
        replaced("ways: both", "ways: both, lock_timeout: soon"),
        "16: sync.lock_timeout: should be a time above zero, as in 500ms",
    ),
    "no limit": (
        replaced("ways: both", "ways: both, lock_timeout: 0s"),
        "16: sync.lock_timeout: should be a time above zero",
    ),
    "a limit that rounds to none": (
        replaced("ways: both", "ways: both, lock_timeout: 0.4ms"),
        "16: sync.lock_timeout: should be a time above zero",
    ),
    "no time": (GOOD + "contract: {max_age: soon}\n", "17: contract.max_age: should be a time, as"),
    "no size": (GOOD + "backfill: {max_lag: 64}\n", "17: backfill.max_lag: "),
    "an archive beside the source": (
        GOOD + "contract: {archive: old}\n",
        '17: contract.archive: in "old" stands a table of that name',
    ),
    "a line break in a trigger's name": (
        replaced("ways: both", 'ways: both, trigger: "a\\nb"'),
        "16: sync.trigger: a name has a control character",
    ),
    "a negative threshold": (
        GOOD + "gate: {differences_per_hour: {hold: -1}}\n",
        "17: gate.differences_per_hour.hold: input should be greater than or equal to 0",
    ),
    # Tables.
    "no schema": (replaced("old.item", "item"), "3: source.table: write schema.table"),
    "three parts": (replaced("old.item", "db.old.item"), "3: source.table: write schema.table"),
    "an open quote": (replaced("old.item", "'old.\"item'"), "3: source.table: write schema.table"),
    "the same table": (
        replaced("new.item", "'\"old\".ITEM'"),
        "14: columns.seen: it reads seen, which the mapping writes",
    ),
    "a long table": (replaced("old.item", f"old.{LONG}"), "3: source.table: a name is longer"),
    # Columns.
    "an unknown column": (
        replaced("  cents: price", "  cent: price"),
        '13: the target has no column "cent"; did you mean "cents"',
    ),
    "an unknown source": (
        replaced("cents: price", "cents: prize"),
        '13: the source has no column "prize"; did you mean "price"',
    ),
    "an unknown source of a path": (
        replaced("cents: price", "cents.of: prize"),
        '13: the source has no column "prize"; did you mean "price"',
    ),
    "an unknown way back": (
        replaced("{name: lower(label)}", "{nam: lower(label)}"),
        '12: the source has no column "nam"; did you mean "name"',
    ),
    "nothing decided": (replaced("cents: price", "cents: ~"), "13: columns.cents: still to be dec"),
    "from and initial": (
        replaced('{initial: "3"}', '{initial: "3", from: price}'),
        "15: columns.stars: give one of from and initial",
    ),
    "neither": (replaced('{initial: "3"}', "{back: none}"), "15: columns.stars: give one of"),
    "no way back": (
        replaced(", back: {name: lower(label)}", ""),
        "12: columns.label: an expression needs its way back",
    ),
    "a generated column that is no column": (
        GOOD + 'contract: {generated: {full: "1"}}\n',
        '17: contract.generated: "full" is no column of the source',
    ),
    "a generated column that is written": (
        GOOD + 'contract: {generated: {price: "1"}}\n',
        '13: "cents" writes price on the way back, which the source generates',
    ),
    "two ways back": (
        replaced("  seen: seen", "  seen: seen\n  stars: price").replace(
            '  stars: {initial: "3"}\n', ""
        ),
        '15: "cents" and "stars" both write price',
    ),
    "a long column": (
        replaced("name: text", f"{LONG}: text, name: text"),
        f'4: "{LONG}" is longer than PostgreSQL\'s 63 bytes',
    ),
    "a long column, not ASCII": (
        replaced("name: text", f"{'ö' * 32}: text, name: text"),
        "4: .* is longer than PostgreSQL's 63 bytes",
    ),
    "a line break in a name": (
        replaced("name: text", '"a\\nb": text, name: text'),
        "4: 'a.nb' has a control character",
    ),
    "our own variable": (
        replaced("name: text", "v_key1: text, name: text"),
        '4: "v_key1" is a variable of the rendered functions',
    ),
    "no type": (replaced("price: integer", 'price: "int); DROP"'), '4: "int.; DROP" is no type'),
    "a time zone": (
        replaced("seen: timestamptz, flag", "seen: timestamp, flag"),
        "14: columns.seen: timestamp to timestamptz depends on the TimeZone",
    ),
    # Keys of rows.
    "an unknown key column": (replaced("[id]", "[ident]"), '9: key: "ident" is no mapped column'),
    "an initial key": (replaced("[id]", "[id, stars]"), '9: key: "stars" is initial'),
    "a computed key": (replaced("[id]", "[label]"), '9: key: "label" must be a plain source'),
    "a key twice in itself": (replaced("[id]", "[id, id]"), "9: key: a column stands there twice"),
    "a key without =": (
        GOOD.replace("{id: bigint, label", "{id: point, label"),
        "9: key: the type point of .id. identifies nothing",
    ),
    "an array key": (
        GOOD.replace("{id: bigint, label", "{id: 'bigint[]', label"),
        "9: key: the type bigint.. of .id. identifies nothing",
    ),
    "all initial": (
        re.sub(r"columns:\n(  .*\n)+sync", "columns:\n  id: {initial: id}\nsync", GOOD),
        "10: columns: all are initial",
    ),
    # Areas.
    "an unknown column in an area": (
        GOOD + "areas:\n  all:\n    - cent\n",
        '19: areas.all: "cent" is no column of the mapping; did you mean "cents"',
    ),
    "a key in an area": (GOOD + "areas: {all: [id]}\n", '17: areas.all: "id" is of the key'),
    "an initial column in an area": (
        GOOD + "areas: {all: [stars]}\n",
        '17: areas.all: "stars" is initial, so it never differs',
    ),
    "a column in two areas": (
        GOOD + "areas:\n  one: [cents]\n  two: [seen, cents]\n",
        '19: areas.two: "cents" is in the area "one" already',
    ),
    "an area of nothing": (GOOD + "areas: {all: []}\n", "17: areas.all: list should have at least"),
    "a prefix of nothing": (GOOD + "areas: {all: [cents.*]}\n", '17: areas.all: "cents.*" is no'),
    # Indexes.
    "an index without a query": (
        GOOD + "indexes:\n  by_label: {on: (label)}\n",
        "18: indexes.by_label: give the query that is to use it",
    ),
    "an index without parentheses": (
        GOOD + "indexes:\n  by_label: {on: label, unique: true}\n",
        "18: indexes.by_label.on: write it in parentheses",
    ),
    "an index that does not end": (
        GOOD + "indexes:\n  by_label: {on: (label, unique: true}\n",
        "18: indexes.by_label.on: a parenthesis has no partner",
    ),
    "an index with more behind it": (
        GOOD + "indexes:\n  by_label: {on: (label), where: 'true; DROP TABLE x', unique: true}\n",
        "18: indexes.by_label.where: an expression has no semicolon",
    ),
    "a query that is none": (
        GOOD + "indexes:\n  by_label: {on: (label), query: DELETE FROM new.item}\n",
        "18: indexes.by_label.query: it is no SELECT",
    ),
    "two queries": (
        GOOD + "indexes:\n  by_label: {on: (label), query: 'SELECT 1; SELECT 2'}\n",
        "18: indexes.by_label.query: an expression has no semicolon",
    ),
    "a long index": (
        GOOD + f"indexes:\n  {LONG}: {{on: (label), unique: true}}\n",
        "18: indexes: .* is no name of an index, or too long",
    ),
    "an access method that is none": (
        GOOD + "indexes:\n  by_label: {on: (label), unique: true, using: 'gin ('}\n",
        "18: indexes.by_label.using: should match",
    ),
    # Expressions.
    "an open string": (
        replaced("NOT flag", '"name = \'x"'),
        "5: source.filter: a string has no end",
    ),
    "an open name": (
        replaced("NOT flag", "'\"flag'"),
        "5: source.filter: a quoted name has no end",
    ),
    "an open comment": (
        replaced("NOT flag", "flag /* x"),
        "5: source.filter: a comment has no end",
    ),
    "an open dollar": (
        replaced("NOT flag", "name = $a$x"),
        "5: .*a dollar-quoted string has no end",
    ),
    "an open bracket": (replaced("upper(name)", "upper(name"), "12: columns.label.from: a parenth"),
    "a closed bracket": (
        replaced("upper(name)", "'upper(name)) AS x, (1'"),
        "12: columns.label.from: a parenthesis has no partner",
    ),
    "a semicolon": (replaced("upper(name)", "'1; DROP'"), "12: .*no semicolon"),
    "a way back that does not end": (replaced("lower(label)", "lower(label"), "12: .*no partner"),
    "a backslash": (replaced("NOT flag", "'flag \\! ls'"), "5: .*no backslash outside a string"),
    "a string over two lines": (
        replaced("NOT flag", "|\n    name = 'a\n    b'"),
        "5: source.filter: a string runs over a line's end",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_told_with_its_line(tmp_path, text, message):
    found = mistakes(tmp_path, text)
    assert any(re.match(message, line) for line in found), found


def test_all_mistakes_are_told_at_once(tmp_path):
    found = mistakes(
        tmp_path, GOOD.replace("price\n", "prize\n").replace("seen: seen", "sen: seen")
    )
    assert [line.split(":")[0] for line in found] == ["13", "14"]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PgtandemError) as raised:
        spec.load(tmp_path / "none.yml")
    assert "cannot be read" in raised.value.message


def test_the_hash_is_of_the_meaning(tmp_path):
    first = loaded(tmp_path, GOOD).hash
    assert loaded(tmp_path, "# a comment\n" + GOOD).hash == first
    assert loaded(tmp_path, GOOD.replace("NOT flag", "flag IS FALSE")).hash != first
    assert loaded(tmp_path, GOOD + "backfill: {chunk_time: 1s}\n").hash == first


@pytest.mark.parametrize("constant", ["null", "true", "current_date", "7", "'x'", "now()"])
def test_constants_are_no_columns(tmp_path, constant):
    text = GOOD.replace('initial: "3"', f"initial: {json.dumps(constant)}")
    assert loaded(tmp_path, text).columns[-1].expression == constant


def test_a_comment_does_not_swallow_what_is_rendered_behind_it(tmp_path):
    mapping = loaded(tmp_path, GOOD.replace("upper(name)", json.dumps("upper(name) -- it's loud")))
    assert mapping.columns[1].expression == "(upper(name))"


MENTIONED = [
    ("name", ["name"]),
    ("NAME || 'price'", ["name"]),
    ("'it''s name' || price", ["price"]),
    (r"'\' || name || '\'", ["name"]),
    (r"E'\' name' || price", ["price"]),
    ("$x$ name $x$ || price", ["price"]),
    ("price /* name */ -- name", ["price"]),
    ("price -- name\n + id", ["price", "id"]),
    ('"Name" || "a ""b"""', ["Name", 'a "b"']),
    ("source.name", ["name"]),
    ("to_jsonb(source)", ["name", "price", "id", "Name", 'a "b"', "größe", "Größe"]),
    ("source.*", ["name", "price", "id", "Name", 'a "b"', "größe", "Größe"]),
    ("größe", ["größe"]),
    ("GRößE", ["größe"]),
    ('"Größe"', ["Größe"]),
    ("names || my_price", []),
    ("1", []),
]


@pytest.mark.parametrize(("expression", "columns"), MENTIONED)
def test_mentioned(expression, columns):
    known = ["name", "price", "id", "Name", 'a "b"', "größe", "Größe"]
    assert sqltext.mentioned(expression, known) == [c for c in known if c in columns]


NAMES = [
    ("abc", "abc"),
    ("a$1", "a$1"),
    ("Abc", '"Abc"'),
    ("select", '"select"'),
    ("user", '"user"'),
    ('a"b', '"a""b"'),
    ("a.b", '"a.b"'),
    ("1a", '"1a"'),
    ("ä", '"ä"'),
    ("", '""'),
]


@pytest.mark.parametrize(("name", "quoted"), NAMES)
def test_ident(name, quoted):
    assert sqltext.ident(name) == quoted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A.b", ("a", "b")),
        ('"A"."b.c"', ("A", "b.c")),
        ('"A ""x"""."select"', ('A "x"', "select")),
        ("ÄÖ.ü", ("ÄÖ", "ü")),
        ("a", None),
        ("a.b.c", None),
        ("a.1b", None),
        ("a b.c", None),
        ('a."b', None),
    ],
)
def test_split_name(text, parts):
    assert sqltext.split_name(text) == parts


def test_a_name_that_is_too_long_gets_a_hash():
    name = "ö" * 40
    fitting = sqltext.fitting(name)
    assert len(fitting.encode()) <= 63
    assert fitting != sqltext.fitting(name + "x")
    assert sqltext.fitting("x" * 63) == "x" * 63


TYPES = [
    ("int4", "integer"),
    ("VARCHAR(20)", "varchar"),
    ("character varying(20)", "varchar"),
    ("numeric(12, 4)", "numeric"),
    ("numeric(3,-2)", "numeric"),
    ("timestamp(3) with time zone", "timestamptz"),
    ("int8[]", "bigint[]"),
    ("varchar(5)[]", "varchar[]"),
]


@pytest.mark.parametrize(("declared", "base"), TYPES)
def test_base_type(declared, base):
    assert sqltext.base_type(declared) == base


def test_equality_of_each_type():
    assert sqltext.same("a", "b", "integer") == "a IS NOT DISTINCT FROM b"
    for declared in ("json", "point", "interval", "xml[]", "public.citext", 'shop."Size"'):
        assert "a::text" in sqltext.differ("a", "b", declared), declared
    assert 'COLLATE "C"' in sqltext.same("a", "b", "numeric", as_text=True)


def test_the_nasty_one_is_good(tmp_path):
    mapping = loaded(tmp_path, nasty()[0])
    assert [c.name for c in mapping.key_columns] == ["Nr.", "group"]


def test_the_published_schema_is_ours():
    published = json.loads((ROOT / "docs" / "mapping.schema.json").read_text(encoding="utf-8"))
    assert published == model.json_schema(), "pgtandem schema > docs/mapping.schema.json"


def test_each_example_names_the_schema():
    for path in ROOT.glob("examples/*/mappings/*.yml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert named, path
        assert (path.parent / named[1]).resolve() == ROOT / "docs" / "mapping.schema.json"


def test_areas_do_not_change_what_a_mapping_is(tmp_path):
    mapping = loaded(tmp_path, GOOD + 'areas: {money: [cents], rest: ["seen"]}\n')
    assert mapping.areas == {"money": ["cents"], "rest": ["seen"], None: ["label"]}
    assert mapping.hash == loaded(tmp_path, GOOD).hash
    assert "areas" not in loaded(tmp_path, GOOD).settings()
    assert mapping.settings()["areas"][0] == {"area": "money", "columns": ["cents"]}

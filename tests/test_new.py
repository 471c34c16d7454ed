"""The draft of a mapping: what the catalog says, what is left to decide, what is warned of."""

from __future__ import annotations

import json
import subprocess

import psycopg
import pytest
from click.testing import CliRunner, Result

from command_line import PGTANDEM
from helpers import ROOT, psql
from mappings import build
from pgtandem import cli, draft, model, spec
from pgtandem.errors import PgtandemError

TABLES = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TYPE old.mood AS ENUM ('good');
CREATE TABLE old.item (
    id bigint PRIMARY KEY, "User_ID" integer NOT NULL, name varchar(50), born timestamp,
    twice bigint GENERATED ALWAYS AS (id * 2) STORED, mood old.mood, small smallint,
    place point, seen timestamptz);
CREATE TABLE new.item (
    id bigint PRIMARY KEY, userid integer, name varchar(20) NOT NULL, born timestamptz,
    twice bigint, thrice bigint GENERATED ALWAYS AS (id * 3) STORED, mood old.mood, small integer,
    place point, title text NOT NULL, stars integer DEFAULT 3, made timestamptz DEFAULT now(),
    number bigint GENERATED ALWAYS AS IDENTITY, serial serial);
"""


@pytest.fixture
def tables(empty_dsn):
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(TABLES)
        yield connection


def new(dsn: str, path, *arguments: str, source="old.item", target="new.item") -> Result:
    return CliRunner().invoke(
        cli.cli,
        ["new", "shop", "--source", source, "--target", target, "--dsn", dsn,
         "--output", str(path / "shop.yml"), *arguments],
    )  # fmt: skip


def test_what_is_obvious_is_filled_in_and_the_rest_is_marked(tables, empty_dsn, tmp_path):
    result = new(empty_dsn, tmp_path)
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "shop.yml").read_text().splitlines()
    columns = lines[lines.index("columns:") + 1 : -2]
    assert columns == [
        "  id: id",
        "  userid: User_ID",
        "  name: name",
        "  born: ~  # TODO: the source's born is timestamp, not timestamptz",
        "  twice: {from: twice, back: none}  # generated in the source, so there is no way back",
        "  # thrice: generated: the target computes it",
        "  mood: mood",
        "  small: small",
        "  place: place",
        "  title: ~  # TODO: no column of the source has this name; it must not be NULL",
        '  stars: {initial: "3"}',
        '  made: {initial: "now()"}',
        "  # number: left out: its default numbers the rows",
        "  # serial: left out: its default numbers the rows",
        "  # Not carried over: born, seen.",
    ]
    assert "key: [id]" in lines
    assert "Marked TODO, for you to decide: born, title." in result.output
    assert json.loads((tmp_path / draft.SCHEMA_FILE).read_text()) == model.json_schema()
    with pytest.raises(PgtandemError) as raised:
        spec.load(tmp_path / "shop.yml")
    assert [line.rpartition("/")[2][:35] for line in raised.value.detail.splitlines()] == [
        f"shop.yml:{lines.index(columns[3]) + 1}: columns.born: still to be"[:35],
        f"shop.yml:{lines.index(columns[9]) + 1}: columns.title: still to be"[:35],
    ]


def test_once_decided_it_is_a_mapping_that_works(tables, dsn, empty_dsn, tmp_path):
    new(empty_dsn, tmp_path)
    text = (tmp_path / "shop.yml").read_text()
    text = text.replace(
        "born: ~  # TODO: the source's born is timestamp, not timestamptz",
        """born: {from: "born AT TIME ZONE 'UTC'", back: {born: "born AT TIME ZONE 'UTC'"}}""",
    ).replace("title: ~", """title: {initial: "'-'"}""")
    build(dsn, text, TABLES)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO old.item (id, "User_ID", name, mood, place, born)
               VALUES (1, 2, 'a', 'good', '(1,2)', now())"""
        )
        connection.execute("UPDATE new.item SET name = 'b', born = 'infinity', small = 4")
        assert connection.execute("SELECT name, small, born::text FROM old.item").fetchone() == (
            "b", 4, "infinity",
        )  # fmt: skip
        assert connection.execute("SELECT sqlstate FROM pgtandem.recheck").fetchall() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "/nonexistent/x.yml"), "/nonexistent/x.yml: No such file or directory"),
        (("--output", "/proc/x.yml"), "/proc/x.yml: "),
        (("--output", "/tmp"), "File '/tmp' is a directory"),
        (("--target", "old.item"), "--source and --target name the same table."),
        (("--source", "a.b.c"), "--source a.b.c is no table's name."),
        (("--source", ""), "--source  is no table's name."),
        (("--source", 'old."item'), "is no table's name."),
        (("--dsn", ""), "The option that names the database is empty."),
        (("--database", "nope"), "Two options name a database each."),
    ],
)
def test_wrong_input_leaves_nothing_behind(tables, empty_dsn, tmp_path, arguments, words):
    done = subprocess.run(
        [PGTANDEM, "new", "shop", "--source", "old.item", "--target", "new.item", "--dsn",
         empty_dsn, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def warnings(result: Result) -> list[str]:
    return [line[9:] for line in result.stderr.splitlines() if line.startswith("Warning: ")]


def test_warnings(tables, empty_dsn, tmp_path):
    found = warnings(new(empty_dsn, tmp_path))
    assert found == [
        "new.item.name must not be NULL, its source may be: rows with NULL are set aside.",
        "new.item.name is varchar(20), its source varchar(50): what does not fit is set aside.",
        "new.item.born is timestamptz, its source timestamp: say in which time zone.",
        "new.item.place is point, whose = is missing or coarse: it is compared as text.",
    ]
    assert f"# Warning: {found[0]}" in (tmp_path / "shop.yml").read_text()


@pytest.mark.parametrize(
    ("statement", "warning"),
    [
        ("ALTER TABLE new.item DROP CONSTRAINT item_pkey", "new.item has no unique index"),
        ("ALTER TABLE old.item DROP CONSTRAINT item_pkey", "old.item has no index on (id)"),
        (
            "ALTER TABLE old.item DROP CONSTRAINT item_pkey; CREATE INDEX ON old.item (id)",
            "old.item may hold a key twice",
        ),
        ("CREATE TABLE old.child () INHERITS (old.item)", "old.item has inheritance children"),
        ("ALTER TABLE new.item ENABLE ROW LEVEL SECURITY", "new.item has row security"),
        ("REVOKE TRIGGER ON new.item FROM current_user", "You may not create triggers on new.item"),
        (
            "ALTER TABLE new.item ALTER id ADD GENERATED ALWAYS AS IDENTITY",
            "new.item.id numbers its rows by itself, from 1: let it draw from the sequence of the",
        ),
        (
            "ALTER TABLE new.item DROP CONSTRAINT item_pkey, ADD UNIQUE (made)",
            "No unique index of new.item is on columns that the source has",
        ),
    ],
)
def test_warnings_of_tables(tables, empty_dsn, tmp_path, statement, warning):
    tables.execute(statement)
    assert any(found.startswith(warning) for found in warnings(new(empty_dsn, tmp_path)))


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("item", "new.item", "--source item is no table's name"),
        ("old.nothing", "new.item", "There is no table old.nothing"),
        ("old.item", 'new."Item"', 'There is no table new."Item"'),
        ("pg_catalog.pg_stat_activity", "new.item", "pg_stat_activity is a view"),
    ],
)
def test_no_such_table(tables, empty_dsn, tmp_path, source, target, message):
    result = new(empty_dsn, tmp_path, source=source, target=target)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "shop.yml").exists()


def test_a_file_that_is_there_is_kept(tables, empty_dsn, tmp_path):
    (tmp_path / "shop.yml").write_text("mine")
    assert new(empty_dsn, tmp_path).exit_code == 2
    assert (tmp_path / "shop.yml").read_text() == "mine"
    assert new(empty_dsn, tmp_path, "--force").exit_code == 0
    assert (tmp_path / "shop.yml").read_text() != "mine"


@pytest.mark.parametrize("name", ["Shop", "1shop", "x" * 42, "shop-a", ""])
def test_a_bad_name(name, empty_dsn):
    arguments = ["new", name, "--source", "a.b", "--target", "a.c", "--dsn", empty_dsn]
    result = CliRunner().invoke(cli.cli, arguments)
    assert result.exit_code == 2
    assert "is no name of a mapping" in result.output


def test_a_foreign_table(tables, empty_dsn, tmp_path, as_user):
    with psycopg.connect(as_user(empty_dsn, "postgres"), autocommit=True) as admin:
        admin.execute("CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far")
        admin.execute("CREATE FOREIGN TABLE old.far (id bigint) SERVER far")
    result = new(empty_dsn, tmp_path, source="old.far")
    assert "old.far is a foreign table" in result.output


@pytest.mark.parametrize("kind", ["legacy", "partitioned"])
def test_nasty_names_are_read_and_written(empty_dsn, tmp_path, kind):
    nasty = ROOT / "tests" / "nasty"
    psql(nasty / f"{kind}.sql", empty_dsn)
    table = '"Old Schema ""x"""."select"'
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        # The same columns on the other side: all of it is filled in.
        connection.execute(f'CREATE TABLE "Old Schema ""x"""."new %" (LIKE {table} INCLUDING ALL)')
    result = new(empty_dsn, tmp_path, source=table, target='"Old Schema ""x"""."new %"')
    assert result.exit_code == 0, result.output
    drafted = spec.load(tmp_path / "shop.yml")
    given = spec.load(nasty / "mapping.yml")
    assert list(drafted.document.source.columns) == list(given.document.source.columns)
    assert all(column.plain == column.name for column in drafted.columns)

"""Which database: the rule at the top of pgtandem.db, case by case."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from helpers import run
from pgtandem import db
from pgtandem.errors import PgtandemError

SETTINGS = {
    "core.engine": "pg",
    "engine.pg.target": "db:pg://conf@h/engine",
    "core.target": "db:pg:core",
    "target.staging.uri": "db:pg://stage@h:5433/staging",
    "target.a.b.uri": "db:pg:dotted",
}
ALL = {"DATABASE_URL": "postgresql://h/url", "SQITCH_TARGET": "db:pg:fromtarget"}


@pytest.mark.parametrize(
    ("dsn", "target", "environment", "settings", "dbname", "origin"),
    [
        ("postgresql://h/given", None, ALL, SETTINGS, "given", "--dsn"),
        ("host=h dbname=given", None, ALL, SETTINGS, "given", "--dsn"),
        ("db:pg://h/given", None, ALL, SETTINGS, "given", "--dsn"),
        (None, "staging", ALL, SETTINGS, "staging", "--target staging"),
        (None, "a.b", ALL, SETTINGS, "dotted", "--target a.b"),
        (None, "db:pg:uri", ALL, SETTINGS, "uri", "--target"),
        (None, None, ALL, SETTINGS, "url", "DATABASE_URL"),
        (None, None, {"SQITCH_TARGET": "staging"}, SETTINGS, "staging", "SQITCH_TARGET staging"),
        (None, None, {}, SETTINGS, "engine", "sqitch.conf, engine.pg.target"),
        (None, None, {}, {"core.target": "db:pg:core"}, "core", "sqitch.conf, core.target"),
        (
            None, None, {}, SETTINGS | {"engine.pg.target": "staging"},
            "staging", "sqitch.conf, engine.pg.target staging",
        ),
        (None, None, {}, {"engine.pg.target": "db:pg:"}, None, "sqitch.conf, engine.pg.target"),
        (None, None, {}, {}, None, "libpq's defaults"),
    ],
)  # fmt: skip
def test_the_first_that_is_given_names_the_database(
    dsn, target, environment, settings, dbname, origin
):
    found = db.resolve(dsn, target, environment, lambda: settings)
    assert conninfo_to_dict(found.conninfo).get("dbname") == dbname
    assert found.origin == origin


def test_sqitch_is_not_asked_where_it_need_not_be():
    def settings():
        raise AssertionError("asked")

    assert db.resolve("dbname=x", None, {}, settings).conninfo == "dbname=x"
    assert db.resolve(None, "db:pg:x", {}, settings).conninfo == "postgresql:///x"
    assert db.resolve(None, None, ALL, settings).origin == "DATABASE_URL"


def test_an_unknown_target_names_those_that_exist():
    with pytest.raises(PgtandemError) as caught:
        db.resolve(None, "stagin", {}, lambda: SETTINGS)
    assert "a.b, staging" in caught.value.format_message()


@pytest.mark.parametrize("dsn", ["port=many words", "nonsense", "postgresql://[h/x"])
def test_a_string_that_libpq_does_not_understand_is_an_error(dsn):
    with pytest.raises(PgtandemError, match="--dsn is no connection string"):
        db.resolve(dsn, None, {}, dict)


def test_two_options_are_one_too_many():
    with pytest.raises(PgtandemError, match="a database each"):
        db.resolve("dbname=x", "y", {}, dict)


def test_other_programs_get_the_same_database_by_variables():
    found = db.resolve(
        "postgresql://me:se%20cret@h:5433/odd%20name?sslmode=require", None, {}, dict
    )
    assert found.environment() == {
        "PGUSER": "me", "PGPASSWORD": "se cret", "PGHOST": "h", "PGPORT": "5433",
        "PGDATABASE": "odd name", "PGSSLMODE": "require",
    }  # fmt: skip
    assert found.sqitch_uri() == "db:pg:odd%20name"


def test_sqitchs_settings_are_read_as_sqitch_reads_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sqitch.conf").write_text(
        '[core]\n\tengine = pg\n[target "prod"]\n\turi = db:pg://h/prod ; a comment\n'
    )
    assert db.sqitch_settings()["target.prod.uri"] == "db:pg://h/prod"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert db.sqitch_settings() == {}


def test_sqitch_and_psql_and_we_speak_to_the_same_database(empty_dsn, server):
    """With nothing but PG* set; and what a URI leaves out comes from PG*."""
    for target in (db.Target("", "test"), db.Target("postgresql:///postgres", "test")):
        dsn = empty_dsn
        if target.conninfo:
            dsn = server.dsn("postgres", "pgtandem_owner")
        asked = run(["psql", "-XAtc", "SELECT current_database()"], dsn).stdout.strip()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in db.Target(empty_dsn, "test").environment().items():
                patch.setenv(name, value)
            with db.connect(target) as connection:
                assert connection.info.dbname == asked
                row = connection.execute("SHOW application_name").fetchone()
                assert row == ("pgtandem",)


def test_an_unreachable_database_is_told_with_who_named_it():
    with pytest.raises(PgtandemError) as caught:
        db.connect(db.Target("host=/nowhere dbname=x", "--dsn"))
    message = caught.value.format_message()
    assert "named by --dsn" in message
    assert "\n\t" not in message


def test_where_nothing_is_said_the_variables_are_to_blame_not_sqitchs_settings(monkeypatch):
    """Gear's sqitch.conf says db:pg:, which names no database."""
    for name in db.PLACES:
        monkeypatch.delenv(name, raising=False)
    said_nothing = db.Target("postgresql:///", "sqitch.conf, engine.pg.target")
    assert said_nothing.named_by == "libpq's defaults"
    monkeypatch.setenv("PGHOST", "/nowhere")
    monkeypatch.setenv("PGDATABASE", "x")
    assert said_nothing.named_by == "PGHOST, PGDATABASE"
    with pytest.raises(PgtandemError, match="cannot be reached") as caught:
        db.connect(said_nothing)
    assert "(named by PGHOST, PGDATABASE)" in caught.value.format_message()
    assert db.Target("dbname=y", "--dsn").named_by == "--dsn, PGHOST"


def test_postgres_errors_keep_detail_hint_and_sqlstate(empty_dsn):
    connection = db.connect(db.Target(empty_dsn, "test"))
    with connection, pytest.raises(PgtandemError) as caught, db.postgres_errors():
        connection.execute(
            "DO $$ BEGIN RAISE EXCEPTION 'what' USING"
            " ERRCODE = 'TD001', DETAIL = 'the values', HINT = 'what next'; END $$"
        )
    assert caught.value.format_message() == (
        "what (SQLSTATE TD001)\nDetail: the values\nHint: what next"
    )
    assert caught.value.exit_code == 2

"""The tests written in SQL (pgTAP), run by pg_prove as the ordinary role that owns the engine."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

import staging
from helpers import ROOT, install_vector, planned, psql, run, sqitch

EXAMPLES = {
    "gear": {"users": 20, "items": 200},
    "unified_profiles": {"users": 200},
    "vibelife_v5": {"users": 200, "messages": 2500},
    "danci": {"users": 200},
    "mongo_tasks": {},
}


def prove(dsn: str, *paths: Path) -> int:
    """Run tests in a database that has pgTAP; return how many there were, for none is a failure."""
    # Without --ext and -r, pg_prove runs nothing and is content.
    output = run(["pg_prove", "--ext", ".sql", "-r", *paths], dsn).stdout
    found = re.search(r"^Files=(\d+), Tests=(\d+),", output, re.MULTILINE)
    assert found, output
    files, tests = int(found[1]), int(found[2])
    written = [
        path for given in paths for path in (given.rglob("*.sql") if given.is_dir() else [given])
    ]
    plans = [re.search(r"\bplan\((\d+)\)", path.read_text()) for path in written]
    assert files == len(written) > 0, output
    assert tests == sum(int(plan[1]) for plan in plans if plan) > 0, output
    return tests


def install_pgtap(superuser_dsn: str) -> None:
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pgtap SCHEMA public")


@pytest.mark.both
def test_the_engine(gear_dsn, as_user):
    """On gear, so that there is a mapping to settle, copy and compare."""
    install_pgtap(as_user(gear_dsn, "postgres"))
    prove(gear_dsn, ROOT / "tests" / "sql")


@pytest.mark.both
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_change_of_an_example_right_after_it(make_database, engine_template, as_user, name):
    project = ROOT / "examples" / name
    dsn = make_database(engine_template)
    install_pgtap(as_user(dsn, "postgres"))
    if name == "vibelife_v5" and not install_vector(as_user(dsn, "postgres")):
        pytest.skip("Debian 12 has no pgvector; what the deploy says then, test_vibelife_v5 tests")
    if name == "mongo_tasks":
        staging.example(dsn, "first")
    else:
        psql(project / "legacy.sql", dsn)
        psql(project / "generate.sql", dsn, **EXAMPLES[name])
    if name == "danci":
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("UPDATE danci.amas_user_states SET attention = least(attention, 1)")
    for change in planned(project):
        if change == f"{name}_contract":
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("CALL pgtandem.compare(%s)", (name,))
        sqitch("deploy", "--to-change", change, dsn=dsn, project=project)
        prove(dsn, project / "tests" / f"{change}.sql")


def test_a_failing_test_and_no_test_at_all_are_noticed(empty_dsn, as_user, tmp_path):
    install_pgtap(as_user(empty_dsn, "postgres"))
    with pytest.raises(AssertionError):
        prove(empty_dsn, tmp_path)
    (tmp_path / "bad.sql").write_text("SELECT plan(1); SELECT ok(false, 'no'); SELECT finish();")
    with pytest.raises(AssertionError, match="Failed"):
        prove(empty_dsn, tmp_path)


@pytest.mark.both
def test_the_engine_reverts_to_nothing_and_comes_back(dsn):
    sqitch("revert", "-y", dsn=dsn)
    with psycopg.connect(dsn) as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pgtandem%'"
        ).fetchall()
    assert left == []
    sqitch("deploy", dsn=dsn)
    sqitch("verify", dsn=dsn)

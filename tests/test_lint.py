"""What the linters say about Python, scripts and routines: nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest

from helpers import ROOT, psql, sqitch
from mappings import build, nasty, nasty_derived
from pgtandem.render import PHASES
from test_nasty import LEAVING

BIN = Path(sys.executable).parent
GEAR = ROOT / "examples" / "gear"


def lint(*arguments: str | Path) -> None:
    done = subprocess.run(
        [BIN / arguments[0], *arguments[1:]], cwd=ROOT, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


PYTHON = [path for path in ("tools", "tests", "examples", "bench") if (ROOT / path).exists()]


def test_ruff():
    lint("ruff", "check", *PYTHON)


def test_ruff_format():
    lint("ruff", "format", "--check", *PYTHON)


def test_mypy():
    lint("mypy")


def squawk(*scripts: Path, exclude: tuple[str, ...] = ()) -> None:
    # The option replaces the list in .squawk.toml, which is therefore given, too.
    rules = tomllib.loads((ROOT / ".squawk.toml").read_text())["excluded_rules"]
    lint("squawk", f"--exclude={','.join([*rules, *exclude])}", *scripts)


# A revert takes back what its deploy has made.
REVERT = (
    "ban-drop-table", "ban-drop-schema", "ban-drop-trigger", "ban-drop-type", "ban-drop-constraint",
)  # fmt: skip
# The engine makes objects of its own and locks nobody's tables, so it sets no lock_timeout.
ENGINE = ("require-lock-timeout",)


@pytest.mark.parametrize("kind", ["deploy", "revert", "verify"])
def test_squawk_on_the_engine(kind):
    exclude = ENGINE + (REVERT if kind == "revert" else ())
    squawk(*sorted((ROOT / kind).glob("*.sql")), exclude=exclude)


EXAMPLES = sorted(
    path
    for kind in ("deploy", "revert", "verify")
    for path in ROOT.glob(f"examples/*/{kind}/*.sql")
)


@pytest.mark.parametrize(
    "script", EXAMPLES, ids=lambda path: "/".join(path.with_suffix("").parts[-3:])
)
def test_squawk_on_the_examples(script, tmp_path):
    text = script.read_text()
    if ":'" in text:  # a variable of psql in quotes, which squawk cannot read
        script = tmp_path / script.parent.name / script.name
        script.parent.mkdir()
        script.write_text(text.replace(":'", "'"))
    squawk(script, exclude=REVERT if script.parent.name == "revert" else ())


FINDINGS = """
SELECT p.oid::regprocedure::text AS routine, t.tgrelid::regclass::text AS on_table,
    f.lineno, f.level, f.message, f.detail, f.hint
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
JOIN pg_namespace AS n ON n.oid = p.pronamespace
LEFT JOIN pg_trigger AS t ON t.tgfoid = p.oid AND NOT t.tgisinternal
CROSS JOIN LATERAL plpgsql_check_function_tb(
    funcoid => p.oid, relid => coalesce(t.tgrelid, 0), fatal_errors => false,
    extra_warnings => true, security_warnings => true, performance_warnings => false
) AS f
WHERE (n.nspname = 'pgtandem' OR n.nspname LIKE 'pgtandem\\_%')
  -- Out of use until contract is reverted, and created again then.
  AND (p.prorettype <> 'trigger'::regtype OR t.oid IS NOT NULL)
  -- set_config by an assignment takes no executor, as PERFORM does: the triggers are faster so.
  AND f.message <> 'never read variable "v_set"'
ORDER BY 1, 2, 3
"""

ROUTINES = """
SELECT count(*) FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'pgtandem' OR n.nspname LIKE 'pgtandem\\_%'
"""


def check_routines(dsn: str, only: str = "") -> None:
    """Check all routines, or those whose names match."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS plpgsql_check SCHEMA public")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            pytest.skip("plpgsql_check is packaged for Debian's PostgreSQL, not the embedded one")
        (routines,) = connection.execute(ROUTINES).fetchone()
        assert routines > 0
        found = connection.execute(FINDINGS).fetchall()
        assert [each for each in found if re.search(only, each[0])] == []


@pytest.mark.both
def test_plpgsql_check_on_the_engine(dsn, as_user):
    check_routines(as_user(dsn, "postgres"))


@pytest.mark.both
@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "index"])  # no routines
def test_plpgsql_check_on_what_gear_renders(gear_dsn, as_user, phase):
    with psycopg.connect(gear_dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.backfill('gear')")
        connection.execute("CALL pgtandem.compare('gear')")
    if phase == "expand":
        sqitch("revert", "-y", "--to-change", "gear_expand", dsn=gear_dsn, project=GEAR)
    else:
        sqitch("deploy", "--to-change", f"gear_{phase}", dsn=gear_dsn, project=GEAR)
    check_routines(as_user(gear_dsn, "postgres"))


@pytest.mark.both
def test_plpgsql_check_on_paths_of_a_document(make_database, engine_template, as_user):
    dsn = make_database(engine_template)
    project = ROOT / "examples" / "unified_profiles"
    psql(project / "legacy.sql", dsn)
    sqitch("deploy", "--to-change", "user_directory", dsn=dsn, project=project)
    check_routines(as_user(dsn, "postgres"))


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ordinary", "partitioned"])
def test_plpgsql_check_on_a_mapping_with_everything(dsn, as_user, kind):
    """A filter, a composite key, expressions, odd names and types."""
    built = build(dsn, *nasty(kind), phases=("expand", "sync", "backfill"))
    check_routines(as_user(dsn, "postgres"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.compare('nasty')")
    built.deploy("contract")
    check_routines(as_user(dsn, "postgres"))


@pytest.mark.both
@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("joins", "rows", "in_place") for mode in ("queued", "none")]
    + [("in_place", "record"), ("in_place", "strict")],
)
def test_plpgsql_check_on_what_is_derived(dsn, as_user, kind, mode):
    """Joins, rows and in place, with odd names; squawk has a look at the scripts, too."""
    mapping, legacy = nasty_derived(kind)
    if mode == "none":
        mapping = mapping.replace("ways: forward", "ways: none").replace("ways: both", "ways: none")
    elif kind == "in_place":
        ways = "forward" if mode == "queued" else "both"
        mapping = mapping.replace("mode: record, ways: both", f"mode: {mode}, ways: {ways}")
    built = build(dsn, mapping, legacy, phases=("expand", "sync", "backfill"))
    check_routines(as_user(dsn, "postgres"))
    for script in ("deploy", "revert", "verify"):
        scripts = sorted((built.directory / script).glob("*.sql"))
        squawk(*scripts, exclude=REVERT if script == "revert" else ())


@pytest.mark.both
@pytest.mark.parametrize("wins", ["source", "target", "newest, by: Summe %"])
def test_plpgsql_check_on_a_merge(dsn, as_user, wins):
    mapping, legacy = nasty_derived("merge")
    mapping = mapping.replace("{wins: source}", f"{{wins: {wins}}}")
    built = build(dsn, mapping, legacy)
    check_routines(as_user(dsn, "postgres"))
    for script in ("deploy", "revert", "verify"):
        scripts = sorted((built.directory / script).glob("*.sql"))
        squawk(*scripts, exclude=REVERT if script == "revert" else ())


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ordinary", "partitioned"])
def test_plpgsql_check_on_a_contract_on_columns(dsn, as_user, kind):
    """At each of its steps, there and back."""
    mapping, legacy = nasty(kind)
    mapping = mapping.replace("contract: {", f"contract: {{columns: {LEAVING}, ")
    built = build(dsn, mapping, legacy, phases=("expand", "sync", "backfill"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.compare('nasty')")
    # In between, what needs the columns is out of use.
    for script, step, used in (
        ("deploy", "\nSET client_connection_check_interval", "note_|archive_"),
        ("deploy", "", "note_|truncate_"),
        ("revert", "\nCALL pgtandem.walk(", "note_|keep_|restore_|settle_source"),
        ("revert", "", ""),
    ):
        path = built.directory / script / "nasty_contract.sql"
        part = built.directory / "part.sql"
        text = path.read_text()
        part.write_text(text.partition(step)[0] + "\n\\quit\n" if step else text)
        psql(part, dsn)
        check_routines(as_user(dsn, "postgres"), used)

"""What render writes, when it refuses, and that SQL with any content stays SQL."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from helpers import ROOT, planned
from mappings import build, load, nasty
from pgtandem import cli, render
from test_spec import GOOD

PHASES = ["shop_expand", "shop_sync", "shop_backfill", "shop_contract"]


def run(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ["render", "--project-dir", str(project), *arguments])


def message(result: Result) -> str:
    assert result.exit_code == 2, result.output
    return result.output


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Sqitch project with the mapping `shop`, of a user who has a name."""
    monkeypatch.setenv("SQITCH_FULLNAME", "pgtandem developers")
    monkeypatch.setenv("SQITCH_EMAIL", "developers@pgtandem.invalid")
    monkeypatch.setenv("SQITCH_USER_CONFIG", os.devnull)
    subprocess.run(
        ["sqitch", "init", "shop", "--engine", "pg"], cwd=tmp_path, check=True, capture_output=True
    )
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "shop.yml").write_text(GOOD)
    return tmp_path


def change_mapping(project: Path) -> None:
    path = project / "mappings" / "shop.yml"
    path.write_text(path.read_text().replace("NOT flag", "flag IS NOT TRUE"))


def contents(project: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in sorted(project.rglob("*.sql"))}


@pytest.mark.parametrize("name", ["gear", "unified_profiles"])
def test_an_example_is_what_render_makes(name):
    result = run(ROOT / "examples" / name, "--check")
    assert result.exit_code == 0, result.output


def test_twice_is_once(project):
    result = run(project)
    assert result.exit_code == 0, result.output
    assert result.stderr == "Next: read and commit them; then sqitch deploy --to shop_expand\n"
    assert planned(project) == PHASES
    before = contents(project)
    assert len(before) == 12
    assert all("-- Rendered by pgtandem " in text for text in before.values())
    assert run(project).output == "Every script is as its mapping says.\n"
    assert contents(project) == before
    assert planned(project) == PHASES
    assert run(project, "--check").exit_code == 0


def test_a_mapping_by_its_name_and_by_its_path(project):
    assert run(project, "shop").exit_code == 0
    assert run(project, str(project / "mappings" / "shop.yml"), "--check").exit_code == 0
    assert "cannot be read" in message(run(project, "chop"))


def test_json(project):
    written = json.loads(run(project, "--json").output)["scripts"]
    assert len(written) == 12
    assert {script["state"] for script in written} == {"missing"}
    assert json.loads(run(project, "--json").output) == {"scripts": []}
    assert json.loads(run(project, "--check", "--json").output) == {
        "scripts": [], "not_in_plan": [],
    }  # fmt: skip


def test_check_writes_nothing(project):
    result = run(project, "--check")
    assert result.exit_code == 1
    assert "shop_expand is not in " in result.output
    assert contents(project) == {}
    assert planned(project) == []


def test_check_shows_what_differs(project):
    run(project)
    script = project / "deploy" / "shop_sync.sql"
    script.write_text(script.read_text().replace("upper(", "lower("))
    before = contents(project)
    result = run(project, "--check")
    assert result.exit_code == 1
    assert re.search(r"^-.*lower\(.*\n(?:[+-].*\n)*\+.*upper\(", result.output, re.MULTILINE)
    assert contents(project) == before


def test_a_script_written_by_hand_is_kept(project):
    by_hand = project / "deploy" / "shop_sync.sql"
    by_hand.parent.mkdir(exist_ok=True)
    by_hand.write_text("SELECT 1;\n")
    assert "was not rendered by pgtandem" in message(run(project))
    assert by_hand.read_text() == "SELECT 1;\n"
    assert planned(project) == []
    assert run(project, "--force").exit_code == 0
    assert "Rendered by" in by_hand.read_text()


def test_a_planned_script_is_not_edited_in_silence(project):
    run(project)
    before = contents(project)
    change_mapping(project)
    assert "--rework. Never deployed: --force." in message(run(project))
    assert contents(project) == before
    assert run(project, "--force").exit_code == 0
    assert contents(project) != before
    assert planned(project) == PHASES
    assert run(project, "--check").exit_code == 0


def test_scripts_that_sqitch_does_not_hash_are_written(project):
    run(project)
    script = project / "verify" / "shop_sync.sql"
    script.write_text(script.read_text() + "-- edited\n")
    result = run(project)
    assert result.output == f"changed  {script}\n"


def test_rework(project):
    run(project)
    before = contents(project)
    assert run(project, "--rework").output == "Every script is as its mapping says.\n"
    change_mapping(project)
    result = run(project, "--rework")
    assert result.exit_code == 0, result.output
    assert result.stderr.endswith("; then sqitch deploy --to shop_sync@HEAD\n")
    assert planned(project) == [*PHASES[:3], *PHASES]
    plan = (project / "sqitch.plan").read_text()
    (tag,) = re.findall(r"^@(\S+)", plan, re.MULTILINE)
    for phase in PHASES[:3]:
        kept = project / "deploy" / f"{phase}@{tag}.sql"
        assert kept.read_text() == before[str(project / "deploy" / f"{phase}.sql")]
    assert plan.index(f"@{tag} ") < plan.index(f"shop_expand [shop_expand@{tag}")
    assert "pgtandem:rework" in plan
    assert run(project, "--check").exit_code == 0
    assert run(project).exit_code == 0

    # Once more: each time the former one can come back.
    change_mapping(project)
    path = project / "mappings" / "shop.yml"
    path.write_text(path.read_text().replace("upper(name)", "initcap(name)"))
    assert run(project, "--rework").exit_code == 0
    assert planned(project) == [*PHASES[:3], *PHASES[:3], *PHASES]
    assert run(project, "--check").exit_code == 0
    assert "upper(name)" in (project / "revert" / "shop_expand.sql").read_text()
    assert "initcap(name)" in (project / "deploy" / "shop_expand.sql").read_text()


def test_rework_takes_the_tag_that_is_there(project):
    run(project)
    subprocess.run(["sqitch", "tag", "v1", "-n", "one"], cwd=project, check=True)
    change_mapping(project)
    # The tag stands on contract, which may then be deployed.
    assert "shop_contract cannot move" in message(run(project, "--rework"))


def test_rework_does_not_tear_a_change_from_its_contract(project):
    run(project)
    subprocess.run(
        ["sqitch", "add", "after", "-r", "shop_contract", "-n", "x"], cwd=project, check=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    change_mapping(project)
    found = message(run(project, "--rework"))
    assert "required by after" in found
    assert planned(project) == [*PHASES, "after"]


def test_rework_of_what_was_never_planned(project):
    assert run(project, "--rework").exit_code == 0
    assert planned(project) == PHASES


def test_only_one_of_the_ways(project):
    assert run(project, "--check", "--force").exit_code == 2


def test_without_a_project(tmp_path):
    assert "There is no Sqitch project here" in message(run(tmp_path))


def test_without_a_mapping(project):
    (project / "mappings" / "shop.yml").unlink()
    assert "There is no mapping in" in message(run(project))


def test_two_files_with_one_name(project):
    (project / "mappings" / "second.yml").write_text(GOOD)
    assert 'second mapping named "shop"' in message(run(project))


def test_what_sqitch_says_is_told(project):
    path = project / "mappings" / "shop.yml"
    path.write_text(GOOD + "requires: [nonesuch]\n")
    found = message(run(project))
    assert "sqitch add shop_expand failed" in found
    assert 'unknown change "nonesuch"' in found


def test_folders_of_the_project(project):
    for folder in ("deploy", "revert", "verify"):
        subprocess.run(
            ["sqitch", "config", f"core.{folder}_dir", f"sql/{folder}"], cwd=project, check=True
        )
    assert run(project).exit_code == 0
    assert (project / "sql" / "deploy" / "shop_sync.sql").is_file()
    assert run(project, "--check").exit_code == 0


def rendered(text: str) -> dict[str, str]:
    return {str(path): script for path, script in render.scripts(load(text), "shop").items()}


def test_rendering_twice_gives_the_same_text():
    assert rendered(nasty()[0]) == rendered(nasty()[0])


@pytest.mark.parametrize("tag", ["copy", "forward", "insert", "do", "settle"])
def test_a_dollar_quote_in_the_mapping_ends_nothing(tag):
    quoted = json.dumps(f"upper(name) || '${tag}$'")
    scripts = rendered(GOOD.replace("upper(name)", quoted))
    sync = scripts["deploy/shop_sync.sql"]
    assert f"${tag}_$" in "".join(scripts.values())
    assert not re.search(rf"\bAS \${tag}\$", sync)


def test_what_is_rendered_is_not_a_template():
    sync = rendered(GOOD.replace("upper(name)", json.dumps("'{{ m.name }} {% x %}' || name")))
    assert "'{{ m.name }} {% x %}' || name" in sync["deploy/shop_sync.sql"]


def test_odd_white_space_in_a_literal_survives():
    literal = "'a\u2028b\u3000\x85 '"
    scripts = rendered(GOOD.replace("upper(name)", json.dumps(f"name || {literal}")))
    assert literal in scripts["deploy/shop_sync.sql"]


# Keys of several types, and how their values come back from the queue.
KEYS = {
    "numeric": ("1.50", "-0.00001", "12345678901234567890.123", "'NaN'"),
    "timestamptz": ("'2020-02-29 12:00:00.123456+05'", "'infinity'", "'0044-03-15 BC'"),
    "text": ("''", "'é\"\\'", "'🎒 '"),
    "date": ("'2020-02-29'", "'-infinity'"),
    "boolean": ("true", "false"),
    "bytea": (r"'\x00ff'",),
    "real": ("0.1", "'-Infinity'"),
    "inet": ("'::1/64'",),
    "char(3)": ("'a'",),
    "int4range": ("'[1,5)'",),
}
KEYED = """
mapping: keyed
source: {{table: old.item, columns: {{k: {type}, n: integer, v: text}}}}
target: {{table: new.item, columns: {{k: {type}, n: integer, v: text}}}}
key: [n, k]
columns: {{k: k, n: n, v: v}}
"""


@pytest.mark.parametrize("declared", KEYS)
def test_keys_of_a_type(dsn, declared):
    table = f"(k {declared} NOT NULL, n integer NOT NULL, v text, PRIMARY KEY (k, n))"
    rows = ", ".join(f"({value}, {n}, 'old')" for n, value in enumerate(KEYS[declared]))
    legacy = (
        f"CREATE SCHEMA old; CREATE TABLE old.item {table}; INSERT INTO old.item VALUES {rows};"
        f"CREATE SCHEMA new; CREATE TABLE new.item {table};"
    )
    build(dsn, KEYED.format(type=declared), legacy)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE old.item SET v = 'new'")
        connection.execute("CALL pgtandem.backfill('keyed')")
        # By the queue alone: as if the target had lost them, and kept others.
        connection.execute("SELECT set_config('pgtandem_keyed.depth', '0', false)")
        connection.execute("UPDATE new.item SET v = 'wrong'")
        connection.execute("DELETE FROM new.item WHERE n % 2 = 1")
        connection.execute(
            "SELECT pgtandem.queue('keyed', key, 'difference') FROM pgtandem_keyed.compared()"
        )
        connection.execute("SELECT set_config('pgtandem_keyed.depth', '', false)")
        connection.execute("CALL pgtandem.drain('keyed')")
        connection.execute("UPDATE new.item SET v = 'back'")
        found = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE changed OR NOT in_source OR NOT in_target), "
            "(SELECT count(*) FROM old.item WHERE v = 'back'), "
            "(SELECT count(*) FROM pgtandem.recheck) FROM pgtandem_keyed.compared()"
        ).fetchone()
        count = len(KEYS[declared])
        assert found == (count, 0, count, 0)


@pytest.mark.both
def test_more_columns_than_a_function_has_arguments(dsn):
    names = [f"c{n}" for n in range(250)]
    columns = ", ".join(f"{name}: integer" for name in names)
    mapping = (
        f"mapping: wide\nsource: {{table: old.item, columns: {{id: integer, {columns}}}}}\n"
        f"target: {{table: new.item, columns: {{id: integer, {columns}}}}}\nkey: [id]\n"
        f"columns: {{id: id, {', '.join(f'{name}: {name}' for name in names)}}}\n"
    )
    table = "(id integer PRIMARY KEY, " + ", ".join(f"{name} integer" for name in names) + ")"
    legacy = (
        f"CREATE SCHEMA old; CREATE TABLE old.item {table}; INSERT INTO old.item VALUES (1, 1);"
        f"CREATE SCHEMA new; CREATE TABLE new.item {table};"
    )
    built = build(dsn, mapping, legacy)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO old.item (id, c249) VALUES (2, 2)")
        connection.execute("UPDATE new.item SET c200 = 7 WHERE id = 2")
        built.deploy("backfill")
        connection.execute("CALL pgtandem.compare('wide')")
        built.deploy("contract")
        connection.execute("UPDATE old.item SET c100 = 9 WHERE id = 1")
        built.revert("contract")
        rows = connection.execute("SELECT id, c0, c100, c200, c249 FROM old.item ORDER BY id")
        assert rows.fetchall() == [(1, 1, 9, None, None), (2, None, None, 7, 2)]


def test_an_expression_that_postgresql_does_not_take_fails_in_expand(dsn):
    legacy = (
        "CREATE SCHEMA old; CREATE TABLE old.item (id bigint PRIMARY KEY, name text, price integer,"
        " seen timestamptz, flag boolean); CREATE SCHEMA new; CREATE TABLE new.item (id bigint"
        " PRIMARY KEY, label text, cents integer, seen timestamptz, stars integer);"
        "CREATE SCHEMA pgtandem_owner; CREATE FUNCTION pgtandem_owner.shout(text) RETURNS text"
        " LANGUAGE sql AS 'SELECT upper($1)';"
    )
    with pytest.raises(AssertionError, match="uper"):
        build(dsn, GOOD.replace("upper(name)", "uper(name)"), legacy)
    # Found in the session's search_path only: the triggers would not find it.
    with pytest.raises(AssertionError, match="function shout"):
        build(dsn, GOOD.replace("upper(name)", "shout(name)"), "", phases=["expand"])
    build(dsn, GOOD.replace("upper(name)", "pgtandem_owner.shout(name)"), "")

"""pgtandem init and pgtandem doctor, as a person calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from helpers import OWNER, ROOT
from pgtandem import cli, sqitch

PGTANDEM = Path(sys.executable).parent / "pgtandem"


def pgtandem(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PGTANDEM, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def checks(*arguments: str) -> dict[str, dict[str, str]]:
    done = pgtandem("doctor", "--json", *arguments)
    found = {check["name"]: check for check in json.loads(done.stdout)}
    failed = any(check["state"] == "fail" for check in found.values())
    assert done.returncode == (1 if failed else 0)
    return found


@pytest.mark.both
def test_init_deploys_the_engine_and_doctor_is_content(empty_dsn, tmp_path):
    before = checks("--dsn", empty_dsn)
    assert before["engine"]["state"] == "fail"
    assert before["engine"]["cure"] == "pgtandem init"

    # From any directory, and a second time.
    for _ in range(2):
        done = pgtandem("init", "--dsn", empty_dsn, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    after = checks("--dsn", empty_dsn)
    assert [name for name, check in after.items() if check["state"] == "fail"] == []
    assert after["engine"]["found"] == f"{len(sqitch.plan())} changes"
    assert after["pg_monitor"]["state"] == "ok"
    assert OWNER in after["connection"]["found"]


def test_doctor_tells_what_an_older_engine_lacks(dsn):
    with psycopg.connect(dsn) as connection:
        connection.execute("SET CONSTRAINTS ALL DEFERRED")
        last = list(sqitch.plan().values())[-1]
        connection.execute("DELETE FROM sqitch.dependencies WHERE true")
        connection.execute("DELETE FROM sqitch.changes WHERE change = %s", (last,))
    assert checks("--dsn", dsn)["engine"]["found"] == f"lacks {last}"


def test_doctor_and_the_manual_name_one_interval(dsn):
    cure = checks("--dsn", dsn)["client_connection_check_interval"]["cure"]
    assert cure.startswith("set it to 2s,")
    assert "client_connection_check_interval = '2s'" in (ROOT / "docs/operations.md").read_text()
    query = (ROOT / "tools/pgtandem/queries/session.sql").read_text()
    assert "('client_connection_check_interval', '2s')" in query


def test_doctor_as_a_role_without_rights(dsn, as_user):
    found = checks("--dsn", as_user(dsn, "old_app"))
    assert found["engine"]["state"] == "warn"
    assert found["CREATE on the database"]["state"] == "fail"
    assert found["CREATE on the database"]["cure"].startswith("GRANT CREATE ON DATABASE test_")
    assert found["pg_monitor"]["state"] == "warn"


def test_doctor_where_nothing_answers():
    found = checks("--dsn", "host=/nowhere")
    assert found["connection"]["state"] == "fail"
    assert "engine" not in found


def test_doctors_table_is_for_people(dsn):
    done = pgtandem("doctor", "--dsn", dsn)
    assert done.returncode == 0, done.stdout
    assert "Sqitch" in done.stdout


def test_init_where_nothing_answers_is_an_error():
    done = pgtandem("init", "--dsn", "host=/nowhere")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: The database cannot be reached.\nDetail: ")


def test_init_as_a_role_without_rights_says_which_grant_to_type(empty_dsn, dsn, as_user):
    done = pgtandem("init", "--dsn", as_user(empty_dsn, "old_app"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert 'Error: The role "old_app" may not create schemas in the database "test_' in done.stderr
    grant = done.stderr.partition("superuser: ")[2].strip()
    with psycopg.connect(as_user(empty_dsn, "postgres"), autocommit=True) as admin:
        admin.execute(grant.encode())
    done = pgtandem("init", "--dsn", as_user(empty_dsn, "old_app"))
    assert done.returncode == 0, done.stdout + done.stderr

    # And where another role has deployed it.
    done = pgtandem("init", "--dsn", as_user(dsn, "old_app"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert 'Error: The role "old_app" may not change the schema pgtandem.' in done.stderr
    assert f"GRANT {OWNER} TO old_app;" in done.stderr


def test_doctor_names_the_variables_that_fill_what_is_left_out(dsn):
    options = psycopg.conninfo.conninfo_to_dict(dsn)
    variables = {"PGHOST": str(options["host"]), "PGPORT": str(options["port"]), "PGUSER": OWNER}
    done = subprocess.run(
        [PGTANDEM, "doctor", "--json", "--dsn", f"dbname={options['dbname']}"], check=False,
        capture_output=True, text=True, env=os.environ | variables,
    )  # fmt: skip
    found = {check["name"]: check["found"] for check in json.loads(done.stdout)}
    assert found["connection"].endswith("named by --dsn, PGHOST, PGPORT, PGUSER")


def test_the_exit_status_of_wrong_usage_is_2():
    assert pgtandem("nonesuch").returncode == 2
    assert pgtandem("init", "--nonesuch").returncode == 2
    assert pgtandem("--version").stdout.startswith("pgtandem 0.")


def test_every_command_has_help():
    for name in cli.cli.list_commands(None):
        result = CliRunner().invoke(cli.cli, [name, "--help"])
        assert result.exit_code == 0, result.output

"""What sync and tables cost: measured, shown by status, and readable for a plain role."""

from __future__ import annotations

import psycopg
import pytest

from command_line import Gear, as_json, pgtandem, wait_for
from test_indexes import MAPPING, NAMES, Users

AREAS = "areas: {account: [profile.account.*], contact: [Mail]}\n"
ACTIVITY = ("trigger_cost", "index_use", "table_activity", "slow_statements")


@pytest.fixture
def users(dsn, as_user):
    """A mapping with areas and indexes, measured; a role that may read the views."""
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION pg_stat_statements")
        # It has room for 5,000 statements of all tests, and forgets the least used, which are ours.
        admin.execute("SELECT pg_stat_statements_reset()")
        users = Users(dsn, MAPPING + AREAS)
        users.built.deploy("index")
        admin.execute(f"ALTER DATABASE {users.connection.info.dbname} SET track_functions = 'pl'")
    for view in ACTIVITY:
        users.rows(f"GRANT SELECT ON pgtandem.{view} TO new_app")
    users.rows("GRANT USAGE ON SCHEMA pgtandem TO new_app")
    return users


def write(dsn, number):
    with psycopg.connect(dsn, autocommit=True) as writer:
        for _ in range(number):
            writer.execute("UPDATE old.users SET name = name || '!' WHERE id = 7 -- vibe")
            writer.execute("SELECT 1 AS documents_more")
            writer.execute("SELECT * FROM new.documents WHERE \"Mail\" = '7@example.org'")


@pytest.mark.both
def test_what_is_measured(dsn, users, as_user):
    before = as_json("status", "users", dsn=dsn)
    assert [row["calls"] for row in before["triggers"]] == [None] * 4
    write(dsn, 5)
    with psycopg.connect(as_user(dsn, "new_app"), autocommit=True) as reader:
        calls = (
            "SELECT calls FROM pgtandem.trigger_cost WHERE mapping = 'users'"
            " AND function = 'sync_forward'"
        )
        wait_for(lambda: reader.execute(calls).fetchone() == (5,))
        reader.execute("SELECT 1 AS documents")  # it sees the text of its own statements
        for view in ACTIVITY:
            assert reader.execute(f"SELECT * FROM pgtandem.{view}").fetchall()
    document = as_json("status", "users", dsn=dsn)
    (forward,) = (row for row in document["triggers"] if row["function"] == "sync_forward")
    assert 0 < forward["mean_ms"] < forward["total_ms"]
    assert forward["to_measure"] is None
    assert [(row["name"], row["valid"], row["planned"]) for row in document["indexes"]] == sorted(
        [(NAMES[0], True, True), (NAMES[1], True, True), (NAMES[2], True, None)]
    )
    (by_mail,) = (row for row in document["indexes"] if row["name"] == "idx_mail")
    assert by_mail["scans"] >= 5
    source, target = document["tables"]
    assert (source["side"], source["relation"], source["updates"]) == ("source", "old.users", 5)
    assert (target["side"], target["relation"]) == ("target", "new.documents")
    assert target["updates"] >= 5
    queries = [row["query"] for row in document["statements"]]
    assert len(queries) == 5
    slow = Gear(dsn).rows("SELECT query, calls FROM pgtandem.slow_statements")
    assert {"UPDATE old.users SET name = name || $1 WHERE id = $2 -- vibe": 5}.items() <= {
        row["query"]: row["calls"] for row in slow
    }.items()
    assert not any("documents_more" in row["query"] for row in slow)


def test_what_people_see(dsn, users):
    write(dsn, 5)
    calls = "SELECT sum(calls) FROM pgtandem.trigger_cost"
    wait_for(lambda: users.value(calls) == 5)
    users.rows("SELECT set_config('pgtandem_users.depth', '0', false)")
    users.rows('UPDATE new.documents SET "Mail" = NULL WHERE id = 1')
    users.rows("CALL pgtandem.compare('users')")
    out, _ = pgtandem("status", "users", dsn=dsn)
    sections = out.split("\n\n")
    assert [section.splitlines()[0] for section in sections[1:]] == [
        "last comparison by areas", "indexes", "triggers", "tables", "slow statements",
        "last events",
    ]  # fmt: skip
    areas, indexes, triggers, tables, slow, _ = sections[1:]
    assert [line.split() for line in areas.splitlines()[2:]] == [
        ["account", "0"], ["contact", "1"], ["(other", "columns)", "0"],
    ]  # fmt: skip
    assert indexes.splitlines()[-1].split()[:2] == ["idx_profile_name", "yes"]
    assert triggers.splitlines()[2].split()[:2] == ["sync_forward", "5"]
    assert "old.users" in tables
    assert len(slow.splitlines()) == 7


def test_what_is_not_measured_says_how_it_would_be(filled_dsn):
    out, _ = pgtandem("status", "gear", dsn=filled_dsn)
    name = psycopg.conninfo.conninfo_to_dict(filled_dsn)["dbname"]
    said = " ".join(out.split())
    assert (
        f"not measured yet; as a superuser: ALTER DATABASE {name} SET track_functions = 'pl';"
    ) in said
    assert "not known; CREATE EXTENSION pg_stat_statements" in said

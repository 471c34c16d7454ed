"""examples/mongo_tasks: exports converge, whatever came before; nothing is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import fresh_database
from helpers import OWNER, ROOT, run, sqitch
from pgtandem.cli import cli
from pgtandem.cli import run as main
from staging import example, stage

PROJECT = ROOT / "examples" / "mongo_tasks"
TABLES = ("users", "tasks", "subtasks")
THOROUGH = os.environ.get("PGTANDEM_PROPERTIES") == "thorough"


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        done = connection.execute(query.encode())
        return done.fetchall() if done.rownumber is not None else []


def contents(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the three tables."""
    return {name: rows(dsn, f"SELECT t::text FROM app.{name} AS t ORDER BY 1") for name in TABLES}


# What a document says and its view does not, both in one form.
UNLIKE = """
SELECT s._id, e.key, e.value, d.document -> e.key
FROM staging.{0} AS s
JOIN app.{0}_documents AS d USING (_id)
CROSS JOIN LATERAL jsonb_each(pgtandem.mongo_json(s.document)) AS e
WHERE d.document -> e.key IS DISTINCT FROM e.value
  AND e.key NOT IN ('__v', 'beta') AND NOT (e.key = 'id' AND e.value IN ('null', '""'))
"""


def agree(dsn: str) -> None:
    """Nothing waits, nothing has failed, nothing differs; the views say what the documents do."""
    assert rows(dsn, "SELECT mapping, key, message FROM pgtandem.recheck") == []
    for name in TABLES:
        assert rows(dsn, f"SELECT * FROM pgtandem_{name}.compared()"
                         " WHERE changed OR NOT in_source OR NOT in_target") == []  # fmt: skip
        assert rows(dsn, UNLIKE.format(name)) == []


@pytest.fixture(scope="module")
def empty(server, engine_template) -> Iterator[str]:
    """All deployed but the switch, over staging tables without a document."""
    with fresh_database(server, "mongo_tasks_template", engine_template) as name:
        dsn = server.dsn(name, OWNER)
        for table in TABLES:
            stage(dsn, table, [])
        sqitch("deploy", "--to-change", "subtasks_backfill", dsn=dsn, project=PROJECT)
        yield name


@pytest.fixture
def dsn(make_database, empty) -> str:
    return make_database(empty)


@pytest.mark.both
def test_three_exports_end_where_the_last_one_alone_does(dsn, make_database, empty):
    """In whatever spelling each of them is."""
    example(dsn, "first", form="canonical")
    found = rows(dsn, "SELECT name, count(*) FROM pgtandem_subtasks.checked() GROUP BY 1")
    assert dict(found)["parent_missing"] > 0
    orphans = (
        "SELECT count(*) FROM app.subtasks AS s WHERE NOT EXISTS"
        " (SELECT FROM app.tasks AS t WHERE t.id = s.parent_task_id)"
    )
    assert rows(dsn, orphans) == [(dict(found)["parent_missing"],)]  # reported, not lost
    agree(dsn)
    rows(dsn, "UPDATE app.subtasks SET rating = 5 WHERE id IN (SELECT id FROM app.subtasks"
              " ORDER BY mongo_id LIMIT 5)")  # fmt: skip
    example(dsn, "second", form="v1")
    agree(dsn)
    example(dsn, "full", form="relaxed")
    agree(dsn)
    for name in TABLES:
        assert rows(dsn, f"SELECT * FROM pgtandem_{name}.checked()") == []
    assert rows(dsn, "SELECT count(*) FROM app.subtasks WHERE rating = 5") == [(5,)]
    rows(dsn, "UPDATE app.subtasks SET rating = NULL")
    alone = make_database(empty)
    example(alone, "full", form="canonical")
    assert contents(dsn) == contents(alone)


IDENTIFIERS = ('"a"', "1", '{"$numberLong": "1"}', '{"$oid": "5ca4bbcea2dd94ee58162a68"}')
DATES = ('{"$date": 1}', '{"$date": {"$numberLong": "1"}}', '"1970-01-01T00:00:00Z"', "null")
FIELDS = {
    "users": {
        "email": ('"a"', "null", "1"), "roles": ('["a"]', "[]", "[1]", '"a"', "null"),
        "is_active": ("true", '"true"'), "created_at": DATES,
    },
    "tasks": {
        "id": ('""', "null", '"x"'), "tags": ('{"a": {"$numberInt": "1"}}', "null", "[]"),
        "total_images": ("1", "1.5", '{"$numberInt": "1"}', '{"$numberDouble": "1.0"}'),
        "updated_at": DATES, "created_at": DATES,
    },
    "subtasks": {
        "variable_indices": ('[null, {"$numberInt": "1"}]', "[1.5]", "null"),
        "seed": ('{"$numberLong": "9007199254740993"}', "9223372036854775808", "1"),
        "parent_task_id": ('"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"', '"x"', "null"),
    },
}  # fmt: skip


@st.composite
def exports(draw: st.DrawFn) -> dict[str, list[str]]:
    """A few documents of each collection, fitting or not."""
    made = {}
    for table, fields in FIELDS.items():
        chosen: dict[str, str] = {}
        for identifier in draw(st.lists(st.sampled_from(IDENTIFIERS), max_size=3)):
            some = draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
            pairs = [f'"{name}": {draw(st.sampled_from(fields[name]))}' for name in some]
            text = ", ".join([f'"_id": {identifier}', *pairs])
            chosen["1" if "Long" in identifier else identifier] = f"{{{text}}}"
        made[table] = list(chosen.values())
    return made


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Import an export by the command itself."""
    path = tmp_path_factory.mktemp("export") / "export.json"

    def call(dsn: str, export: dict[str, list[str]], full: bool) -> None:
        options = ["--full", "--yes"] if full else []
        for table, documents in export.items():
            path.write_text("".join(f"{each}\n" for each in documents))
            arguments = ["import", "mongo", str(path), "--into", f"staging.{table}", *options]
            command = lambda a=arguments: cli.main([*a, "--dsn", dsn], standalone_mode=False)  # noqa: E731
            assert main(command) == 0

    return call


@pytest.fixture(scope="module")
def shared(server, empty) -> Iterator[str]:
    with fresh_database(server, "mongo_tasks_shared", empty) as name:
        yield server.dsn(name, OWNER)


@settings(
    max_examples=400 if THOROUGH else 6, deadline=None, derandomize=not THOROUGH,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(older=exports(), delta=exports(), newer=exports())
def test_a_newer_export_ends_as_if_it_were_the_first(shared, imported, older, delta, newer):
    imported(shared, older, full=True)
    imported(shared, delta, full=False)
    imported(shared, newer, full=True)
    agree(shared)
    after = contents(shared)
    imported(shared, {name: [] for name in TABLES}, full=True)
    assert not any(contents(shared).values())
    imported(shared, newer, full=True)
    assert contents(shared) == after
    imported(shared, newer, full=True)
    assert contents(shared) == after


def test_the_tables_go_only_by_name_where_they_hold_what_no_document_does(dsn):
    example(dsn, "first")
    rows(dsn, "INSERT INTO app.tasks (task_name) VALUES ('new');"
              "UPDATE app.subtasks SET evaluate = 'x' WHERE id = (SELECT min(id::text)::uuid"
              " FROM app.subtasks)")  # fmt: skip
    out = sqitch("revert", "-y", dsn=dsn, project=PROJECT, check=False)
    assert "reverting app_tables would destroy rows that exist nowhere else" in out
    assert "DETAIL:  users: 0, tasks: 1, subtasks: 0, ratings: 1." in out
    assert rows(dsn, "SELECT count(*) FROM app.tasks WHERE task_name = 'new'") == [(1,)]
    options = "PGOPTIONS=-c client_min_messages=warning -c pgtandem.drop_data=app_tables"
    run(["env", options, "sqitch", "revert", "-y", "--target", "db:pg:"], dsn, PROJECT)
    assert rows(dsn, "SELECT to_regnamespace('app') IS NULL") == [(True,)]
    detail = rows(dsn, "SELECT detail FROM pgtandem.event WHERE mapping = 'mongo_tasks'")[0][0]
    assert (detail["tasks"], detail["ratings"]) == (1, 1)


def test_the_switch_and_back(dsn, as_user):
    example(dsn, "full")
    sqitch("deploy", dsn=dsn, project=PROJECT)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="are closed"):
        example(dsn, "first")
    rows(as_user(dsn, "new_app"), "INSERT INTO app.users (email) VALUES ('new@example.com')")
    read = "SELECT document ->> 'email' FROM app.users_documents WHERE _id LIKE '\"________-%'"
    assert rows(as_user(dsn, "old_app"), read) == [("new@example.com",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(as_user(dsn, "old_app"), "SELECT FROM app.users")
    sqitch("verify", dsn=dsn, project=PROJECT)
    sqitch("revert", "-y", "--to-change", "subtasks_backfill", dsn=dsn, project=PROJECT)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(as_user(dsn, "new_app"), "INSERT INTO app.users (email) VALUES ('x')")
    rows(as_user(dsn, "new_app"), "UPDATE app.subtasks SET rating = 1")
    example(dsn, "full")
    assert rows(dsn, "SELECT count(*) FROM app.users WHERE email LIKE 'new%'") == [(1,)]


def test_the_generator_makes_the_same_again(tmp_path):
    command = ["python3", PROJECT / "generate.py", "first", "--documents", "200", "--into"]
    for name in ("one", "other"):
        run([*command, tmp_path / name], "")
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "other")
    )
    assert one == other
    assert set(one) == {"users.json", "tasks.json", "dramatiq_tasks.json"}
    bad = 0
    for line in one["users.json"].splitlines():
        try:
            json.loads(line)
        except ValueError:
            bad += 1
    assert bad == 3  # broken, not UTF-8, cut short

"""The phase index: built beside the writers, whatever interrupts it, and used by its query."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from command_line import Gear, wait_for
from helpers import ROOT, Session, environment
from mappings import build

MAPPING = """
mapping: users
source:
  table: old.users
  columns: {id: bigint, name: text, mail: text, status: text}
target: {table: new.documents, columns: {id: bigint, profile: jsonb, "Mail": text}}
key: [id]
columns:
  id: id
  profile.account.name: name
  profile.status: status
  Mail: mail
indexes:
  idx_profile_name:
    on: "((profile #>> '{account,name}'))"
    query: "SELECT * FROM new.documents WHERE profile #>> '{account,name}' = 'name 77'"
  'Idx "100 %" $do$ größer':
    on: (profile)
    using: gin
    where: profile ->> 'status' <> 'it''s $do$ 5 %'
    query: >-
      SELECT id FROM new.documents
      WHERE profile @> '{"account": {"name": "name 5"}}'
      AND profile ->> 'status' <> 'it''s $do$ 5 %'
  idx_mail:
    on: ("Mail")
    unique: true
"""
NAMES = ["idx_profile_name", 'Idx "100 %" $do$ größer', "idx_mail"]
LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.users (id bigint PRIMARY KEY, name text, mail text, status text);
CREATE TABLE new.documents (id bigint PRIMARY KEY, profile jsonb, "Mail" text);
INSERT INTO old.users SELECT n, 'name ' || n, n || '@example.org', 'active'
FROM generate_series(1, 20000) AS n;
"""
FOUND = (
    "SELECT i.relname AS name, x.indisvalid AS valid, i.oid FROM pg_index AS x"
    " JOIN pg_class AS i ON i.oid = x.indexrelid"
    " WHERE x.indrelid = 'new.documents'::regclass AND NOT x.indisprimary ORDER BY i.oid"
)


class Users(Gear):
    """A database with the mapping, copied."""

    def __init__(self, dsn: str, mapping: str = MAPPING) -> None:
        self.built = build(dsn, mapping, LEGACY, ("expand", "sync", "backfill"))
        super().__init__(dsn)

    def found(self) -> list[tuple[str, bool]]:
        return [(row["name"], row["valid"]) for row in self.rows(FOUND)]

    @contextmanager
    def deploying(self, kind: str = "deploy"):
        """The script of the phase in a psql of its own, as Sqitch runs it."""
        script = self.built.directory / kind / "users_index.sql"
        with subprocess.Popen(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", script],
            env=environment(self.built.dsn), cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as running:  # fmt: skip
            try:
                yield running
            finally:
                running.kill()

    def builder(self) -> int | None:
        """The backend that waits for older transactions while it builds or drops."""
        rows = self.rows(
            "SELECT a.pid FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid"
            " WHERE a.query LIKE '%INDEX CONCURRENTLY%' AND NOT l.granted"
            " AND l.locktype = 'virtualxid' AND a.pid <> pg_backend_pid()"
        )
        return rows[0]["pid"] if rows else None


@pytest.fixture
def users(dsn):
    return Users(dsn)


@contextmanager
def old_transaction(dsn):
    """A transaction that is older than any build."""
    with Session(dsn) as session:
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        session.run("SELECT count(*) FROM new.documents")
        yield session


@pytest.mark.both
def test_there_and_back(users):
    users.rows("ALTER TABLE new.documents SET (autovacuum_enabled = off)")
    users.built.deploy("index")
    # The planner knows the values of the expression.
    assert users.value("SELECT count(*) FROM pg_stats WHERE tablename = 'idx_profile_name'") == 1
    assert users.found() == [(name, True) for name in NAMES]
    first = users.rows(FOUND)
    users.built.deploy("index")  # as after a kill before Sqitch noted it
    assert users.rows(FOUND) == first
    plans = users.rows(
        "SELECT name, query IS NOT NULL AS asked, pgtandem.uses_index(query, name) AS used"
        " FROM pgtandem.target_index WHERE mapping = 'users' ORDER BY built_at"
    )
    assert [tuple(plan.values()) for plan in plans] == [
        (NAMES[0], True, True), (NAMES[1], True, True), (NAMES[2], False, None),
    ]  # fmt: skip
    said = users.value("SELECT obj_description(%s::regclass)", "new.idx_profile_name")
    assert said.startswith("Of the mapping users. For: SELECT * FROM new.documents WHERE")
    users.built.revert("index")
    assert users.found() == []
    assert users.value("SELECT count(*) FROM pgtandem.target_index") == 0
    users.built.revert("index")
    users.built.deploy("index")
    users.built.revert("index", "backfill", "sync", "expand", "index")


def test_a_build_whose_backend_is_killed_is_done_again(dsn, users):
    with old_transaction(dsn) as old:
        with users.deploying() as running:
            wait_for(users.builder)
            # Writers do not wait for a build that waits.
            users.rows("SET lock_timeout = '1s'")
            users.rows("UPDATE old.users SET name = 'new' WHERE id = 1")
            users.rows("SELECT pg_terminate_backend(%s)", users.builder())
            assert running.wait() != 0
        assert users.found() == [(NAMES[0], False)]
        with pytest.raises(
            AssertionError, match=r"the index idx_profile_name of new\.documents is "
        ):
            users.built._run("verify", "index")
        old.run("ROLLBACK")
    left = users.rows(FOUND)[0]["oid"]
    users.built.deploy("index")
    assert users.found() == [(name, True) for name in NAMES]
    assert left not in [row["oid"] for row in users.rows(FOUND)]


def test_a_build_ends_with_its_client(dsn, users):
    with old_transaction(dsn):
        with users.deploying() as running:
            wait_for(users.builder)
            running.kill()
        wait_for(lambda: users.builder() is None)
        assert users.found() == [(NAMES[0], False)]
    users.built.deploy("index")
    assert users.found() == [(name, True) for name in NAMES]


def test_neither_timeouts_nor_a_second_deploy_disturb_a_build(dsn, users, as_user):
    name = users.connection.info.dbname
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET lock_timeout = '10ms'")
        admin.execute(f"ALTER DATABASE {name} SET statement_timeout = '400ms'")
    waited = (
        "SELECT pid FROM pg_locks WHERE NOT granted AND waitstart < clock_timestamp()"
        " - interval '500 ms'"
    )
    with old_transaction(dsn) as old, users.deploying() as running:
        old.run("SET statement_timeout = 0")
        wait_for(users.builder)
        wait_for(lambda: users.rows(waited))
        with pytest.raises(AssertionError) as second:
            users.built.deploy("index")
        assert 'the indexes of mapping "users" are being built already' in str(second.value)
        assert f"By the backend {users.builder()}." in str(second.value)
        old.run("ROLLBACK")
        assert running.wait() == 0
    assert users.found() == [(name, True) for name in NAMES]


def test_a_drop_that_is_killed_is_done_again(dsn, users):
    users.built.deploy("index")
    with Session(dsn) as old:
        old.run("BEGIN")
        old.run("SELECT count(*) FROM new.documents")
        with users.deploying("revert") as running:
            wait_for(users.builder)
            users.rows("SELECT pg_terminate_backend(%s)", users.builder())
            assert running.wait() != 0
        old.run("ROLLBACK")
    assert users.found()[0] == (NAMES[0], False)
    users.built.revert("index")
    assert users.found() == []


def test_a_unique_index_over_values_that_are_not(users):
    users.rows("UPDATE old.users SET mail = '7@example.org' WHERE id = 8")
    with pytest.raises(AssertionError) as failed:
        users.built.deploy("index")
    assert "(7@example.org) is duplicated" in str(failed.value)
    assert "the index idx_mail could not be built" in str(failed.value)
    assert "Mend them on both sides, and deploy again" in str(failed.value)
    # Nothing is left that would refuse a write, and what was built stays.
    assert users.found() == [(name, True) for name in NAMES[:2]]
    users.rows("UPDATE old.users SET mail = '7@example.org' WHERE id = 9")
    users.rows("UPDATE old.users SET mail = id || '@example.org' WHERE id IN (8, 9)")
    users.built.deploy("index")
    assert users.found() == [(name, True) for name in NAMES]


@pytest.mark.parametrize(
    "there",
    [
        "CREATE INDEX idx_profile_name ON new.documents ((profile #>> '{account,mail}'))",
        "CREATE UNIQUE INDEX idx_profile_name ON new.documents ((profile #>> '{account,name}'))",
        "CREATE INDEX idx_profile_name ON new.documents ((profile #>> '{account,name}') DESC)",
        "CREATE TABLE new.more (n integer); CREATE INDEX idx_profile_name ON new.more (n)",
        "CREATE TABLE new.idx_profile_name ()",
    ],
)
def test_what_is_not_ours_stays(users, there):
    users.rows(there)
    with pytest.raises(AssertionError, match=r"the name new\.idx_profile_name is taken by"):
        users.built.deploy("index")
    assert users.value("SELECT to_regclass('new.idx_profile_name')") is not None
    assert users.found() in ([], [("idx_profile_name", True)])


def test_the_same_index_made_by_hand_is_taken_over(users):
    users.rows(
        "CREATE INDEX idx_profile_name ON new.documents"
        " USING btree ((profile#>>'{account, name}'::text[]) ASC NULLS LAST)"
    )
    before = users.rows(FOUND)[0]
    users.built.deploy("index")
    assert users.rows(FOUND)[0] == before


def test_only_when_all_is_copied(dsn):
    built = build(dsn, MAPPING, LEGACY, ("expand", "sync"))
    with pytest.raises(AssertionError, match='the copy of mapping "users" is not complete'):
        built.deploy("index")


def test_a_partitioned_target_is_refused(dsn):
    legacy = LEGACY.replace(
        '(id bigint PRIMARY KEY, profile jsonb, "Mail" text);',
        '(id bigint PRIMARY KEY, profile jsonb, "Mail" text) PARTITION BY HASH (id);'
        "CREATE TABLE new.p PARTITION OF new.documents FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
    )
    built = build(dsn, MAPPING, legacy, ("expand", "sync", "backfill"))
    with pytest.raises(AssertionError, match=r"the target new\.documents is partitioned"):
        built.deploy("index")


def test_contract_comes_after_it(users):
    users.rows("CALL pgtandem.compare('users')")
    users.built.deploy("index", "contract")
    assert users.rows("SELECT name FROM old.users WHERE id = 7") == [{"name": "name 7"}]
    deploy = Path(users.built.directory / "deploy" / "users_contract.sql").read_text()
    assert "-- requires: users_index\n" in deploy
    users.built.revert("contract", "index")


def test_a_query_that_cannot_be_planned_is_no_error(users):
    for query in (
        "SELECT * FROM new.nothing",
        "SELECT * FROM n.documents",
        "SELECT o()",
        "SELECT 1/0",
    ):
        assert users.value("SELECT pgtandem.uses_index(%s, 'idx_mail')", query) is None

"""What pgTAP cannot test of the engine: procedures that commit, locks of others, other roles."""

from __future__ import annotations

import time
from contextlib import contextmanager

import psycopg
import pytest

from command_line import wait_for
from helpers import ROOT, Session, psql

GENERATE = ROOT / "examples" / "gear" / "generate.sql"
CLEAN = """
    SELECT count(*) FROM pgtandem_gear.compared()
    WHERE changed OR NOT in_source OR NOT in_target
"""


@contextmanager
def unseen(connection):
    """Take the session's writes for ours, which the triggers let pass."""
    connection.execute("SET pgtandem_gear.depth = '0'")
    yield
    connection.execute("RESET pgtandem_gear.depth")


@pytest.fixture
def notices(gear):
    """What the server says to the session `gear`, as (severity, message)."""
    heard: list[tuple[str, str]] = []
    gear.add_notice_handler(lambda said: heard.append((said.severity, said.message_primary)))
    return heard


@pytest.fixture
def filled(gear, gear_dsn):
    """Rows that were there before the triggers: 500 items."""
    psql(GENERATE, gear_dsn, users=50, items=500)
    with unseen(gear):
        gear.execute("DELETE FROM gear_ops.gear_items")
    return gear


def value(connection, query, parameters=None):
    return connection.execute(query, parameters).fetchone()[0]


def test_sessions_of_old_roles_and_their_members(gear, gear_dsn, as_user):
    gear.execute(
        "UPDATE pgtandem.mapping SET settings = "
        """settings || '{"contract": {"old_roles": ["old_app"]}}'"""
    )
    unmet = "SELECT figure FROM pgtandem.contract_conditions('gear') WHERE name = %s AND NOT met"

    def found():
        row = gear.execute(unmet, ("no_old_sessions",)).fetchone()
        return row[0].partition(" ")[0] if row else None

    with psycopg.connect(as_user(gear_dsn, "postgres"), autocommit=True) as admin:
        admin.execute("CREATE ROLE old_login LOGIN IN ROLE old_app")
        admin.execute("GRANT old_app TO pgtandem_owner")  # who deploys, and looks here
        try:
            assert found() is None
            with psycopg.connect(as_user(gear_dsn, "old_login")):
                assert found() == "old_login"
            wait_for(lambda: found() is None)  # a backend ends a little after its connection
            with psycopg.connect(as_user(gear_dsn, "old_app")):
                assert found() == "old_app"
        finally:
            admin.execute("REVOKE old_app FROM pgtandem_owner")
            admin.execute("DROP ROLE old_login")


@pytest.mark.both
def test_backfill_copies_and_is_done_the_second_time(filled):
    filled.execute("CALL pgtandem.backfill('gear')")
    assert value(filled, "SELECT count(*) FROM gear_ops.gear_items") == 500
    assert value(filled, CLEAN) == 0
    assert value(filled, "SELECT copy_state FROM pgtandem.mapping") == "complete"
    assert value(filled, "SELECT count(*) FROM pgtandem.worker") == 0
    filled.execute("CALL pgtandem.backfill('gear', '1 hour')")


def test_backfill_stops_in_time_and_goes_on(filled, notices):
    filled.execute("CALL pgtandem.backfill('gear', '0')")
    assert value(filled, "SELECT copy_state FROM pgtandem.mapping") == "open"
    assert notices == [
        ("NOTICE", "if its client is killed, this session goes on with the backfill unseen"),
        ("INFO", "backfill of gear stopped at its time limit, after a whole chunk"),
    ]
    filled.execute("CALL pgtandem.backfill('gear')")
    assert value(filled, CLEAN) == 0


def test_backfill_names_the_rows_that_cannot_be_copied(filled):
    filled.execute("ALTER TABLE gear_ops.gear_items ADD CHECK (category <> 'no') NOT VALID")
    with unseen(filled):
        filled.execute(
            "UPDATE user_core.old_equipment SET type = 'no' "
            "WHERE id IN (SELECT id FROM user_core.old_equipment ORDER BY id LIMIT 2)"
        )
    with pytest.raises(psycopg.Error) as caught:
        filled.execute("CALL pgtandem.backfill('gear')")
    assert caught.value.sqlstate == "TD008"
    assert caught.value.diag.message_primary == '2 rows of mapping "gear" cannot be copied'
    assert value(filled, "SELECT count(*) FROM gear_ops.gear_items") == 498
    failed = "SELECT count(DISTINCT key) FROM pgtandem.failures WHERE sqlstate = '23514'"
    assert value(filled, failed) == 2


def test_backfill_must_not_run_in_a_transaction(gear):
    with pytest.raises(psycopg.errors.InvalidTransactionTermination), gear.transaction():
        gear.execute("CALL pgtandem.backfill('gear')")


@pytest.mark.both
def test_drain_settles_all_that_is_due(filled, notices):
    filled.execute("CALL pgtandem.backfill('gear')")
    filled.execute(
        "SELECT pgtandem.queue('gear', jsonb_build_array(id), r) "
        "FROM user_core.old_equipment, unnest(ARRAY['sync', 'difference']) AS r"
    )
    filled.execute("CALL pgtandem.drain('gear', 'difference')")
    assert notices.pop() == (
        "INFO", "drained gear: 500 keys settled, 500 entries left, 0 of them failed before",
    )  # fmt: skip
    filled.execute("CALL pgtandem.drain('gear')")
    assert notices.pop() == (
        "INFO", "drained gear: 500 keys settled, 0 entries left, 0 of them failed before",
    )  # fmt: skip


@pytest.mark.both
def test_compare_stores_what_it_finds(filled, notices):
    filled.execute("CALL pgtandem.compare('gear')")
    row = filled.execute("SELECT source_rows, target_rows, missing FROM pgtandem.comparison")
    assert row.fetchone() == (500, 0, 500)
    assert value(filled, "SELECT count(*) FROM pgtandem.difference WHERE kind = 'missing'") == 500
    severity, message = notices.pop()
    assert severity == "INFO"
    assert message == (
        "comparison 1 of gear: 500 rows in the source, 0 in the target, "
        "500 missing, 0 extra, 0 changed"
    )


@pytest.mark.parametrize(
    ("call", "sqlstate"),
    [
        ("backfill('none')", "TD001"),
        ("drain('none')", "TD001"),
        ("compare('none')", "TD001"),
        ("carry_back('none')", "TD001"),
        ("carry_back('gear')", "TD006"),
        ("undo('none')", "TD001"),
        ("undo('gear')", "TD062"),
    ],
)
def test_procedures_refuse(gear, call, sqlstate):
    with pytest.raises(psycopg.Error) as caught:
        gear.execute(f"CALL pgtandem.{call}")
    assert caught.value.sqlstate == sqlstate


@pytest.mark.both
def test_lock_tables_gives_up_and_names_who_is_in_the_way(gear_dsn):
    with Session(gear_dsn, application_name="writer") as writer, Session(gear_dsn) as ours:
        writer.run("BEGIN")
        writer.run("INSERT INTO user_core.users (name, email) VALUES ('Ana', 'ana@x.invalid')")
        with pytest.raises(psycopg.Error) as caught:
            ours.run(
                "SELECT pgtandem.lock_tables('{user_core.old_equipment,user_core.users}', "
                "'ACCESS EXCLUSIVE', 2)"
            )
        said = caught.value.diag
        assert said.sqlstate == "TD004"
        assert said.message_primary == (
            "could not lock user_core.old_equipment, user_core.users in 2 tries"
        )
        assert f"pid {writer.pid} (pgtandem_owner, writer, idle in transaction for 00:00:" in (
            said.message_detail
        )
        assert said.message_hint == (
            "Nothing was changed. Run it again when these transactions have ended."
        )


def test_lock_tables_tells_meanwhile_who_is_in_the_way(gear_dsn):
    heard = []
    lock = "SELECT pgtandem.lock_tables('{{user_core.users}}', '{}', 5)"
    with (
        Session(gear_dsn, application_name="first") as first,
        Session(gear_dsn, application_name="second") as second,
        Session(gear_dsn, application_name="reader") as reader,
        Session(gear_dsn) as ours,
    ):
        ours.connection.add_notice_handler(lambda notice: heard.append(notice.message_primary))
        first.run("BEGIN")
        first.run("DELETE FROM user_core.users")
        reader.run("BEGIN")
        reader.run("SELECT count(*) FROM user_core.users")
        ours.send(lock.format("SHARE ROW EXCLUSIVE")).waits_for_lock(first)
        # Whoever comes later stands in the next notice, and the final word, too.
        while not heard:
            pass
        second.run("BEGIN")
        second.run("INSERT INTO user_core.users (name, email) VALUES ('Ana', 'ana@x.invalid')")
        first.run("ROLLBACK")
        with pytest.raises(psycopg.Error) as caught:
            ours.result()
    assert [words.partition(":")[0] for words in heard] == [
        f"waiting for a lock on user_core.users, try {number} of 5" for number in (1, 4)
    ]
    assert f"pid {first.pid} (pgtandem_owner, first, idle in transaction for " in heard[0]
    assert f"pid {second.pid} (pgtandem_owner, second, " in heard[1]
    for words in (heard[1], caught.value.diag.message_detail):
        assert "first" not in words
        assert "reader" not in words


def test_lock_tables_holds_nothing_while_it_waits(gear_dsn):
    with Session(gear_dsn) as writer, Session(gear_dsn) as ours, Session(gear_dsn) as other:
        writer.run("BEGIN")
        writer.run("INSERT INTO user_core.users (name, email) VALUES ('Ana', 'ana@x.invalid')")
        ours.send(
            "SELECT pgtandem.lock_tables('{user_core.old_equipment,user_core.users}', "
            "'ACCESS EXCLUSIVE')"
        )
        ours.waits_for_lock(writer)
        # A write of the other table gets through in one of the pauses at the latest.
        start = time.monotonic()
        other.run("DELETE FROM user_core.old_equipment")
        assert time.monotonic() - start < 3
        writer.run("ROLLBACK")
        assert ours.result()[0][0] > 1


@pytest.mark.both
def test_a_slot_that_retains_wal_slows_the_backfill_down(gear, gear_dsn, as_user):
    with psycopg.connect(as_user(gear_dsn, "postgres"), autocommit=True) as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('behind', true)")
        try:
            admin.execute("CREATE TABLE public.wal AS SELECT generate_series(1, 10000)")
            reason, seconds = gear.execute(
                "SELECT t.* FROM jsonb_populate_record(pgtandem.mapping_of('gear'), "
                """'{"settings": {"backfill": {"max_slot": "10kB"}}}') AS m, """
                "pgtandem._throttle(m, 0.1, 0) AS t"
            ).fetchone()
        finally:
            admin.execute("SELECT pg_drop_replication_slot('behind')")
    assert reason.startswith("slot behind retains ")
    assert reason.endswith(" of WAL, limit 10 kB")
    assert 0.1 < seconds <= 2


@pytest.mark.both
def test_a_role_without_usage_can_call_nothing(gear, gear_dsn, as_user):
    calls = gear.execute(
        "SELECT n.nspname, p.proname, p.prokind, p.pronargs - p.pronargdefaults "
        "FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace "
        "WHERE n.nspname IN ('pgtandem', 'pgtandem_gear') AND p.prorettype <> 'trigger'::regtype"
    ).fetchall()
    assert len(calls) > 50
    with psycopg.connect(as_user(gear_dsn, "old_app"), autocommit=True) as old_app:
        for schema, name, kind, arguments in calls:
            verb = "CALL" if kind == "p" else "SELECT"
            nulls = ", ".join(["NULL"] * arguments)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                old_app.execute(f"{verb} {schema}.{name}({nulls})")


@pytest.mark.both
def test_the_applications_need_no_right_on_the_other_side(gear, gear_dsn, as_user):
    user = value(
        gear, "INSERT INTO user_core.users (name, email) VALUES ('Ana', 'a@x.invalid') RETURNING id"
    )
    with psycopg.connect(as_user(gear_dsn, "old_app"), autocommit=True) as old_app:
        old_app.execute(
            "INSERT INTO user_core.old_equipment (user_id, name) VALUES (%s, 'Rope')", (user,)
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            old_app.execute("SELECT FROM gear_ops.gear_items")
    with psycopg.connect(as_user(gear_dsn, "new_app"), autocommit=True) as new_app:
        new_app.execute("UPDATE gear_ops.gear_items SET brand = 'Acme'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            new_app.execute("SELECT FROM user_core.old_equipment")
    assert value(gear, "SELECT brand FROM user_core.old_equipment") == "Acme"

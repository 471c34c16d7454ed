"""examples/vibelife_v5: tables, columns, what is computed from old data, and the data rollback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import psycopg
import pytest

from command_line import pgtandem
from conftest import fresh_database
from helpers import OWNER, ROOT, TIMEOUT, Session, install_vector, psql, run, sqitch

PROJECT = ROOT / "examples" / "vibelife_v5"
NEW_TABLES = {
    "user_preferences", "identity_prism", "dimension_profiles", "user_memories", "life_events",
    "daily_rituals", "user_entitlements", "push_subscriptions",
}  # fmt: skip
OLD_TABLES = (
    "vibe_users", "conversations", "messages", "subscriptions", "payments", "user_profiles",
)  # fmt: skip
ADDED = {
    "vibe_users": "journey_stage journey_started_at last_active_at consecutive_active_days"
    " total_conversations",
    "conversations": "context_snapshot dimensions_used emotional_arc",
    "messages": "extracted_memories emotional_state dimensions_referenced",
    "subscription_plans": "tier",
}  # fmt: skip
KEY = {"vibe_users": "vibe_id"}
MAPPINGS = ("journey", "entitlements", "dimensions")
NEW_KEY = "00000000-0000-4000-8000-000000000001"
WITH_NOTHING = "WHERE " + " AND ".join(
    f"NOT EXISTS (SELECT FROM vibelife.{table} AS t WHERE t.user_id = u.vibe_id)"
    for table in ("conversations", "payments", "subscriptions", "user_profiles")
)


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        done = connection.execute(query.encode())
        return done.fetchall() if done.rownumber is not None else []


def value(dsn: str, query: str) -> Any:
    return rows(dsn, query)[0][0]


def deploy(dsn: str, to: str, check: bool = True) -> str:
    return sqitch("deploy", "--to-change", to, dsn=dsn, project=PROJECT, check=check)


def revert(dsn: str, to: str | None = None, check: bool = True) -> str:
    where = ["--to-change", to] if to else []
    return sqitch("revert", "-y", *where, dsn=dsn, project=PROJECT, check=check)


def allowing(what: str, dsn: str, *arguments: str) -> str:
    """Run Sqitch with what the hint of TD901 and TD904 says."""
    options = f"PGOPTIONS=-c client_min_messages=warning -c pgtandem.drop_data={what}"
    command: list[str | Path] = ["env", options, "sqitch", *arguments, "--target", "db:pg:"]
    return run(command, dsn, PROJECT).stdout


@pytest.fixture(scope="module")
def old_template(server, engine_template) -> Iterator[str]:
    """The engine and the old system with 200 users."""
    with fresh_database(server, "vibelife_template", engine_template) as name:
        psql(PROJECT / "legacy.sql", server.dsn(name, OWNER))
        psql(PROJECT / "generate.sql", server.dsn(name, OWNER), users=200, messages=2500)
        yield name


@pytest.fixture
def old_dsn(make_database, old_template) -> str:
    """The old system, without pgvector."""
    return make_database(old_template)


@pytest.fixture
def dsn(old_dsn, as_user) -> str:
    """The old system, with pgvector."""
    if not install_vector(as_user(old_dsn, "postgres")):
        pytest.skip("Debian 12 has no pgvector")
    return old_dsn


@pytest.fixture(scope="module")
def v5_template(server, old_template) -> Iterator[str]:
    """Everything deployed, and rows that only the new application can have written."""
    with fresh_database(server, "v5_template", old_template) as name:
        if not install_vector(server.dsn(name)):
            pytest.skip("Debian 12 has no pgvector")
        deploy(server.dsn(name, OWNER), "v5_flags")
        rows(server.dsn(name, OWNER), WRITTEN)
        # What the mapping says of these columns stands, what it leaves to the application stays.
        pgtandem("repair", "journey", "--yes", dsn=server.dsn(name, OWNER))
        yield name


@pytest.fixture
def v5(make_database, v5_template) -> str:
    return make_database(v5_template)


# Two thirds of the users, and odd values: NULL where there is a default, empty, nested.
WRITTEN = """
UPDATE vibelife.vibe_users
   SET journey_stage = (ARRAY['trust', NULL, '', 'encounter'])[1 + n % 4],
       journey_started_at = CASE WHEN n % 5 > 0 THEN created_at END,
       last_active_at = CASE n % 7 WHEN 0 THEN 'infinity'::timestamp WHEN 1 THEN updated_at END,
       consecutive_active_days = nullif(n % 3, 2),
       total_conversations = n
  FROM (SELECT vibe_id AS key, row_number() OVER (ORDER BY vibe_id)::integer AS n
          FROM vibelife.vibe_users) AS u
 WHERE key = vibe_id AND n % 3 > 0;
UPDATE vibelife.conversations
   SET dimensions_used = (ARRAY['{bazi,"a,b",NULL}', NULL, '{}'])[1 + ascii(title) % 3]::text[],
       context_snapshot = 'null', emotional_arc = '{"🔮": [1.50, null]}'
 WHERE title > '5';
UPDATE vibelife.messages SET extracted_memories = ARRAY[id, NULL], emotional_state = '{}'
 WHERE id > '80000000-0000-0000-0000-000000000000';
UPDATE vibelife.subscription_plans SET tier = 'L2' WHERE plan_type = 'monthly';
INSERT INTO vibelife.user_memories (user_id, memory_type, content)
SELECT vibe_id, 'fact', 'likes tea' FROM vibelife.vibe_users;
INSERT INTO vibelife.daily_rituals (user_id, ritual_date)
SELECT vibe_id, '2026-11-25' FROM vibelife.vibe_users;
"""


def contents(dsn: str) -> dict[str, dict[str, Any]]:
    """Every row of the four tables, by key, with the columns of version 5 where they are there."""
    return {
        table: dict(
            rows(dsn, f"SELECT {KEY.get(table, 'id')}::text, to_jsonb(t) FROM vibelife.{table} t")
        )
        for table in ADDED
    }


def files(dsn: str) -> list[tuple[Any, ...]]:
    return rows(
        dsn,
        "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'vibelife'::regnamespace"
        " AND relname IN ('vibe_users', 'conversations', 'messages', 'subscription_plans')"
        " ORDER BY 1",
    )


def a_user(dsn: str, where: str = "true") -> str:
    query = f"SELECT vibe_id::text FROM vibelife.vibe_users WHERE {where} ORDER BY 1 LIMIT 1"
    return str(value(dsn, query))


def stage(dsn: str, user: str) -> Any:
    return value(dsn, f"SELECT journey_stage FROM vibelife.vibe_users WHERE vibe_id = '{user}'")


def until(done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def facts(dsn: str) -> list[tuple[Any, ...]]:
    """Columns, constraints, indexes and triggers of the old tables; all schemas."""
    return rows(
        dsn,
        "SELECT attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod)"
        " FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid"
        " WHERE relnamespace = 'vibelife'::regnamespace AND attnum > 0 AND NOT attisdropped"
        " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'vibelife'::regnamespace"
        " UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)"
        " FROM pg_trigger WHERE NOT tgisinternal"
        " UNION ALL SELECT 'function', proname, '' FROM pg_proc"
        " WHERE pronamespace = 'vibelife'::regnamespace"
        " UNION ALL SELECT 'flag', name, state FROM pgtandem.flag"
        " UNION ALL SELECT 'mapping', name, phase FROM pgtandem.mapping"
        " UNION ALL SELECT 'schema', nspname, '' FROM pg_namespace"
        r" WHERE nspname LIKE 'vibelife%' OR nspname LIKE 'pgtandem\_%'"
        " ORDER BY 1, 2, 3",
    )


def test_the_whole_road_there_and_back_and_there_again(dsn):
    start, before, on_disk = facts(dsn), contents(dsn), files(dsn)
    deploy(dsn, "v5_flags")
    sqitch("verify", dsn=dsn, project=PROJECT)
    assert files(dsn) == on_disk  # nothing was rewritten
    end = facts(dsn)
    agree(dsn)
    computed = contents(dsn)
    revert(dsn)
    # The stages that the journey has set are values like others: archived.
    assert set(facts(dsn)) ^ set(start) == {("schema", "vibelife_archive", "")}
    assert contents(dsn) == before
    assert files(dsn) == on_disk
    deploy(dsn, "v5_flags")
    assert facts(dsn) == end
    assert contents(dsn) == computed


# --- the extension --------------------------------------------------------------------------------


@pytest.mark.both
def test_without_pgvector_nothing_is_made_and_the_package_is_named(old_dsn, as_user):
    start = facts(old_dsn)
    out = deploy(old_dsn, "v5_columns", check=False)
    assert "the extension vector (pgvector) is not in this database" in out
    assert "CREATE EXTENSION vector" in out
    is_there = value(
        old_dsn, "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')"
    )
    major = value(old_dsn, "SELECT current_setting('server_version_num')::integer / 10000")
    assert (f"apt-get install postgresql-{major}-pgvector" in out) is not is_there
    assert facts(old_dsn) == start
    script = (PROJECT / "deploy" / "v5_tables.sql").read_text()
    check = script[script.index("DO $$") :].partition("\nCREATE TABLE")[0]
    with pytest.raises(psycopg.Error) as raised:
        rows(old_dsn, check)
    assert raised.value.sqlstate == "TD903"
    if install_vector(as_user(old_dsn, "postgres")):
        deploy(old_dsn, "v5_columns")


def test_pgvector_may_be_in_any_schema(old_dsn, as_user):
    with psycopg.connect(as_user(old_dsn, "postgres"), autocommit=True) as admin:
        admin.execute('CREATE SCHEMA "Odd ""Schema"')
        admin.execute('CREATE EXTENSION vector SCHEMA "Odd ""Schema"')
        admin.execute(f'GRANT USAGE ON SCHEMA "Odd ""Schema" TO {OWNER}')
    deploy(old_dsn, "v5_columns")


def test_who_may_create_the_extension_need_not_ask(old_dsn, as_user):
    deploy(as_user(old_dsn, "postgres"), "v5_tables")


# --- the data rollback ----------------------------------------------------------------------------


def test_a_data_rollback_keeps_tables_and_brings_every_value_back(v5):
    before, on_disk = contents(v5), files(v5)
    revert(v5, "v5_tables")
    left = {name for table in contents(v5).values() for row in table.values() for name in row}
    assert left.isdisjoint(name for names in ADDED.values() for name in names.split())
    assert files(v5) == on_disk
    assert value(v5, "SELECT count(*) FROM vibelife.user_memories") == 200
    # Only what was written is archived.
    assert 0 < value(v5, "SELECT count(*) FROM vibelife_archive.messages") < 2000
    deploy(v5, "v5_flags")
    assert contents(v5) == before
    assert rows(v5, "SELECT 1 FROM pg_namespace WHERE nspname = 'vibelife_archive'") == []
    revert(v5, "v5_tables")  # and once more
    deploy(v5, "v5_flags")
    assert contents(v5) == before


def test_users_who_went_come_and_write_meanwhile(v5, as_user):
    before = contents(v5)
    gone, changed = sorted(before["vibe_users"])[:2]
    revert(v5, "v5_tables")
    rows(
        as_user(v5, "old_app"),
        f"DELETE FROM vibelife.vibe_users WHERE vibe_id = '{gone}';"
        f"UPDATE vibelife.vibe_users SET status = 'suspended' WHERE vibe_id = '{changed}';"
        f"DELETE FROM vibelife.conversations WHERE user_id = '{changed}';"
        "INSERT INTO vibelife.vibe_users (email) VALUES ('new@x.invalid')",
    )
    assert everything_of(v5, gone) == 0
    deploy(v5, "v5_flags")
    after = contents(v5)
    new = next(k for k, r in after["vibe_users"].items() if r["email"] == "new@x.invalid")
    assert after["vibe_users"].pop(new)["journey_stage"] == "first_sight"
    del before["vibe_users"][gone]
    before["vibe_users"][changed] |= {"status": "suspended", "last_active_at": None}
    for table in ("vibe_users", "subscription_plans"):
        assert after[table] == before[table]
    assert after["messages"].items() <= before["messages"].items()
    assert len(after["messages"]) < len(before["messages"])
    agree(v5)


def everything_of(dsn: str, user: str) -> int:
    """How many rows of the new tables belong to a user."""
    each = (f"(SELECT count(*) FROM vibelife.{t} WHERE user_id = '{user}')" for t in NEW_TABLES)
    return int(value(dsn, f"SELECT {' + '.join(each)}"))


def agree(dsn: str) -> None:
    """Drain all queues; then nothing may differ."""
    for name in MAPPINGS:
        pgtandem("drain", name, dsn=dsn)
        pgtandem("verify", name, dsn=dsn)


def test_rows_written_while_they_are_archived_are_archived_as_they_are_in_the_end(v5):
    """A reader of messages keeps the last step away; meanwhile the new application goes on."""
    revert(v5, "v5_columns")
    other, reset, gone = sorted(contents(v5)["vibe_users"])[:3]
    moved = str(value(v5, f"SELECT u.vibe_id::text FROM vibelife.vibe_users AS u {WITH_NOTHING}"))
    rows(v5, f"UPDATE vibelife.vibe_users SET journey_stage = 'x' WHERE vibe_id = '{moved}'")
    one = "UPDATE vibelife.vibe_users SET {} WHERE vibe_id = '{}'"
    back = ", ".join(f"{name} = DEFAULT" for name in ADDED["vibe_users"].split())
    with ThreadPoolExecutor(1) as pool, Session(v5) as reader:
        reader.run("BEGIN")
        reader.run("SELECT 1 FROM vibelife.messages LIMIT 1")
        going = pool.submit(revert, v5, "v5_tables")
        until(lambda: value(v5, "SELECT to_regclass('vibelife_archive.vibe_users') IS NOT NULL"))
        until(lambda: value(v5, "SELECT count(*) > 0 FROM vibelife_archive.subscription_plans"))
        rows(v5, one.format("journey_stage = 'symbiosis'", other))
        rows(v5, one.format(f"vibe_id = '{NEW_KEY}'", moved))
        rows(v5, one.format(back, reset))
        rows(v5, f"DELETE FROM vibelife.vibe_users WHERE vibe_id = '{gone}'")
        rows(v5, "INSERT INTO vibelife.vibe_users (email, journey_stage) VALUES ('x', 'trust')")
        rows(v5, "INSERT INTO vibelife.vibe_users (email) VALUES ('y')")
        before = contents(v5)
        assert not going.done()
        reader.run("COMMIT")
        going.result(TIMEOUT)
    keys = {key for (key,) in rows(v5, "SELECT vibe_id::text FROM vibelife_archive.vibe_users")}
    assert {other, NEW_KEY} <= keys
    assert {moved, reset}.isdisjoint(keys)
    deploy(v5, "v5_columns")
    assert contents(v5) == before


def test_a_revert_that_is_killed_changes_nothing_and_can_be_run_again(v5):
    before, start = contents(v5), facts(v5)
    revert(v5, "v5_columns")
    without_mappings = facts(v5)
    with ThreadPoolExecutor(1) as pool, Session(v5) as reader:
        reader.run("BEGIN")
        reader.run("SELECT 1 FROM vibelife.messages LIMIT 1")
        going = pool.submit(revert, v5, "v5_tables", check=False)
        until(lambda: value(v5, "SELECT to_regclass('vibelife_archive.vibe_users') IS NOT NULL"))
        until(lambda: value(v5, "SELECT count(*) > 0 FROM vibelife_archive.subscription_plans"))
        until(
            lambda: value(
                v5,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid IN"
                " (SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
                " AND relation = 'vibelife.messages'::regclass)",
            )
        )
        going.result(TIMEOUT)
    assert contents(v5) == before
    out = sqitch("verify", dsn=v5, project=PROJECT, check=False)
    assert "a revert of v5_columns was begun and not finished" in out
    rows(v5, "UPDATE vibelife.vibe_users SET journey_stage = 'late'")
    before = contents(v5)
    revert(v5, "v5_tables")
    deploy(v5, "v5_columns")
    assert contents(v5) == before
    assert facts(v5) == without_mappings
    deploy(v5, "v5_flags")
    assert facts(v5) == start


def test_a_revert_that_was_begun_can_be_given_up(v5):
    start = facts(v5)
    script = (PROJECT / "revert" / "v5_columns.sql").read_text()
    with psycopg.connect(v5, autocommit=True) as connection:
        first = script[script.index("SET client_min_messages") :].partition("\nCOMMIT;")[0]
        connection.execute((first + "\nCOMMIT;").encode())
    rows(v5, "UPDATE vibelife.vibe_users SET journey_stage = 'late'")
    assert value(v5, "SELECT count(*) FROM vibelife_archive.noted") >= 200
    rows(v5, "DROP SCHEMA vibelife_archive CASCADE")
    assert facts(v5) == start
    sqitch("verify", dsn=v5, project=PROJECT)


def test_a_restore_waits_for_nobody_and_lets_the_newer_value_stand(v5, as_user):
    before = contents(v5)
    user = a_user(v5, "journey_stage = 'trust' AND journey_started_at IS NOT NULL")
    revert(v5, "v5_tables")
    deploying = PROJECT / "deploy" / "v5_columns.sql"
    with ThreadPoolExecutor(1) as pool, Session(v5) as new:
        # The columns must be there before somebody can hold a row of theirs against the restore.
        add_columns(v5, deploying)
        new.run("BEGIN")
        new.run(
            f"UPDATE vibelife.vibe_users SET journey_stage = 'symbiosis' WHERE vibe_id = '{user}'"
        )
        new.run("SAVEPOINT a")
        going = pool.submit(restore_only, v5, deploying)
        until(lambda: value(v5, "SELECT count(*) FROM vibelife_archive.vibe_users") == 1)
        assert not going.done()
        new.run("COMMIT")
        going.result(TIMEOUT)
    before["vibe_users"][user]["journey_stage"] = "symbiosis"
    assert contents(v5) == before
    deploy(v5, "v5_flags")
    assert contents(v5) == before


def add_columns(dsn: str, script: Path) -> None:
    """The first transaction of the deploy script."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        first = script.read_text().partition("\nCOMMIT;")[0]
        connection.execute((first + "\nCOMMIT;").encode())


def restore_only(dsn: str, script: Path, change: Callable[[str], str] = lambda text: text) -> None:
    """What the deploy script does after that."""
    blocks = script.read_text().partition("\nCOMMIT;")[2].split("\nDO $$")
    with psycopg.connect(dsn, autocommit=True) as connection:
        for block in blocks[1:]:
            connection.execute(change("DO $$" + block.partition("\n$$;")[0] + "\n$$;").encode())


def test_a_row_locked_for_good_ends_the_restore_and_the_next_deploy_goes_on(v5):
    before = contents(v5)
    user = a_user(v5, "journey_stage = 'trust'")
    revert(v5, "v5_tables")
    deploying = PROJECT / "deploy" / "v5_columns.sql"
    with Session(v5) as holder:
        add_columns(v5, deploying)
        holder.run("BEGIN")
        holder.run(f"SELECT 1 FROM vibelife.vibe_users WHERE vibe_id = '{user}' FOR UPDATE")
        with pytest.raises(psycopg.Error) as raised:
            restore_only(v5, deploying, lambda text: text.replace("v_rounds > 60", "v_rounds > 1"))
        assert raised.value.sqlstate == "TD905"
        assert "1 archived rows of vibelife.vibe_users" in str(raised.value)
        # Reverted by hand now, it would lose what is not back yet.
        with pytest.raises(AssertionError, match="values of an earlier revert are not put back"):
            psql(PROJECT / "revert" / "v5_columns.sql", v5)
    deploy(v5, "v5_flags")
    assert contents(v5) == before


# --- what is computed -----------------------------------------------------------------------------


TIER = "SELECT current_tier FROM vibelife.user_entitlements WHERE user_id = '{}'"
KINDS = (
    "SELECT coalesce(string_agg(dimension_type, ',' ORDER BY dimension_type), '')"
    " FROM vibelife.dimension_profiles WHERE user_id = '{}'"
)
PAYS = "INSERT INTO vibelife.payments (user_id, amount, status) VALUES ('{}', 28, 'completed')"
REFUNDS = "UPDATE vibelife.payments SET status = 'refunded' WHERE user_id = '{}'"


def only_paid(dsn: str) -> str:
    """A user who has paid once, and has no subscription."""
    return a_user(
        dsn, "EXISTS (SELECT FROM vibelife.payments WHERE user_id = vibe_id HAVING count(*) = 1"
             " AND min(status) = 'completed') AND NOT EXISTS (SELECT FROM vibelife.subscriptions"
             " WHERE user_id = vibe_id)"
    )  # fmt: skip


def drain(dsn: str, *names: str) -> None:
    for name in names or MAPPINGS:
        pgtandem("drain", name, dsn=dsn)


@pytest.mark.both
def test_a_new_user_of_the_old_application_has_everything_after_a_drain(v5, as_user):
    rows(
        as_user(v5, "old_app"),
        f"INSERT INTO vibelife.vibe_users (vibe_id) VALUES ('{NEW_KEY}');"
        f"INSERT INTO vibelife.user_profiles (user_id, profile_data)"
        f" VALUES ('{NEW_KEY}', '{{\"bazi\": 1, \"zodiac\": 2}}');"
        f"INSERT INTO vibelife.conversations (id, user_id) VALUES ('{NEW_KEY}', '{NEW_KEY}');"
        f"INSERT INTO vibelife.messages (conversation_id, role, content, created_at) VALUES"
        f" ('{NEW_KEY}', 'user', '', '2026-01-01'), ('{NEW_KEY}', 'assistant', '', '2026-01-02');"
        + PAYS.format(NEW_KEY),
    )
    drain(v5)
    assert rows(
        v5, "SELECT journey_stage, journey_started_at = created_at, last_active_at::text"
            f" FROM vibelife.vibe_users WHERE vibe_id = '{NEW_KEY}'"
    ) == [("understanding", True, "2026-01-01 00:00:00")]  # fmt: skip
    assert value(v5, TIER.format(NEW_KEY)) == "L1"
    assert value(v5, KINDS.format(NEW_KEY)) == "bazi,zodiac"
    rows(as_user(v5, "old_app"), "UPDATE vibelife.user_profiles SET profile_data ="
                                 f" profile_data - 'bazi' WHERE user_id = '{NEW_KEY}'")  # fmt: skip
    drain(v5, "dimensions")
    assert value(v5, KINDS.format(NEW_KEY)) == "zodiac"
    agree(v5)


def test_what_the_new_application_owns_is_left_alone(v5, as_user):
    """By drain, repair, rollback and the second backfill."""
    user = only_paid(v5)
    new = as_user(v5, "new_app")
    rows(
        new,
        f"UPDATE vibelife.vibe_users SET journey_stage = 'symbiosis' WHERE vibe_id = '{user}';"
        "UPDATE vibelife.user_entitlements SET daily_conversations_used = 7, has_rituals = true"
        f" WHERE user_id = '{user}';"
        "INSERT INTO vibelife.dimension_profiles (user_id, dimension_type, raw_data)"
        f" VALUES ('{user}', 'mbti', '{{}}');"
        f"UPDATE vibelife.dimension_profiles SET interpretation = '\"strong\"'",
    )
    theirs = (
        f"SELECT (SELECT journey_stage FROM vibelife.vibe_users WHERE vibe_id = '{user}'),"
        " (SELECT (daily_conversations_used, has_rituals)::text FROM vibelife.user_entitlements"
        f" WHERE user_id = '{user}'), (SELECT count(*) FROM vibelife.dimension_profiles"
        " WHERE interpretation = '\"strong\"')"
    )
    before = rows(v5, theirs)
    assert before[0][:2] == ("symbiosis", "(7,t)")
    rows(as_user(v5, "old_app"), REFUNDS.format(user))
    drain(v5)
    assert value(v5, TIER.format(user)) == "L0"
    for name in MAPPINGS:
        pgtandem("repair", name, "--yes", dsn=v5)
    assert rows(v5, theirs) == before
    revert(v5, "v5_tables")
    deploy(v5, "v5_flags")
    assert rows(v5, theirs) == before
    agree(v5)


def test_a_refund_while_the_entitlements_are_copied(dsn, as_user):
    """A chunk has read the payment; the refund commits; only then the chunk writes."""
    deploy(dsn, "entitlements_sync")
    user = only_paid(dsn)
    with Session(as_user(dsn, "old_app")) as old, Session(dsn) as holder, Session(dsn) as chunk:
        text = chunk.value("SELECT pg_get_functiondef('pgtandem._copy_next'::regproc)")
        assert "'100ms'" in text
        chunk.run(text.replace("'100ms'", "'30s'"))
        holder.run("BEGIN")
        holder.run(f"INSERT INTO vibelife.user_entitlements (user_id) VALUES ('{user}')")
        chunk.send("CALL pgtandem.backfill('entitlements')").waits_for_lock(holder)
        old.run(REFUNDS.format(user))
        holder.run("ROLLBACK")
        chunk.result()
    assert value(dsn, TIER.format(user)) == "L0"
    deploy(dsn, "v5_flags")
    agree(dsn)


def test_two_who_pay_for_the_same_two_users_in_opposite_order_wait_for_nobody(v5, as_user):
    one, other = (str(key) for (key,) in rows(
        v5, "SELECT vibe_id FROM vibelife.vibe_users ORDER BY 1 LIMIT 2"
    ))  # fmt: skip
    old = as_user(v5, "old_app")
    with Session(old) as first, Session(old) as second:
        for session in (first, second):
            session.run("BEGIN")
            session.run("SET LOCAL lock_timeout = 1")
        for session, user in ((first, one), (second, other), (first, other), (second, one)):
            session.run(PAYS.format(user))
        drain(v5, "entitlements", "journey")  # which sees neither, and holds up neither
        first.run("COMMIT")
        second.run("COMMIT")
    agree(v5)


def test_two_payments_of_one_user_at_one_instant(v5, as_user):
    """Both commit while the drain that read neither holds the user's row."""
    user = a_user(v5, f"vibe_id IN (SELECT vibe_id FROM vibelife.vibe_users AS u {WITH_NOTHING})")
    old = as_user(v5, "old_app")
    rows(old, PAYS.format(user))
    with Session(v5) as drainer, Session(old) as first, Session(old) as second:
        drainer.run("BEGIN")
        drainer.run("SELECT pgtandem._drain_batch('entitlements')")
        for session in (first, second):
            session.run("BEGIN")
            session.run(REFUNDS.format(user) if session is first else "SELECT 1")
        first.run("COMMIT")
        second.run(PAYS.format(user))
        second.run("COMMIT")
        drainer.run("COMMIT")
    assert value(v5, TIER.format(user)) == "L1"
    rows(old, REFUNDS.format(user))
    drain(v5)
    assert value(v5, TIER.format(user)) == "L0"
    agree(v5)


def test_the_data_rollback_while_the_old_application_writes(v5, as_user):
    """No write fails; what was removed meanwhile is asked about, and the rest is right."""
    user = a_user(
        v5, "vibe_id IN (SELECT user_id FROM vibelife.dimension_profiles"
            " WHERE dimension_type = 'bazi')"
    )  # fmt: skip
    old, stop = as_user(v5, "old_app"), Event()

    def write(number: int) -> int:
        dice, writes = Random(number), 0
        with psycopg.connect(old, autocommit=True) as connection:
            keys = [key for (key,) in connection.execute(
                "SELECT vibe_id FROM vibelife.vibe_users WHERE vibe_id <> %s", (user,)
            )]  # fmt: skip
            while not stop.is_set():
                connection.execute(dice.choice(WRITES.split(";")), {"user": dice.choice(keys)})
                writes += 1
        return writes

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        try:
            revert(v5, "v5_tables")
            rows(old, "UPDATE vibelife.user_profiles SET profile_data = profile_data - 'bazi'"
                      f" WHERE user_id = '{user}'")  # fmt: skip
            out = deploy(v5, "v5_flags", check=False)
            assert '1 rows of the target of mapping "dimensions" have no row in its source' in out
            pgtandem("repair", "dimensions", "--yes", dsn=v5)
            deploy(v5, "v5_flags")
        finally:
            stop.set()
        assert all(writer.result(TIMEOUT) > 20 for writer in writers)
    sqitch("verify", dsn=v5, project=PROJECT)
    agree(v5)


# Users go, too; but no key of a document, which is asked about.
WRITES = """
INSERT INTO vibelife.vibe_users DEFAULT VALUES;
DELETE FROM vibelife.vibe_users WHERE vibe_id = %(user)s;
WITH talk AS (
    INSERT INTO vibelife.conversations (user_id)
    SELECT vibe_id FROM vibelife.vibe_users WHERE vibe_id = %(user)s FOR KEY SHARE
    RETURNING id
)
INSERT INTO vibelife.messages (conversation_id, role, content) SELECT id, 'user', '' FROM talk;
DELETE FROM vibelife.conversations WHERE user_id = %(user)s;
INSERT INTO vibelife.payments (user_id, amount, status)
SELECT vibe_id, 28, 'completed' FROM vibelife.vibe_users WHERE vibe_id = %(user)s FOR KEY SHARE;
UPDATE vibelife.payments SET status = 'refunded' WHERE user_id = %(user)s;
UPDATE vibelife.subscriptions SET status = 'cancelled' WHERE user_id = %(user)s;
UPDATE vibelife.subscriptions SET status = 'active' WHERE user_id = %(user)s;
UPDATE vibelife.user_profiles SET profile_data = profile_data || '{"zodiac": 1}'
 WHERE user_id = %(user)s AND jsonb_typeof(profile_data) = 'object'
"""


# --- rows of nobody, and the end of the tables ----------------------------------------------------


def test_rows_of_deleted_users_are_named_before_the_keys_are_proven(dsn, as_user):
    deploy(dsn, "dimensions_backfill")
    rows(dsn, WRITTEN)
    for user in sorted(contents(dsn)["vibe_users"])[:3]:
        rows(as_user(dsn, "old_app"), f"DELETE FROM vibelife.vibe_users WHERE vibe_id = '{user}'")
    out = deploy(dsn, "v5_validate", check=False)
    assert "rows in the new tables belong to users who are gone" in out
    # What the mappings made is drained; the rest is the new application's own.
    assert "DETAIL:  daily_rituals: 3, user_memories: 3\n" in out
    assert 'PGOPTIONS="-c pgtandem.drop_data=v5_validate" sqitch deploy' in out
    assert value(dsn, "SELECT count(*) FROM vibelife.user_memories") == 200
    out = deploy(dsn, "v5_foreign_keys")  # which was deployed: only the proof is missing
    assert "Nothing to deploy" in out
    allowing("v5_validate", dsn, "deploy")
    assert value(dsn, "SELECT count(*) FROM vibelife.user_memories") == 197
    assert value(
        dsn, "SELECT detail FROM pgtandem.event WHERE kind = 'override' AND mapping = 'vibelife_v5'"
    ) == {"pgtandem.drop_data": "v5_validate", "user_memories": 3, "daily_rituals": 3}


KEYS = "SELECT count(*) FROM pg_constraint WHERE conname LIKE '%\\_user\\_fkey' AND contype = 'f'"


def test_the_tables_go_only_by_name(v5):
    out = revert(v5, check=False)
    assert "reverting v5_tables would destroy rows that exist nowhere else" in out
    assert "daily_rituals: 200, user_memories: 200" in out
    assert value(v5, "SELECT count(*) FROM vibelife.user_memories") == 200
    assert value(v5, KEYS) == 8  # so the rows of deleted users go on going
    allowing("v5_tables", v5, "revert", "-y")
    assert rows(v5, "SELECT 1 FROM pg_class WHERE relname = 'user_memories'") == []
    assert value(v5, KEYS) == 0
    assert value(
        v5, "SELECT string_agg(detail ->> 'user_memories', ',') FROM pgtandem.event"
            " WHERE mapping = 'vibelife_v5'"
    ) == "200"  # fmt: skip


def test_a_row_written_after_the_look_keeps_the_tables(dsn):
    """A reader keeps the locks away; what comes meanwhile is seen under them."""
    deploy(dsn, "v5_flags")
    end = facts(dsn)
    revert(dsn, "v5_tables")
    with ThreadPoolExecutor(1) as pool, Session(dsn) as reader:
        reader.run("BEGIN")
        reader.run("SELECT 1 FROM vibelife.user_memories LIMIT 1")
        going = pool.submit(revert, dsn, check=False)
        until(lambda: value(
            dsn, "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock'"
                 " AND NOT granted AND relation = 'vibelife.user_memories'::regclass"
        ))  # fmt: skip
        rows(dsn, "INSERT INTO vibelife.daily_rituals (user_id, ritual_date)"
                  f" VALUES ('{a_user(dsn)}', '2026-11-25')")  # fmt: skip
        reader.run("COMMIT")
        out = going.result(TIMEOUT)
    assert "DETAIL:  daily_rituals: 1\n" in out
    assert value(dsn, "SELECT count(*) FROM vibelife.daily_rituals") == 1
    deploy(dsn, "v5_flags")
    assert facts(dsn) == end


def test_rows_that_a_backfill_would_make_again_do_not_hold_the_tables_back(dsn):
    deploy(dsn, "v5_flags")
    user = a_user(dsn)
    used = "UPDATE vibelife.user_entitlements SET daily_conversations_used = {} WHERE user_id = %s"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(used.format(1).encode(), (user,))
        connection.execute(
            "UPDATE vibelife.dimension_profiles SET interpretation = '{}'"
            " WHERE id IN (SELECT id FROM vibelife.dimension_profiles LIMIT 2)"
        )
        out = revert(dsn, check=False)
        assert "DETAIL:  dimension_profiles: 2, user_entitlements: 1\n" in out
        connection.execute(used.format(0).encode(), (user,))
        connection.execute("UPDATE vibelife.dimension_profiles SET interpretation = NULL")
    revert(dsn)
    assert NEW_TABLES.isdisjoint(name.removeprefix("vibelife.") for name, *_ in facts(dsn))


def test_a_column_that_somebody_made_with_another_type_is_found(dsn):
    rows(dsn, "ALTER TABLE vibelife.vibe_users ADD COLUMN journey_stage text")
    out = deploy(dsn, "v5_columns", check=False)
    assert "columns are missing, or not as the plan has them" in out
    assert "vibe_users.journey_stage" in out


# --- the flags ------------------------------------------------------------------------------------


def test_flags_go_with_a_rollback_and_whoever_still_asks_gets_no(v5, as_user):
    user = a_user(v5)
    asks = f"SELECT pgtandem.enabled('v5_memory', '{user}'::uuid)"
    rows(v5, "SELECT pgtandem.set_flag('v5_memory', 'on', 'a test')")
    rows(v5, "SELECT pgtandem.set_flag('v5_prism', 5), pgtandem.add_cohort('v5_prism', "
             "'vibelife.has_paid')")  # fmt: skip
    assert value(as_user(v5, "new_app"), asks)
    revert(v5, "v5_tables")
    assert not value(as_user(v5, "new_app"), asks)
    assert value(v5, "SELECT count(*) FROM pgtandem.flag") == 0
    assert value(v5, "SELECT old FROM pgtandem.flag_change WHERE flag = 'v5_memory'"
                     " ORDER BY id DESC LIMIT 1") == "on"  # fmt: skip
    rows(v5, "SELECT pgtandem.set_flag('v5_journey', 20)")  # made by somebody in the meantime
    deploy(v5, "v5_flags")
    assert rows(v5, "SELECT name, state, percentage FROM pgtandem.flag ORDER BY 1") == [
        ("v5_journey", "percentage", 20),
        *((name, "off", 0) for name in ("v5_memory", "v5_prism", "v5_rituals", "v5_subscription")),
    ]


# --- the generator --------------------------------------------------------------------------------


ODD = (
    f"vibe_users AS u {WITH_NOTHING}",
    "subscriptions WHERE status = 'active' GROUP BY user_id HAVING count(DISTINCT plan_type) = 2",
    "subscriptions WHERE status = 'active' AND expires_at < '2025-01-01'",
    "payments WHERE status = 'completed' GROUP BY user_id, completed_at HAVING count(*) = 2",
    "messages GROUP BY conversation_id HAVING bool_and(role = 'assistant')",
    "messages WHERE created_at::time = '23:59:59.999999'",
    "payments WHERE status = 'pending'",
    "payments WHERE status = 'completed'",
    "payments WHERE status = 'failed'",
    "payments WHERE status = 'refunded'",
    "user_profiles WHERE profile_data IS NULL",
    "user_profiles WHERE profile_data = 'null'",
    "user_profiles WHERE profile_data -> 'bazi' = 'null'",
    "user_profiles WHERE profile_data -> 'bazi' = '{}'",
    "user_profiles WHERE profile_data ? 'bazi' AND NOT profile_data ? 'zodiac'",
)


@pytest.mark.both
def test_the_generator_makes_what_it_says(old_dsn, make_database, engine_template):
    assert rows(
        old_dsn,
        "SELECT days, count(*) FROM (SELECT count(DISTINCT m.created_at::date) AS days"
        " FROM vibelife.conversations AS c JOIN vibelife.messages AS m ON conversation_id = c.id"
        " WHERE c.title = (SELECT count(DISTINCT x.created_at::date) || ' days'"
        " FROM vibelife.messages AS x WHERE x.conversation_id = c.id) GROUP BY c.user_id) AS u"
        " GROUP BY 1 ORDER BY 1",
    ) == [(days, 8) for days in (1, 2, 3, 4, 13, 14, 15, 59, 60, 61)]
    for found in ODD:
        assert rows(old_dsn, f"SELECT 1 FROM vibelife.{found}") != [], found
    other = make_database(engine_template)
    psql(PROJECT / "legacy.sql", other)
    psql(PROJECT / "generate.sql", other, users=200, messages=2500)
    for table in OLD_TABLES:
        query = f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM vibelife.{table} AS t"
        assert value(other, query) == value(old_dsn, query)
    assert value(other, "SELECT count(*) FROM vibelife.messages") == 2500
    with pytest.raises(AssertionError, match="vibe_users is not empty"):
        psql(PROJECT / "generate.sql", other)
    assert facts(other) == facts(old_dsn)

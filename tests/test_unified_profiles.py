"""examples/unified_profiles: the whole road, and both applications on one user at a time."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest

from conftest import fresh_database
from helpers import OWNER, ROOT, Session, psql, sqitch

PROJECT = ROOT / "examples" / "unified_profiles"
NAME = "unified_profiles"
STAY = "id vibe_id status tier daily_quota billing_summary created_at updated_at"
USER = "00000000-0000-4000-8000-000000000001"
OF = f"WHERE id = '{USER}'"
OF_PROFILE = f"WHERE user_id = '{USER}'"


@pytest.fixture(scope="module")
def users_template(server, engine_template) -> Iterator[str]:
    """The engine and the old system with 300 users, of whom some fifty have no profile."""
    with fresh_database(server, "users_template", engine_template) as name:
        psql(PROJECT / "legacy.sql", server.dsn(name, OWNER))
        psql(PROJECT / "generate.sql", server.dsn(name, OWNER), users=300)
        yield name


@pytest.fixture
def users_dsn(make_database, users_template) -> str:
    return make_database(users_template)


@pytest.fixture(scope="module")
def synced_template(server, users_template) -> Iterator[str]:
    """The same up to retire_019, and one user more who has no profile."""
    with fresh_database(server, "synced_template", users_template) as name:
        dsn = server.dsn(name, OWNER)
        sqitch("deploy", "--to-change", "retire_019", dsn=dsn, project=PROJECT)
        with psycopg.connect(dsn, options=f"-c pgtandem_{NAME}.depth=0") as owner:
            owner.execute(
                "INSERT INTO vibelife.vibe_users (id, vibe_id, display_name, timezone)"
                " VALUES (%s, 'T1', 'old name', 'Asia/Tokyo')",
                (USER,),
            )
        yield name


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def both(make_database, synced_template, as_user, stack) -> tuple[Session, Session, Session]:
    """Sessions of the old and the new application, and of the owner."""
    dsn = make_database(synced_template)
    old, new = (Session(as_user(dsn, role)) for role in ("old_app", "new_app"))
    return (*(stack.enter_context(s) for s in (old, new, Session(dsn))),)


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        done = connection.execute(query.encode())
        return done.fetchall() if done.description else []


def differences(owner: Session) -> list[tuple[Any, ...]]:
    owner.run(f"CALL pgtandem.drain('{NAME}')")
    return owner.run(
        f"SELECT key, columns, source, target FROM pgtandem_{NAME}.compared()"
        f" WHERE key = '[\"{USER}\"]' AND (changed OR NOT in_source OR NOT in_target)"
    )


def both_hold(owner: Session) -> tuple[str, str]:
    """The name in the column and in the document."""
    return owner.run(
        "SELECT u.display_name, p.profile #>> '{account,display_name}' FROM vibelife.vibe_users"
        f" AS u JOIN vibelife.unified_profiles AS p ON p.user_id = u.id {OF}"
    )[0]


def others(owner: Session) -> tuple[Any, ...]:
    """What the document holds beside ours."""
    return owner.run(
        "SELECT profile #> '{skill_data,draw}', profile -> 'notes'"
        f" FROM vibelife.unified_profiles {OF_PROFILE}"
    )[0]


DOCUMENT = '{"notes": 1, "skill_data": {}, "account": {"display_name": "new name"}}'
MAKE = f"""
INSERT INTO vibelife.unified_profiles (user_id, profile) VALUES ('{USER}', '{DOCUMENT}')
"""
DRAW = (
    "UPDATE vibelife.unified_profiles SET profile ="
    f" jsonb_set(profile, '{{skill_data}}', '{{\"draw\": 1}}') {OF_PROFILE}"
)


def test_two_writers_of_one_document_both_win(both):
    """The skill holds the document; the old application waits for it, and merges into it."""
    old, new, owner = both
    new.run(MAKE)
    new.run("BEGIN")
    new.run(DRAW)
    old.send(f"UPDATE vibelife.vibe_users SET display_name = 'mine' {OF}").waits_for_lock(new)
    new.run("COMMIT")
    old.result()
    assert differences(owner) == []
    assert both_hold(owner) == ("mine", "mine")
    assert owner.value(
        f"SELECT profile -> 'skill_data' FROM vibelife.unified_profiles {OF_PROFILE}"
    )


def test_and_the_other_way_round(both):
    old, new, owner = both
    new.run(MAKE)
    old.run("BEGIN")
    old.run(f"UPDATE vibelife.vibe_users SET display_name = 'mine' {OF}")
    new.send(DRAW).waits_for_lock(old)
    old.run("COMMIT")
    new.result()
    assert differences(owner) == []
    assert both_hold(owner) == ("mine", "mine")
    assert others(owner) == (1, 1)


def test_a_profile_for_a_user_whom_the_copy_has_not_reached(both):
    """What the document says reaches the columns, what it leaves out comes from there."""
    _, new, owner = both
    new.run(MAKE)
    assert differences(owner) == []
    assert both_hold(owner) == ("new name", "new name")
    assert owner.value(f"SELECT timezone FROM vibelife.vibe_users {OF}") == "Asia/Tokyo"


def test_a_profile_is_made_while_the_old_application_writes(both):
    old, new, owner = both
    old.run("BEGIN")
    old.run(f"UPDATE vibelife.vibe_users SET timezone = 'Asia/Seoul' {OF}")
    new.send(MAKE).waits_for_lock(old)
    old.run("COMMIT")
    with pytest.raises(psycopg.errors.UniqueViolation):
        new.result()  # the sync was first: an ordinary conflict, as between any two applications
    assert differences(owner) == []
    assert both_hold(owner) == ("old name", "old name")


def test_the_old_application_writes_while_a_profile_is_made(both):
    old, new, owner = both
    new.run("BEGIN")
    new.run(MAKE)
    old.send(f"UPDATE vibelife.vibe_users SET timezone = 'Asia/Seoul' {OF}").waits_for_lock(new)
    new.run("COMMIT")
    old.result()
    assert differences(owner) == []
    assert both_hold(owner) == ("new name", "new name")
    assert owner.value(f"SELECT timezone FROM vibelife.vibe_users {OF}") == "Asia/Seoul"


def test_a_path_is_written_while_the_row_of_the_source_is_held(both):
    """What the document does not say is not asked for, when the row is read again either."""
    old, new, owner = both
    new.run(MAKE)
    new.run("SET plan_cache_mode = force_generic_plan")  # as after five writes
    old.run("BEGIN")
    old.run(f"UPDATE vibelife.vibe_users SET last_seen_at = now() {OF}")
    new.send(
        "UPDATE vibelife.unified_profiles SET profile ="
        f" jsonb_set(profile, '{{account,display_name}}', '\"late\"') {OF_PROFILE}"
    ).waits_for_lock(old)
    old.run("COMMIT")
    new.result()
    assert both_hold(owner) == ("late", "late")


def test_a_row_that_moves_behind_the_chunks_is_brought_over_whole(both):
    """An update of no mapped column, while the copy is open, of a user who has a document."""
    old, _, owner = both
    block, key = owner.run(
        "SELECT (u.ctid::text::point)[0], u.id FROM vibelife.vibe_users AS u"
        " JOIN vibelife.unified_profiles ON user_id = u.id"
        ' WHERE profile @> \'{"account": {"badges": ["early"]}}\' ORDER BY u.ctid LIMIT 1'
    )[0]
    look = f"UPDATE vibelife.vibe_users SET last_seen_at = now() WHERE id = '{key}'"
    assert old.value(f"{look} RETURNING (ctid::text::point)[0]") > block
    compared = f"SELECT columns FROM pgtandem_{NAME}.compared('{key}')"
    assert owner.run(f"{compared} WHERE key = '[\"{key}\"]' AND changed") == []
    badges = "SELECT profile #> '{account,badges}' FROM vibelife.unified_profiles"
    assert owner.value(f"{badges} WHERE user_id = '{key}'") == ["early"]


def test_migration_019_beside_the_sync(both):
    """What it writes in its trigger is carried over, and nothing fails or is written twice over."""
    old, _, owner = both
    psql(PROJECT / "revert" / "retire_019.sql", owner.connection.info.dsn)
    old.run("INSERT INTO vibelife.vibe_users (vibe_id, display_name, timezone)"
            " VALUES ('T2', 'two', 'Asia/Seoul'), ('T3', 'three', NULL)")  # fmt: skip
    old.run("UPDATE vibelife.vibe_users SET display_name = display_name || '!', tier = 'pro'")
    assert differences(owner) == []
    assert owner.run(
        "SELECT vibe_id, display_name, profile #>> '{account,display_name}', timezone,"
        " profile #>> '{preferences,timezone}' FROM vibelife.vibe_users"
        " JOIN vibelife.unified_profiles ON user_id = id WHERE vibe_id IN ('T2', 'T3') ORDER BY 1"
    ) == [
        ("T2", "two!", "two!", "Asia/Seoul", "Asia/Seoul"),
        ("T3", "three!", "three!", None, None),
    ]


@pytest.mark.parametrize("write", ["column", "path", "skill"])
@pytest.mark.parametrize("first", ["delete", "write"])
def test_an_account_is_deleted_while_somebody_writes_it(both, write, first):
    """The foreign key's cascade and the sync take the profile together, once."""
    old, new, owner = both
    new.run(MAKE)
    statement = {
        "column": f"UPDATE vibelife.vibe_users SET display_name = 'late' {OF}",
        "path": "UPDATE vibelife.unified_profiles SET profile ="
        f" jsonb_set(profile, '{{account,display_name}}', '\"late\"') {OF_PROFILE}",
        "skill": DRAW,
    }[write]
    with Session(old.connection.info.dsn) as third:
        writer = third if write == "column" else new
        one, other = (old, writer) if first == "delete" else (writer, old)
        delete = f"DELETE FROM vibelife.vibe_users {OF}"
        this, that = (delete, statement) if first == "delete" else (statement, delete)
        one.run("BEGIN")
        one.run(this)
        other.send(that).waits_for_lock(one)
        one.run("COMMIT")
        other.result()
    assert owner.run(f"SELECT FROM vibelife.vibe_users {OF}") == []
    assert owner.run(f"SELECT FROM vibelife.unified_profiles {OF_PROFILE}") == []
    assert differences(owner) == []


def test_a_cascade_leaves_the_queue_alone(both):
    """The foreign key is quicker than the sync, and lets no profile stay behind."""
    old, new, owner = both
    new.run(MAKE)
    owner.run(f"CALL pgtandem.backfill('{NAME}')")
    old.run(f"DELETE FROM vibelife.vibe_users {OF}")
    assert owner.run("SELECT key, reason FROM pgtandem.recheck") == []
    assert owner.run(f"SELECT FROM vibelife.unified_profiles {OF_PROFILE}") == []


LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
# What any application in these levels has to try again, also without pgtandem.
CONFLICTS = {"40001", "40P01", "55P03", "23505", "23503"}
STATEMENTS = {
    "old_app": (
        (
            "UPDATE vibelife.vibe_users SET display_name = {text}, interests = ARRAY[{text}, NULL],"
            " deletion_requested_at = CASE WHEN {chance} THEN now() END WHERE vibe_id = {user}"
        ),
        "UPDATE vibelife.vibe_users SET last_seen_at = now() WHERE vibe_id = {user}",
        "DELETE FROM vibelife.vibe_users WHERE vibe_id = {mortal}",
        "INSERT INTO vibelife.vibe_users (vibe_id, display_name) VALUES ({mortal}, {text})",
        (
            "UPDATE vibelife.vibe_users SET session_minutes = coalesce(session_minutes, 0) + 1"
            " WHERE vibe_id = {immortal}"
        ),
    ),
    "new_app": (
        (
            "UPDATE vibelife.unified_profiles SET profile = jsonb_set(profile ||"
            " jsonb_build_object('account', coalesce(nullif(profile -> 'account', 'null'), '{{}}'))"
            ", '{{account,display_name}}', to_jsonb({text}))"
            " WHERE user_id = (SELECT id FROM vibelife.vibe_users WHERE vibe_id = {user})"
        ),
        (
            "UPDATE vibelife.unified_profiles SET profile = profile #- '{{account,display_name}}'"
            " WHERE user_id = (SELECT id FROM vibelife.vibe_users WHERE vibe_id = {user})"
        ),
        "DELETE FROM vibelife.vibe_users WHERE vibe_id = {mortal}",
        "INSERT INTO vibelife.vibe_users (vibe_id) VALUES ({mortal})",
        (
            "INSERT INTO vibelife.unified_profiles AS p (user_id, profile)"
            " SELECT id, jsonb_build_object('account', jsonb_build_object('phone', {text}))"
            " FROM vibelife.vibe_users WHERE vibe_id = {user} ON CONFLICT (user_id) DO UPDATE"
            " SET profile = p.profile || jsonb_build_object('account',"
            " coalesce(nullif(p.profile -> 'account', 'null'), '{{}}')"
            " || jsonb_build_object('avatar_url', ''))"
        ),
        (
            "UPDATE vibelife.unified_profiles SET profile = jsonb_set(profile, '{{skill_data}}',"
            " to_jsonb(coalesce((profile ->> 'skill_data')::integer, 0) + 1))"
            " WHERE user_id = (SELECT id FROM vibelife.vibe_users WHERE vibe_id = {immortal})"
        ),
    ),
}


def write_at_random(dsn: str, role: str, level: str, number: int, stop: threading.Event) -> Counter:
    """One session; how often each immortal user's own number was raised."""
    choose = random.Random(number)
    raised: Counter[str] = Counter()
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(f"SET default_transaction_isolation = '{level}'".encode())
        while not stop.is_set():
            immortal = f"I{choose.randrange(8)}"
            mortal = f"M{choose.randrange(12)}"
            statement = choose.choice(STATEMENTS[role])
            values = {
                "user": choose.choice([immortal, mortal]), "immortal": immortal, "mortal": mortal,
                "text": f"{number} {choose.getrandbits(30):x}",
            }  # fmt: skip
            quoted = {name: f"'{value}'::text" for name, value in values.items()}
            try:
                done = session.execute(
                    statement.format(**quoted, chance=choose.random() < 0.3).encode()
                )
            except psycopg.Error as error:
                if error.sqlstate not in CONFLICTS:
                    raise
                continue
            raised[immortal] += done.rowcount if "+ 1" in statement else 0
    return raised


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_everybody_writes_at_every_level_while_the_copy_runs(
    make_database, users_template, as_user, number
):
    """Both sides agree in the end, and two who count in one document both count right."""
    dsn = make_database(users_template)
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO vibelife.vibe_users (vibe_id)"
            " SELECT 'I' || n FROM generate_series(0, 7) AS n"
            " UNION ALL SELECT 'M' || n FROM generate_series(0, 11) AS n"
        )
        owner.execute("DELETE FROM vibelife.unified_profiles WHERE random() < 0.5")
        sqitch("deploy", "--to-change", "retire_019", dsn=dsn, project=PROJECT)
        stop = threading.Event()
        with ThreadPoolExecutor(8) as pool:
            writers = {
                role: [
                    pool.submit(write_at_random, as_user(dsn, role), role, level, seed, stop)
                    for seed, level in enumerate(LEVELS, 10 * number + len(role))
                ]
                for role in STATEMENTS
            }
            deadline = time.monotonic() + 6
            while time.monotonic() < deadline and not any(
                one.done() for side in writers.values() for one in side
            ):
                owner.execute(f"CALL pgtandem.backfill('{NAME}', '1s')".encode())
                owner.execute(f"CALL pgtandem.drain('{NAME}')".encode())
            stop.set()
            counted = {
                role: sum((one.result() for one in side), Counter())
                for role, side in writers.items()
            }
        owner.execute(f"CALL pgtandem.backfill('{NAME}')".encode())
        owner.execute(f"CALL pgtandem.drain('{NAME}')".encode())
        assert (
            owner.execute(
                f"SELECT key, columns, source, target FROM pgtandem_{NAME}.compared()"
                " WHERE changed OR NOT in_source OR NOT in_target".encode()
            ).fetchall()
            == []
        )
        assert owner.execute("SELECT FROM pgtandem.recheck").fetchall() == []
        found = owner.execute(
            "SELECT vibe_id, coalesce(session_minutes, 0),"
            " coalesce((profile #>> '{preferences,session_minutes}')::integer, 0),"
            " coalesce((profile ->> 'skill_data')::integer, 0) FROM vibelife.vibe_users"
            " JOIN vibelife.unified_profiles ON user_id = id WHERE vibe_id LIKE 'I_'"
        ).fetchall()
    assert {user: minutes for user, minutes, _, _ in found} == {
        user: counted["old_app"][user] for user, *_ in found
    }
    assert [minutes for _, minutes, _, _ in found] == [there for _, _, there, _ in found]
    assert {user: skill for user, *_, skill in found} == {
        user: counted["new_app"][user] for user, *_ in found
    }
    assert sum(counted["old_app"].values()) > 20
    assert sum(counted["new_app"].values()) > 20


FACTS = """
SELECT jsonb_build_object(
    'columns', (
        SELECT jsonb_object_agg(a.attname, jsonb_build_array(
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
            pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum),
            a.attacl::text, to_jsonb(a) -> 'attstattarget', a.attstorage))
        FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = 'vibelife.vibe_users'::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ),
    'constraints', (
        SELECT jsonb_object_agg(conname, jsonb_build_array(pg_get_constraintdef(oid),
            convalidated, obj_description(oid)))
        FROM pg_constraint
        WHERE conrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.unified_profiles'::regclass)
    ),
    'indexes', (
        SELECT jsonb_object_agg(indexrelid::regclass, jsonb_build_array(
            pg_get_indexdef(indexrelid), indisvalid, obj_description(indexrelid)))
        FROM pg_index
        WHERE indrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.unified_profiles'::regclass)
    ),
    'triggers', (
        SELECT jsonb_object_agg(tgname, pg_get_triggerdef(oid)) FROM pg_trigger
        WHERE tgrelid IN ('vibelife.vibe_users'::regclass, 'vibelife.unified_profiles'::regclass)
          AND NOT tgisinternal
    ),
    'schemas', (SELECT jsonb_agg(nspname ORDER BY nspname) FROM pg_namespace
                WHERE nspname LIKE 'vibelife%' OR nspname LIKE 'pgtandem_%'),
    'view', pg_get_viewdef('vibelife.user_directory')
)
"""
USERS = "SELECT id, to_jsonb(u) - 'updated_at' FROM vibelife.vibe_users AS u"
OTHERS = """
SELECT user_id, profile - 'deletion' #- '{account,display_name}' #- '{account,avatar_url}'
FROM vibelife.unified_profiles
"""


@pytest.mark.both
def test_the_whole_road_and_back(users_dsn, as_user):
    """Twice compared with never having migrated: after contract's revert, and at the start."""

    def state():
        facts = rows(users_dsn, FACTS)[0][0]
        return facts, dict(rows(users_dsn, USERS))

    start, users = state()
    sqitch("deploy", "--to-change", "user_directory", dsn=users_dsn, project=PROJECT)
    before, synced = state()
    assert synced == users  # the old side was never written
    rows(users_dsn, f"CALL pgtandem.compare('{NAME}')")
    file_of = rows(users_dsn, "SELECT relfilenode FROM pg_class WHERE relname = 'vibe_users'")
    sqitch("deploy", dsn=users_dsn, project=PROJECT)
    assert (
        rows(
            users_dsn,
            "SELECT relfilenode FROM pg_class WHERE relname = 'vibe_users'"
            " AND relnamespace = 'vibelife'::regnamespace",
        )
        == file_of
    )  # no rewrite
    left = rows(users_dsn, FACTS)[0][0]["columns"]
    assert sorted(left) == sorted(STAY.split())

    # The new application deletes, renames and registers.
    gone, named, *_ = (key for (key,) in rows(users_dsn, "SELECT id FROM vibelife.vibe_users"))
    with psycopg.connect(as_user(users_dsn, "new_app"), autocommit=True) as new:
        new.execute("DELETE FROM vibelife.vibe_users WHERE id = %s", (gone,))
        new.execute(
            "UPDATE vibelife.unified_profiles SET profile ="
            " jsonb_set(profile, '{account,display_name}', '\"since\"') WHERE user_id = %s",
            (named,),
        )
        new.execute(f"INSERT INTO vibelife.vibe_users (id, vibe_id) VALUES ('{USER}', 'T1')")
        new.execute(
            "INSERT INTO vibelife.unified_profiles (user_id, profile) VALUES (%s, %s)",
            (USER, '{"account": {"display_name": "new"}, "preferences": {"language": "en"}}'),
        )

    sqitch("revert", "-y", "--to-change", "user_directory", dsn=users_dsn, project=PROJECT)
    facts, back = state()
    assert facts == before
    assert gone not in back
    assert back.pop(UUID(USER))["display_name"] == "new"
    expected = {key: row for key, row in users.items() if key != gone}
    expected[named] = expected[named] | {"display_name": "since"}
    assert back == expected
    rows(users_dsn, f"CALL pgtandem.compare('{NAME}')")
    assert rows(
        users_dsn,
        "SELECT missing, extra, changed FROM pgtandem.comparison ORDER BY id DESC LIMIT 1",
    ) == [(0, 0, 0)]

    sqitch("revert", "-y", dsn=users_dsn, project=PROJECT)
    facts, back = state()
    assert facts == start
    back.pop(UUID(USER))
    assert back == expected

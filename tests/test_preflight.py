"""pgtandem preflight: each check in the state that passes and in the one that does not."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from command_line import Gear, as_json, blocked, pgtandem, wait_for
from helpers import OWNER, ROOT, Session, psql, sqitch
from mappings import build, nasty
from pgtandem import db, sessions
from pgtandem.commands import preflight as module
from pgtandem.server import Server
from test_standby import Pair, pair

assert pair  # a fixture

NOW = ("--backup-at", datetime.now(UTC).isoformat())
DISK = ("--free-disk", "100GB")


@pytest.fixture
def gear(filled_dsn: str) -> Gear:
    return Gear(filled_dsn)


def checks(
    dsn: str, longest: str = "5 min", *, name: str = "gear", fails: bool = False, rows: Any = 10000
) -> dict[str, Any]:
    """Each check by its name, with a backup and a large disk, from SQL: the command shows these."""
    with sessions.connect(db.Target(dsn, "test")) as session:
        listed = session.execute(
            "SELECT * FROM pgtandem.preflight(%s, now(), pg_size_bytes('100GB'), %s, %s)",
            (name, rows, longest),
        ).fetchall()
    found = {each["name"]: each for each in listed}
    assert len(found) == len(listed)
    assert all((each["todo"] is None) == (each["state"] == "pass") for each in found.values())
    assert ("fail" in states(found, "pass").values()) == fails, [
        each for each in listed if each["state"] != "pass"
    ]
    return found


def states(found: dict[str, Any], but: str) -> dict[str, str]:
    return {name: each["state"] for name, each in found.items() if each["state"] != but}


@pytest.mark.both
def test_a_good_day(filled_dsn: str) -> None:
    found = checks(filled_dsn)
    assert states(found, "pass") == {}
    assert found["phase"]["figure"] == "sync, copy open; next: backfill"
    assert found["values"]["figure"] == "3000 of about 3000 rows tried, 0 would fail"
    assert re.fullmatch(
        r"about \d+ kB: table \d+ kB, indexes \d+ kB, WAL \d+ kB; free: 100 GB",
        found["disk"]["figure"],
    )
    found = as_json("preflight", "gear", *NOW, *DISK, "--strict", "--full", dsn=filled_dsn)
    assert found["verdict"] == "pass"
    assert {each["state"] for each in found["checks"]} == {"pass"}


def test_what_people_see(filled_dsn: str) -> None:
    out, err = pgtandem("preflight", "gear", *DISK, dsn=filled_dsn, code=1)
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split() == ["check", "found"]
    assert lines[1].split()[:2] == ["pass", "phase"]
    assert "fail  backup" in out
    assert "  backup  Take one, and say when it was: --backup-at TIME" in out
    assert lines[-1] == "gear: fail (28 pass, 0 warn, 1 fail)"


def test_it_changes_nothing(filled_dsn: str, gear: Gear) -> None:
    count = (
        "SELECT (SELECT count(*) FROM pg_class), (SELECT max(id) FROM pgtandem.event),"
        " (SELECT count(*) FROM gear_ops.gear_items), (SELECT count(*) FROM pgtandem.recheck)"
    )
    before = gear.rows(count)
    checks(filled_dsn, rows=None)
    assert gear.rows(count) == before


@pytest.mark.both
def test_each_phase(filled_dsn: str, gear: Gear) -> None:
    project = ROOT / "examples" / "gear"
    sqitch("revert", "-y", "--to-change", "gear_expand", dsn=filled_dsn, project=project)
    found = checks(filled_dsn)
    assert found["phase"]["figure"] == "expand, copy none; next: sync"
    assert found["lock_of_source"]["figure"].startswith("SHARE ROW EXCLUSIVE user_core.old_equ")
    sqitch("deploy", "--to-change", "gear_sync", dsn=filled_dsn, project=project)
    gear.rows("CALL pgtandem.backfill('gear')")
    assert "values" not in checks(filled_dsn)
    sqitch("deploy", "--to-change", "gear_backfill", dsn=filled_dsn, project=project)
    found = checks(filled_dsn, fails=True)
    assert states(found, "pass") == {"contract": "fail"}
    assert found["contract"]["todo"].startswith("pgtandem verify gear; if rows differ: ")
    assert "comparison_clean (no full comparison with this mapping)" in found["contract"]["figure"]
    gear.rows("CALL pgtandem.compare('gear')")
    gear.rows("SELECT pgtandem.override('gear', 'cascades', 'a test')")
    found = checks(filled_dsn)
    assert found["lock_of_source"]["figure"].startswith("ACCESS EXCLUSIVE user_core.old_equipment")
    assert found["contract"]["figure"] == "it is proven"
    sqitch("deploy", "--to-change", "gear_contract", dsn=filled_dsn, project=project)
    found = checks(filled_dsn)
    assert found["phase"]["figure"] == "contract, copy complete; next: none"
    assert "lock_of_source" not in found


def test_the_disk_of_a_contract_on_columns(filled_dsn: str, gear: Gear) -> None:
    gear.rows("UPDATE pgtandem.mapping SET phase = 'backfill', copy_state = 'complete',"
              " settings = jsonb_set(settings, '{contract,columns}', '[\"brand\"]')")  # fmt: skip
    assert checks(filled_dsn, fails=True)["disk"]["state"] == "pass"
    document = as_json("preflight", "gear", "--free-disk", "8kB", dsn=filled_dsn, code=1)
    assert {each["name"]: each["state"] for each in document["checks"]}["disk"] == "fail"


# What each session does to a check, with a limit that it is over, and with one that it is not.


def check_of_session(dsn: str, name: str, patient: str = "pass") -> None:
    found = checks(dsn, "1 ms", fails=True)
    assert found[name]["state"] == "fail", found[name]
    assert states(checks(dsn, "1 h"), "pass").get(name, "pass") == patient


@pytest.mark.both
def test_a_long_transaction(filled_dsn: str) -> None:
    with Session(filled_dsn) as session:
        session.run("BEGIN")
        session.run("SELECT 1")
        check_of_session(filled_dsn, "long_transactions")
        found = checks(filled_dsn, "1 ms", fails=True)
        assert (
            f"pid {session.pid} (pgtandem_owner, idle in transaction, "
            in (found["long_transactions"]["figure"])
        )
        session.run("COMMIT")
        assert checks(filled_dsn)["long_transactions"]["state"] == "pass"


def test_idle_in_transaction(filled_dsn: str, gear: Gear) -> None:
    assert checks(filled_dsn)["idle_in_transaction"]["figure"] == "0 sessions"
    with Session(filled_dsn) as session:
        session.run("BEGIN")
        wait_for(lambda: gear.value(
            "SELECT state_change < clock_timestamp() - interval '1.1 s' FROM pg_stat_activity"
            " WHERE pid = %s", session.pid))  # fmt: skip
        check_of_session(filled_dsn, "idle_in_transaction", "warn")
        assert checks(filled_dsn)["idle_in_transaction"]["figure"].startswith(
            f"1 sessions, the longest pid {session.pid} (pgtandem_owner, 00:00:0"
        )
        # A warning is no failure, unless it is to be one.
        for strict, code in (([], 0), (["--strict"], 1)):
            found = as_json("preflight", "gear", *NOW, *DISK, *strict, dsn=filled_dsn, code=code)
            assert found["verdict"] == "warn"


@pytest.mark.both
def test_a_prepared_transaction(filled_dsn: str, gear: Gear) -> None:
    with Session(filled_dsn) as session:
        session.run("BEGIN")
        session.run("LOCK TABLE gear_ops.gear_items IN ROW EXCLUSIVE MODE")
        session.run("PREPARE TRANSACTION 'it''s %I'")
    try:
        found = checks(filled_dsn, "1 ms", fails=True)
        assert found["prepared_transactions"]["state"] == "fail"
        found = checks(filled_dsn, fails=True)
        assert found["prepared_transactions"]["state"] == "warn"
        assert found["prepared_transactions"]["figure"].startswith("it's %I (pgtandem_owner, ")
        # Nobody can wait for its end.
        assert found["lock_of_target"]["state"] == "fail"
        assert "pid none, prepared" in found["lock_of_target"]["figure"]
    finally:
        gear.rows("ROLLBACK PREPARED 'it''s %I'")


@pytest.mark.both
def test_who_holds_the_lock(filled_dsn: str) -> None:
    lock = "LOCK TABLE user_core.old_equipment IN ROW EXCLUSIVE MODE"
    with blocked(filled_dsn, lock) as holder:
        check_of_session(filled_dsn, "lock_of_source", "warn")
        found = checks(filled_dsn)
        assert (
            f"pid {holder.info.backend_pid} (pgtandem_owner, "
            in (found["lock_of_source"]["figure"])
        )
        assert found["lock_of_target"]["state"] == "pass"
    # Who only reads is in nobody's way before contract.
    with blocked(filled_dsn, "SELECT FROM user_core.old_equipment LIMIT 1"):
        assert checks(filled_dsn, "1 h")["lock_of_source"]["state"] == "pass"


@contextmanager
def slot(server: Server) -> Iterator[str]:
    name = "nobody_reads_this"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_create_physical_replication_slot(%s, true)", (name,))
        try:
            yield name
        finally:
            admin.execute("SELECT pg_drop_replication_slot(%s)", (name,))


def test_slots(server: Server, filled_dsn: str, gear: Gear) -> None:
    with slot(server) as name:
        found = checks(filled_dsn)["slots"]
        assert found["state"] == "warn"
        assert found["figure"] == f"{name} is not in use, limit 4096 MB"
        gear.setting("max_slot", "1kB")
        gear.rows("CREATE TABLE gear_ops.some_wal AS SELECT generate_series(1, 1000)")
        found = checks(filled_dsn, fails=True)["slots"]
        assert found["state"] == "fail"
        assert found["figure"].startswith(f"{name} retains ")
    assert checks(filled_dsn)["slots"]["state"] == "pass"


def test_standbys(pair: Pair) -> None:
    pair.there.rows("UPDATE pgtandem.mapping SET copy_state = 'open'")
    pair.catch_up()
    found = checks(pair.primary)["standbys"]
    assert found["state"] == "pass"
    assert found["figure"].endswith(", limit 64 MB")
    assert not found["figure"].startswith("none")
    admin = psycopg.connect(pair.standby, user="postgres", autocommit=True)
    with admin:
        admin.execute("SELECT pg_wal_replay_pause()")
        pair.there.setting("max_lag", "1kB")
        pair.there.rows("CREATE TABLE gear_ops.some_wal AS SELECT generate_series(1, 10000)")
        found = checks(pair.primary)["standbys"]
        admin.execute("SELECT pg_wal_replay_resume()")
    assert found["state"] == "warn"
    assert " is " in found["figure"]
    assert found["figure"].endswith(" behind, limit 1024 bytes")
    _, err = pgtandem("preflight", "gear", dsn=pair.standby, code=2)
    assert "This is a standby" in err


def test_an_invalid_index(filled_dsn: str, gear: Gear) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        gear.rows('CREATE UNIQUE INDEX CONCURRENTLY "a b" ON user_core.old_equipment (user_id)')
    found = checks(filled_dsn, fails=True)
    assert states(found, "pass") == {"invalid_indexes": "fail"}
    assert found["invalid_indexes"]["figure"] == 'user_core."a b" of user_core.old_equipment'
    assert found["invalid_indexes"]["todo"] == 'REINDEX INDEX CONCURRENTLY user_core."a b";'


def test_a_sequence_that_is_behind(dsn: str) -> None:
    build(dsn, TAKES, LEGACY.replace("id integer", "id serial"), phases=("expand",))
    Gear(dsn).rows("INSERT INTO plain.new (id, code, needed) VALUES (5, 'a', 'x')")
    found = checks(dsn, name="takes")
    assert states(found, "pass") == {"sequences": "warn"}
    assert "ids up to 5 are taken" in found["sequences"]["figure"]


def test_where_the_disk_is_known(filled_dsn: str, server: Server, as_user: Any) -> None:
    """The server of the tests runs here, as whoever runs them."""
    free = as_json("preflight", "gear", *NOW, dsn=filled_dsn)
    disk = next(each for each in free["checks"] if each["name"] == "disk")
    assert disk["state"] == "pass"
    assert "free: not known" not in disk["figure"]
    session = sessions.connect(db.resolve(filled_dsn))
    found = module.local_free_disk(session)
    assert found
    assert abs(found - shutil.disk_usage(server.directory).free) < 2**30
    # Who may not know the directory is not told, and says so.
    session = sessions.connect(db.resolve(as_user(filled_dsn, "old_app")))
    assert module.local_free_disk(session) is None


def test_a_directory_of_another_server_is_not_taken(
    filled_dsn: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.connect(db.resolve(filled_dsn))
    ours = session.execute(db.load_query("data_directory")).fetchone()
    assert ours

    class Elsewhere:
        def __init__(self, **changed: object) -> None:
            self.row = ours | changed

        def execute(self, query: object) -> Any:
            return self

        def fetchone(self) -> dict[str, Any]:
            return self.row

    def free(**changed: object) -> int | None:
        return module.local_free_disk(Elsewhere(**changed))  # type: ignore[arg-type]

    assert free() is not None
    assert free(started=ours["started"] + 3600) is None
    assert free(port="1") is None
    assert free(directory="/nowhere") is None


@pytest.mark.parametrize(
    ("disk", "state", "code"), [("1kB", "fail", 1), ("3MB", "warn", 0), ("1TB", "pass", 0)]
)
def test_free_disk(filled_dsn: str, disk: str, state: str, code: int) -> None:
    # 3,000 rows of gear take about 0.7 MB, their WAL 1.4.
    document = as_json("preflight", "gear", *NOW, "--free-disk", disk, dsn=filled_dsn, code=code)
    found = next(each for each in document["checks"] if each["name"] == "disk")
    assert found["state"] == state, found


def test_backup(filled_dsn: str) -> None:
    for hours, state, code in ((1, "pass", 0), (25, "fail", 1)):
        at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        document = as_json("preflight", "gear", "--backup-at", at, *DISK, dsn=filled_dsn, code=code)
        assert document["checks"][1]["state"] == state
    # Without a zone it is of this machine.
    local = datetime.now().astimezone().replace(tzinfo=None).isoformat()
    document = as_json("preflight", "gear", "--backup-at", local, *DISK, dsn=filled_dsn)
    assert document["checks"][1]["state"] == "pass"


def test_the_archiver_and_the_settings_of_a_server() -> None:
    with Server.start() as own:
        with psycopg.connect(own.dsn(), autocommit=True) as first:
            first.execute("CREATE DATABASE tandem")
        dsn = own.dsn("tandem")
        sqitch("deploy", dsn=dsn)
        build(dsn, TAKES, LEGACY, phases=("expand",))

        def found(code: int) -> dict[str, Any]:
            document = as_json("preflight", "takes", *DISK, dsn=dsn, code=code)
            return {each["name"]: each for each in document["checks"]}

        def restarted(**settings: str) -> psycopg.Connection[Any]:
            with psycopg.connect(own.dsn(), autocommit=True) as session:
                for name, value in settings.items():
                    session.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            own.restart()
            return psycopg.connect(own.dsn(), autocommit=True)

        admin = restarted(archive_mode="on", archive_command="true")

        def archiver(what: str) -> None:
            """Give it something to do until it is so."""

            def done() -> object:
                admin.execute("SELECT pg_logical_emit_message(false, 'x', 'y')")
                admin.execute("SELECT pg_switch_wal(), pg_sleep(0.5)")
                return admin.execute(f"SELECT {what} FROM pg_stat_archiver").fetchone()[0]

            wait_for(done)

        archiver("last_archived_wal IS NOT NULL")
        assert states(found(0), "pass") == {"backup": "warn"}
        assert "of base backups SQL knows nothing" in found(0)["backup"]["figure"]
        for name, value in (
            ("archive_command", "false"), ("autovacuum", "off"), ("track_counts", "off"),
            ("deadlock_timeout", "500ms"),
        ):  # fmt: skip
            admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        admin.execute("SELECT pg_reload_conf()")
        archiver("last_failed_wal IS NOT NULL")
        now = found(1)
        assert now["backup"]["figure"].startswith("the archiver fails: 0000")
        assert states(now, "pass") == {
            "backup": "fail", "autovacuum": "fail", "track_counts": "fail",
            "deadlock_timeout": "fail",
        }  # fmt: skip
        admin.close()
        restarted(
            wal_level="minimal", max_wal_senders="0", archive_mode="off",
            autovacuum="on", track_counts="on", deadlock_timeout="1s",
        )  # fmt: skip
        assert states(found(1), "pass") == {"backup": "fail", "wal_level": "warn"}


# What the target cannot take.

TAKES = """
mapping: takes
source: {table: plain.old, columns: {id: integer, code: text, amount: text, born: text}}
target:
  table: plain.new
  columns: {id: integer, code: varchar, amount: numeric, born: date, needed: text}
key: [id]
columns:
  id: id
  code: {from: code, back: none}
  amount: {from: 'amount::numeric', back: none}
  born: {from: 'born::date', back: none}
  needed: {from: 'coalesce(code, amount)', back: none}
sync: {mode: record, ways: forward}
"""
LEGACY = """
CREATE SCHEMA plain;
CREATE DOMAIN plain.short AS varchar(5) CHECK (VALUE <> 'no');
CREATE TABLE plain.old (id integer PRIMARY KEY, code text, amount text, born text);
CREATE TABLE plain.new (
    id integer PRIMARY KEY,
    code plain.short,
    amount numeric(5, 2) CONSTRAINT "not below" CHECK (amount >= 0),
    born date,
    needed text NOT NULL,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
    seen timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO plain.old SELECT n, 'good', n % 900, '2000-01-01' FROM generate_series(1, 3000) AS n;
ANALYZE plain.old;
"""
BAD = [
    ("code = 'far too long'", "22001", "column code"),
    ("code = 'no'", "23514", "constraint short_check"),
    ("amount = '1000'", "22003", "column amount"),
    ("amount = '-1'", "23514", "constraint not below"),
    ("amount = 'x%I'", "22P02", None),
    ("born = 'soon'", "22007", None),
    ("born = '2001-02-30'", "22008", None),
    ("code = NULL, amount = NULL", "23502", "column needed"),
]


@pytest.mark.both
@pytest.mark.parametrize("phases", [("expand",), ("expand", "sync")])
def test_values_that_the_target_cannot_take(dsn: str, phases: tuple[str, ...]) -> None:
    build(dsn, TAKES, LEGACY, phases=phases)
    rows = Gear(dsn)
    assert states(checks(dsn, name="takes"), "pass") == {}
    rows.rows("ALTER TABLE plain.old DISABLE TRIGGER USER")
    for number, (change, _, _) in enumerate(BAD, 1):
        rows.rows(f"UPDATE plain.old SET {change} WHERE id IN ({number}, {number + 2000})")
    found = checks(dsn, name="takes", fails=True)
    assert states(found, "pass") == {"values": "fail"}
    figure = found["values"]["figure"]
    assert figure.startswith("3000 of about 3000 rows tried, 16 would fail: ")
    fit = rows.rows("SELECT * FROM pgtandem.fit('takes')")[0]
    assert fit["failing"] == 16
    assert not fit["stopped"]
    grouped = {(each["sqlstate"], each["place"]): each for each in fit["failures"]}
    for number, (_, sqlstate, place) in enumerate(BAD, 1):
        if place:
            assert grouped[sqlstate, place]["rows"] == 2
            assert grouped[sqlstate, place]["example"] in (f'["{number}"]', f'["{number + 2000}"]')
        else:
            assert any(key[0] == sqlstate for key in grouped), (sqlstate, grouped)
    assert sum(each["rows"] for each in fit["failures"]) == 16
    # Each of these rows is one that the move itself would not get across.
    if "sync" in phases:
        rows.rows("ALTER TABLE plain.old ENABLE TRIGGER USER")
        with pytest.raises(psycopg.Error, match="16 rows of mapping"):
            rows.rows("CALL pgtandem.backfill('takes')")
        assert rows.value("SELECT count(DISTINCT key) FROM pgtandem.failures") == 16


def test_a_column_that_nobody_gives(dsn: str) -> None:
    legacy = LEGACY.replace("seen timestamptz NOT NULL DEFAULT clock_timestamp()",
                            '"no value" text NOT NULL')  # fmt: skip
    build(dsn, TAKES, legacy, phases=("expand",))
    found = checks(dsn, name="takes", fails=True)["values"]
    assert "at least 200 would fail: 23502 " in found["figure"]
    assert "column no value (200" in found["figure"]


def test_defaults_lose_no_number_and_call_nobody(dsn: str) -> None:
    legacy = LEGACY.replace(
        "seen timestamptz",
        "number serial NOT NULL, key bigint GENERATED ALWAYS AS IDENTITY UNIQUE,"
        " noted text NOT NULL DEFAULT plain.note(), seen timestamptz",
    ).replace(
        "CREATE TABLE plain.new",
        "CREATE TABLE plain.calls (n integer);"
        "CREATE FUNCTION plain.note() RETURNS text LANGUAGE sql AS"
        " $$ INSERT INTO plain.calls VALUES (1) RETURNING 'x' $$;"
        "CREATE TABLE plain.new",
    )
    build(dsn, TAKES, legacy, phases=("expand",))
    assert states(checks(dsn, name="takes"), "pass") == {}
    rows = Gear(dsn)
    assert rows.value("SELECT count(*) FROM plain.calls") == 0
    assert rows.value("SELECT nextval('plain.new_number_seq')") == 1
    assert rows.value("SELECT nextval(pg_get_serial_sequence('plain.new', 'key'))") == 1


def test_no_unique_key(dsn: str) -> None:
    build(dsn, TAKES, LEGACY.replace("id integer PRIMARY KEY,\n    code plain", "id integer,\n"
                                     "    code plain"), phases=("expand",))  # fmt: skip
    found = checks(dsn, name="takes", fails=True)
    assert states(found, "pass") == {"unique_key": "fail"}
    assert found["unique_key"]["todo"] == "CREATE UNIQUE INDEX CONCURRENTLY ON plain.new (id);"


def test_duplicates_and_references(dsn: str) -> None:
    legacy = (
        LEGACY
        + """
        CREATE TABLE plain."Re f" (need text PRIMARY KEY);
        INSERT INTO plain."Re f" VALUES ('good');
        ALTER TABLE plain.new ADD CONSTRAINT "f %k" FOREIGN KEY (needed) REFERENCES plain."Re f";
        CREATE UNIQUE INDEX ON plain.new (born) WHERE needed = 'odd';
        UPDATE plain.old SET code = 'odd' WHERE id < 4;
    """
    )
    build(dsn, TAKES, legacy, phases=("expand",))
    found = checks(dsn, name="takes", fails=True)
    assert states(found, "pass") == {"duplicates": "fail", "references": "fail"}
    assert found["duplicates"]["figure"].startswith("2 of these images break a unique index")
    assert found["references"]["figure"] == 'f %k: 1 refer to no row of plain."Re f"'


def test_a_row_that_is_written_meanwhile_is_no_duplicate(dsn: str) -> None:
    """A row moves with each update; it must be tried once, wherever it is."""
    build(dsn, TAKES, LEGACY, phases=("expand",))
    done = threading.Event()

    def write() -> None:
        writer = Gear(dsn)
        while not done.is_set():
            writer.rows("UPDATE plain.old SET code = 'well' WHERE id % 10 = 0")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write)
        try:
            for _ in range(3):
                # Who holds a lock at this moment is of no interest here.
                out, _ = pgtandem("preflight", "takes", "--full", *NOW, *DISK, dsn=dsn)
                assert "3000 of about 3000 rows tried" in out
                assert re.search("^pass +duplicates ", out, re.MULTILINE), out
        finally:
            done.set()


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ordinary", "partitioned"])
def test_odd_names(dsn: str, kind: str) -> None:
    build(dsn, *nasty(kind), phases=("expand",))
    found = checks(dsn, name="nasty")
    assert found["values"]["state"] == "pass", found["values"]
    rows = Gear(dsn).value('SELECT count(*) FROM "Old Schema ""x"""."select"')
    assert rows > 0
    assert found["values"]["figure"].startswith(f"{rows} of about ")
    target = Gear(dsn).value("SELECT target::text FROM pgtandem.mapping")
    Gear(dsn).rows(f'ALTER TABLE {target} ADD CONSTRAINT "%I $1 \' """ CHECK (false) NOT VALID')
    found = checks(dsn, name="nasty", fails=True)
    assert "constraint %I $1 ' \"" in found["values"]["figure"]


def test_paths_of_a_document_and_joins(make_database: Any, engine_template: str) -> None:
    dsn = make_database(engine_template)
    project = ROOT / "examples" / "unified_profiles"
    psql(project / "legacy.sql", dsn)
    psql(project / "generate.sql", dsn, users=200)
    sqitch("deploy", "--to-change", "unified_profiles_expand", dsn=dsn, project=project)
    found = checks(dsn, name="unified_profiles")
    assert found["values"]["figure"].startswith("2")
    assert found["values"]["state"] == "pass"


# Roles.


def test_a_role_with_too_few_rights(filled_dsn: str, gear: Gear, as_user: Any) -> None:
    other = as_user(filled_dsn, "new_app")
    _, err = pgtandem("preflight", "gear", dsn=other, code=2)
    assert 'The role "new_app" may not use the engine.' in err
    gear.rows("GRANT USAGE ON SCHEMA pgtandem TO new_app")
    gear.rows("GRANT SELECT ON ALL TABLES IN SCHEMA pgtandem TO new_app")
    gear.rows("REVOKE ALL ON gear_ops.gear_items FROM new_app")
    found = checks(other, fails=True)
    assert found["values"]["state"] == "fail"
    assert "permission denied" in found["values"]["figure"]
    assert found["standbys"]["figure"] == "not seen without pg_read_all_stats"
    assert found["standbys"]["todo"] == "GRANT pg_monitor TO new_app;"
    assert found["long_transactions"]["state"] == "warn"
    assert found["privileges"]["state"] == "fail"
    assert found["privileges"]["figure"].startswith("new_app lacks: ")
    assert f"GRANT {OWNER} TO new_app;" in found["privileges"]["todo"].splitlines()
    gear.rows("UPDATE pgtandem.mapping SET phase = 'backfill', copy_state = 'complete'")
    found = checks(other, fails=True)
    assert "CREATE on database" in found["privileges"]["figure"]
    assert "CREATE on schema user_core" in found["privileges"]["figure"]


def test_what_is_wrong(filled_dsn: str, empty_dsn: str, gear: Gear) -> None:
    for arguments, dsn, message in (
        (["gaer"], filled_dsn, 'No mapping named "gaer" is deployed'),
        (["gear"], empty_dsn, "The engine is not in the database"),
        (["gear", "--backup-at", "yesterday"], filled_dsn, '"yesterday" is no time; write'),
        (["gear", "--backup-at", "2999-01-01"], filled_dsn, "is in the future (SQLSTATE TD070)"),
        (["gear", "--free-disk", "200"], filled_dsn, '"200" is no size; write 500MB'),
        (["gear", "--free-disk", "9999999TB"], filled_dsn, "is more than a disk holds"),
        (["gear", "--rows", "0"], filled_dsn, "0 is not in the range"),
        (["gear", "--max-transaction", "long"], filled_dsn, '"long" is no duration'),
        (["gear", "--rows", "5", "--full"], filled_dsn, "--rows and --full"),
    ):
        out, err = pgtandem("preflight", *arguments, dsn=dsn, code=2)
        assert out == ""
        assert message in err, err
    gear.rows("ALTER TABLE gear_ops.gear_items DROP COLUMN brand CASCADE")
    gear.rows("DROP VIEW pgtandem_gear.image CASCADE")
    _, err = pgtandem("preflight", "gear", dsn=filled_dsn, code=2)
    assert "(SQLSTATE TD071)" in err
    gear.rows("DROP TABLE user_core.old_equipment CASCADE")
    _, err = pgtandem("preflight", "gear", dsn=filled_dsn, code=2)
    assert 'Error: The source of mapping "gear" no longer exists.' in err


def test_the_same_from_psql(filled_dsn: str) -> None:
    with psycopg.connect(filled_dsn, autocommit=True, row_factory=dict_row) as connection:
        rows = connection.execute(
            "SELECT * FROM pgtandem.preflight('gear', now(), pg_size_bytes('100GB'))"
        ).fetchall()
    mine = checks(filled_dsn)
    assert {each["name"] for each in rows} == set(mine)


PATHS = """
mapping: paths
source: {table: plain.old, columns: {id: integer, code: text}}
target: {table: plain.documents, columns: {id: integer, doc: jsonb}}
key: [id]
columns: {id: id, doc.number: {from: 'code::integer', type: integer, back: none}}
sync: {mode: record, ways: forward}
"""


def test_a_path_whose_value_fails(dsn: str) -> None:
    legacy = (
        LEGACY
        + """
        CREATE TABLE plain.documents (
            id integer PRIMARY KEY, doc jsonb NOT NULL, own text NOT NULL
        );
        UPDATE plain.old SET code = id;
    """
    )
    build(dsn, PATHS, legacy, phases=("expand",))
    assert states(checks(dsn, name="paths"), "pass") == {}
    Gear(dsn).rows("UPDATE plain.old SET code = 'none' WHERE id = 7")
    found = checks(dsn, name="paths", fails=True)["values"]
    assert "1 would fail: 22P02 " in found["figure"]
    assert 'for example ["7"]' in found["figure"]


IN_PLACE = """
mapping: inside
source: {table: plain.new, columns: {id: integer, needed: text}}
target: {table: plain.new, columns: {id: integer, code: varchar}}
key: [id]
columns: {id: id, code: {from: needed, back: none}}
sync: {mode: record, ways: forward}
"""


def test_in_place(dsn: str) -> None:
    legacy = (
        LEGACY
        + """
        INSERT INTO plain.new (id, needed) SELECT n, 'abc' FROM generate_series(1, 100) AS n;
    """
    )
    build(dsn, IN_PLACE, legacy, phases=("expand",))
    found = checks(dsn, name="inside")
    assert found["values"]["state"] == "pass"
    assert "lock_of_target" not in found
    Gear(dsn).rows("UPDATE plain.new SET needed = 'too long' WHERE id = 7")
    found = checks(dsn, name="inside", fails=True)["values"]
    assert "1 would fail: 22001 " in found["figure"]
    assert 'column code (1, for example ["7"])' in found["figure"]

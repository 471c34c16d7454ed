"""Whom the engine waits for, who waits for it, and what it says meanwhile."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import GEAR, set_naptime
from helpers import OWNER, psql
from isolation.world import (
    SOURCE,
    TARGET,
    World,
    at_target,
    attempt,
    delete,
    insert,
    start,
    uid,
    update,
)

COPIED = "SELECT count(*) > 0 AND count(*) = count(done_at) FROM pgtandem.chunk"


def test_backfill_waits_for_an_old_snapshot(world):
    """It names the session, and completes as soon as that has ended."""
    world.rows(1, 5)
    reader = start(world.session("old_app"), "REPEATABLE READ")
    copy = world.session()
    copy.send("CALL pgtandem.backfill('gear')")
    world.waits(f"1 older transactions to end (pid {reader.pid})")
    assert world.value("SELECT copy_state FROM pgtandem.mapping") == "open"
    reader.run("COMMIT")
    copy.result()
    world.complete()


def test_backfill_does_not_wait_for_an_idle_transaction(world):
    """In READ COMMITTED it has no snapshot: its next statement sees every chunk."""
    world.rows(1, 5)
    idle = start(world.old(), "READ COMMITTED")
    idle.run("UPDATE user_core.users SET name = 'seen'")
    world.backfill()
    assert world.value("SELECT copy_state FROM pgtandem.mapping") == "complete"
    idle.run(delete(5))
    idle.run("COMMIT")
    world.settled()
    assert world.names(TARGET) == {1: "v1"}


@pytest.mark.parametrize("write", [delete(5), update(5, "v2"), at_target(delete(9))])
def test_backfill_waits_for_an_idle_writer(world, write):
    """In READ COMMITTED, idle, without a snapshot: but its commit brings what it has queued."""
    world.rows(1, 5)
    world.old().run(insert(9))
    writer = start(world.new() if TARGET in write else world.old(), "READ COMMITTED")
    writer.run(write)
    copy = world.session()
    copy.send("CALL pgtandem.backfill('gear')")
    world.waits(f"1 older transactions to end (pid {writer.pid})")
    world.old().run(insert(6))  # who begins now is not waited for, and sees every chunk
    assert not copy.is_done()
    writer.run("COMMIT")
    copy.result()
    world.complete()


def test_backfill_waits_for_a_prepared_writer(world):
    """It has no session any more, and commits when somebody says so."""
    world.rows(1, 5)
    writer = start(world.session(), "READ COMMITTED")
    writer.run(delete(5))
    writer.run("PREPARE TRANSACTION 'gone'")
    copy = world.session()
    copy.send("CALL pgtandem.backfill('gear')")
    try:
        world.waits("1 older transactions to end (pid none, prepared)")
    finally:
        writer.run("COMMIT PREPARED 'gone'")
    copy.result()
    world.complete()


def test_backfill_waits_for_a_writer_of_a_partition(world):
    """Who names the partition holds no lock on the parent."""
    world.owner.run(
        "CREATE SCHEMA parts; "
        "CREATE TABLE parts.a (id int, part int) PARTITION BY LIST (part); "
        "CREATE TABLE parts.a1 PARTITION OF parts.a FOR VALUES IN (1); "
        "UPDATE pgtandem.mapping SET source = 'parts.a'"
    )
    writer = start(world.session(), "READ COMMITTED")
    older = "SELECT cardinality(pgtandem._older_transactions('gear'))"
    assert world.value(older) is None
    writer.run("INSERT INTO parts.a1 VALUES (1, 1)")
    assert world.value(older) == 1


def test_backfill_without_pg_monitor(world, server):
    """Who may not look at others waits for each of their transactions, and still gets there."""
    world.rows(1, 5)
    idle = start(world.old(), "READ COMMITTED")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"REVOKE pg_monitor FROM {OWNER}")
        try:
            copy = world.session()
            copy.send("CALL pgtandem.backfill('gear')")
            world.waits(f"%(pid {idle.pid})")
            idle.run("COMMIT")
            copy.result()
        finally:
            admin.execute(f"GRANT pg_monitor TO {OWNER}")
    world.complete()


@pytest.mark.parametrize("which", [SOURCE, TARGET])
def test_backfill_outlasts_a_locked_table(world, which):
    """VACUUM FULL, REINDEX and the like hold a table for long: the backfill waits, and says so."""
    world.rows(1, 5)
    ddl, copy = start(world.session(), "READ COMMITTED"), world.session()
    world.owner.run("SELECT pgtandem.pause('gear')")
    copy.send("CALL pgtandem.backfill('gear')")
    world.waits("paused%")
    ddl.run(f"LOCK TABLE {which} IN ACCESS EXCLUSIVE MODE")
    world.owner.run("SELECT pgtandem.resume('gear')")
    world.waits("a lock on%")
    assert not copy.is_done()
    ddl.run("COMMIT")
    copy.result()
    world.complete()
    assert world.failures() == []


def test_backfill_does_not_begin_while_the_source_is_locked(world):
    """It asks for the sizes of the source in bounded tries, and names who is in the way."""
    world.rows(1, 5)
    ddl = start(world.session(), "READ COMMITTED")
    ddl.run(f"LOCK TABLE {SOURCE} IN ACCESS EXCLUSIVE MODE")
    for query in (
        "CALL pgtandem.backfill('gear')",
        "SELECT pgtandem.require_small_rest('gear')",
    ):
        with pytest.raises(psycopg.Error) as refused:
            world.session().run(query)
        assert refused.value.sqlstate == "TD004"
        assert f"pid {ddl.pid} " in refused.value.diag.message_detail
    ddl.run("COMMIT")
    world.backfill()
    world.complete()


def test_backfill_outlasts_a_locked_row(world):
    """A row of the target is locked for long: its key waits in the queue, the rest is copied."""
    world.rows(1, 5)
    new = start(world.new(), "READ COMMITTED")
    world.unseen(at_target(insert(5, "other")))
    world.owner.run("SELECT pgtandem.open_copy('gear')")
    new.run(f"SELECT FROM {TARGET} WHERE id = {uid(5)} FOR UPDATE")
    copy = world.session()
    copy.send("CALL pgtandem.backfill('gear')")
    world.waits("1 rows that are locked or failed")
    world.owner.run("UPDATE pgtandem.recheck SET attempts = 9, not_before = now()")
    world.until("SELECT max(attempts) > 9 FROM pgtandem.recheck")
    assert not copy.is_done()
    new.run("COMMIT")
    copy.result()
    world.complete()


def test_vacuum_full_between_chunks(either):
    """The rows have moved to other blocks: the list is made anew."""
    world = either
    world.rows(*range(1, 400))
    world.list_chunks()
    world.owner.run("SELECT pgtandem._copy_next('gear', 1, 'insert')")
    world.old().run(f"DELETE FROM {SOURCE} WHERE ctid < '(2,0)'")
    world.owner.run(f"VACUUM FULL {SOURCE}")
    world.backfill()
    world.complete()
    assert world.value("SELECT count(*) FROM pgtandem.event WHERE kind = 'relist'") == 1


def test_vacuum_full_while_a_chunk_waits(world):
    """VACUUM FULL waits for the chunk in flight; the next chunk finds another file."""
    world.rows(*range(1, 400))
    chunk, vacuum = world.held(), world.session()
    world.list_chunks()
    with world.hold(1) as holder:
        chunk.send("SELECT outcome FROM pgtandem._copy_next('gear', 1, 'insert')")
        chunk.waits_for_lock(holder)
        vacuum.send(f"VACUUM FULL {SOURCE}").waits_for_lock(chunk)
    assert chunk.result() == [("done",)]
    vacuum.result()
    world.backfill()
    world.complete()
    assert world.value("SELECT count(*) FROM pgtandem.event WHERE kind = 'relist'") == 1


def test_a_worker_waits_while_another_lists_the_chunks(world):
    """As with thousands of partitions: it begins when they are listed, and does not fail."""
    world.rows(1, 5)
    lists, copy = world.session(), world.session()
    lists.run("SELECT pg_advisory_lock(hashtextextended('pgtandem list gear', 0))")
    copy.send("CALL pgtandem.backfill('gear')").waits_for_lock(lists)
    time.sleep(1)  # longer than lock_tables would have it wait
    lists.run("SELECT pg_advisory_unlock_all()")
    copy.result()
    world.complete()


LOCK = f"SELECT pgtandem.lock_tables('{{{{{SOURCE},{TARGET}}}}}', 'ACCESS EXCLUSIVE', {{}})"


def test_lock_tables_names_who_is_in_the_way(world):
    """TD004, after bounded tries, with pid and name; nothing is killed."""
    writer = start(world.old(), "READ COMMITTED")
    writer.run(insert(1))
    ddl = start(world.session(), "READ COMMITTED")
    with pytest.raises(psycopg.Error) as refused:
        ddl.run(LOCK.format(1))
    assert refused.value.sqlstate == "TD004"
    assert f"pid {writer.pid} (old_app, old application" in refused.value.diag.message_detail
    writer.run("COMMIT")


def test_lock_tables_lets_writers_through(world):
    """Writers that come while it tries wait for one try at most, and it gets there in the end."""
    writer = start(world.old(), "READ COMMITTED")
    writer.run(insert(1))
    ddl, other = start(world.session(), "READ COMMITTED"), world.old()
    ddl.send(LOCK.format(20)).waits_for_lock(writer)
    waits = []
    for number in range(2, 6):
        began = time.monotonic()
        other.run(insert(number))
        waits.append(time.monotonic() - began)
    assert max(waits) < 2
    writer.run("COMMIT")
    assert ddl.result()[0][0] > 1
    ddl.run("COMMIT")


def test_lock_tables_costs_no_sync(world):
    """While the target is in the way, the old application waits at its own table, if at all."""
    report = start(world.new(), "READ COMMITTED")
    report.run(f"SELECT count(*) FROM {TARGET}")
    ddl, old = start(world.session(), "READ COMMITTED"), world.old()
    ddl.send(LOCK.format(5)).waits_for_lock(report)
    number = 0
    while not ddl.is_done():
        number += 1
        old.run(insert(number))
    with pytest.raises(psycopg.Error) as refused:
        ddl.result()
    assert refused.value.sqlstate == "TD004"
    report.run("COMMIT")
    assert number > 5
    assert world.failures() == []
    assert len(world.names(TARGET)) == number


@pytest.mark.slow
def test_lock_tables_beside_busy_writers(world):
    """Of both sides, crosswise: it finds a moment in which none is at work, and fails nobody."""
    numbers = range(1, 9)
    for number in numbers:
        world.old().run(insert(number))
    done = threading.Event()

    def write(number: int) -> int:
        session = world.session("old_app" if number % 2 else "new_app")
        written = 0
        while not done.is_set():
            change = update(number, f"v{written}")
            session.run(change if number % 2 else at_target(change))
            written += 1
        return written

    with ThreadPoolExecutor(len(numbers)) as pool:
        writers = [pool.submit(write, number) for number in numbers]
        try:
            ddl, tries = world.session(), 0
            for _ in range(5):
                start(ddl, "READ COMMITTED")
                tries += ddl.value(LOCK.format(20))
                ddl.run("ROLLBACK")
                time.sleep(0.1)
        finally:
            done.set()
        assert all(writer.result() for writer in writers)
    assert tries <= 10
    assert world.failures() == []


@pytest.fixture
def naps(server):
    """A server that looks each second for what to vacuum."""
    set_naptime(server, "1s")
    yield
    set_naptime(server, "500h")


@pytest.mark.slow
@pytest.mark.usefixtures("naps")
def test_lock_tables_and_autovacuum(world):
    """An autovacuum gives way to it."""
    world.owner.run(
        f"ALTER TABLE {SOURCE} SET (autovacuum_vacuum_threshold = 0, "
        "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1, "
        "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    world.rows(*range(1, 2000))
    world.owner.run(f"DELETE FROM {SOURCE} WHERE right(id::text, 1) = '1'")
    world.until(
        f"SELECT count(*) > 0 FROM pg_stat_progress_vacuum WHERE relid = '{SOURCE}'::regclass"
    )
    ddl = start(world.session(), "READ COMMITTED")
    began = time.monotonic()
    assert ddl.value(LOCK.format(20)) == 1
    assert 0.9 < time.monotonic() - began < 2
    ddl.run("ROLLBACK")


@pytest.fixture
def deployed(world: World) -> World:
    """gear up to its backfill, compared."""
    world.rows(1, 5)
    for phase in ("gear_backfill", "gear_items_user_fkey"):
        psql(GEAR / f"deploy/{phase}.sql", world.dsn)
    world.owner.run("CALL pgtandem.compare('gear')")
    return world


def during(world: World, kind: str, phase: str, statement: str, user: str) -> str:
    """Run a phase's script while a transaction with this write is open; its SQLSTATE."""
    writer, deploy = start(world.session(user, "writer"), "READ COMMITTED"), world.session()
    writer.run(statement)
    script = (GEAR / kind / f"gear_{phase}.sql").read_text()
    before, begin, rest = script.partition("BEGIN ISOLATION LEVEL READ COMMITTED;")
    for call in re.findall("^CALL .*;$", before, re.MULTILINE):
        deploy.run(call)  # what commits by itself goes first
    deploy.send(begin + rest).waits_for_lock(writer)
    writer.run("COMMIT")
    return attempt(deploy.result)


def test_sync_is_deployed_beside_a_writer(world):
    """It waits for the writer, whose row is older than the triggers and so left to the backfill."""
    psql(GEAR / "revert/gear_sync.sql", world.dsn)
    assert during(world, "deploy", "sync", insert(5, "early"), "old_app") == ""
    world.old().run(insert(6, "late"))
    assert world.names(TARGET) == {6: "late"}
    world.backfill()
    world.complete()
    assert world.names(TARGET) == {5: "early", 6: "late"}


@pytest.mark.parametrize("side", ["old_app", "new_app"])
def test_sync_is_reverted_beside_a_writer(world, side):
    """The writer's row reaches the source, whichever side wrote it."""
    write = insert(5) if side == "old_app" else at_target(insert(5))
    assert during(world, "revert", "sync", write, side) == ""
    assert world.names(SOURCE) == {5: "v1"}


@pytest.mark.parametrize("side", ["old_app", "new_app"])
def test_contract_is_deployed_beside_a_writer(deployed, side):
    """It waits for the writer, whose row is there afterwards, under both names."""
    write = update(5, "v2") if side == "old_app" else at_target(update(5, "v2"))
    assert during(deployed, "deploy", "contract", write, side) == ""
    assert deployed.names(SOURCE) == deployed.names(TARGET) == {1: "v1", 5: "v2"}


def test_a_refused_contract_locks_nothing(deployed):
    """It is refused while a writer is in the way, and does not wait for him."""
    deployed.queue(5)
    writer, deploy = start(deployed.old(), "READ COMMITTED"), deployed.session()
    writer.run(insert(6))
    with pytest.raises(psycopg.Error) as refused:
        deploy.run((GEAR / "deploy/gear_contract.sql").read_text().partition("\\endif")[2])
    assert refused.value.sqlstate == "TD020"
    writer.run("COMMIT")


@pytest.mark.parametrize("side", ["old_app", "new_app"])
@pytest.mark.parametrize("write", [update(5, "v2"), delete(5), insert(7)])
def test_contract_is_reverted_beside_a_writer(deployed, side, write):
    """What was written until the last moment is carried back."""
    psql(GEAR / "deploy/gear_contract.sql", deployed.dsn)
    deployed.old().run(insert(8, "straggler"))
    statement = write if side == "old_app" else at_target(write)
    assert during(deployed, "revert", "contract", statement, side) == ""
    deployed.settled()
    names = deployed.names(SOURCE)
    assert names.pop(8) == "straggler"
    expected = {update(5, "v2"): {1: "v1", 5: "v2"}, delete(5): {1: "v1"}}
    assert names == expected.get(write, {1: "v1", 5: "v1", 7: "v1"})

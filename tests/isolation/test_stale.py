"""A chunk that read an older version of a row does not write it over a newer one."""

from __future__ import annotations

import pytest

from isolation.world import (
    SOURCE,
    TARGET,
    at_target,
    attempt,
    delete,
    insert,
    rekey,
    start,
    update,
)

# insert, skip, ignore: as the chunk would be called after a step down.
OPTIMISTIC = ("insert", "skip", "ignore")


def copy_next(strategy: str, blocks: int = 64) -> str:
    return f"SELECT outcome FROM pgtandem._copy_next('gear', {blocks}, '{strategy}')"


@pytest.mark.parametrize("strategy", OPTIMISTIC)
def test_chunk_read_the_old_version(either, level, strategy):
    """The chunk read v1; the writer commits v2; then the chunk writes."""
    world = either
    world.rows(1, 5, 9)
    world.list_chunks()
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send(copy_next(strategy)).waits_for_lock(holder)
        writer.run(update(5, "v2"))
        writer.run("COMMIT")
    assert chunk.result()[0][0] == "done"
    assert world.names(TARGET) == {1: "v1", 5: "v2", 9: "v1"}
    world.backfill()
    world.complete()
    assert world.failures() == []


def test_overwriting_chunk_locks_what_it_read(either, level):
    """An overwriting chunk locks the rows it reads: the writer comes after it, and wins."""
    world = either
    world.rows(1, 5, 9)
    world.old().run(update(9, "v1b"))
    world.owner.run("SELECT pgtandem.open_copy('gear')")
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        assert world.value("SELECT copy_strategy FROM pgtandem.mapping") == "overwrite"
        writer.send(update(5, "v2")).waits_for_lock(chunk)
    writer.result()
    writer.run("COMMIT")
    chunk.result()
    world.settled()
    assert world.names(TARGET) == {1: "v1", 5: "v2", 9: "v1b"}


def test_overwriting_chunk_comes_second(either, level):
    """The writer's v2 is not committed yet: the chunk gives way, and sets the row aside."""
    world = either
    world.rows(1, 5, 9)
    world.old().run(update(5, "v1b"))
    world.owner.run("SELECT pgtandem.open_copy('gear')")
    writer, chunk = start(world.old(), level), world.session()
    writer.run(update(5, "v2"))
    chunk.send("CALL pgtandem.backfill('gear')")
    world.until("SELECT count(*) > 0 AND count(*) = count(done_at) FROM pgtandem.chunk")
    writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert world.names(TARGET) == {1: "v1", 5: "v2", 9: "v1"}


def test_update_of_a_row_that_a_chunk_has_written(either, level):
    """The chunk has written v1, uncommitted: the writer waits half a second, queues and goes on."""
    world = either
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(9) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.send(update(5, "v2")).waits_for_lock(chunk)
        writer.result()
        writer.run("COMMIT")
    chunk.result()
    assert world.failures() == ["55P03"]
    world.settled()
    assert world.names(TARGET) == {1: "v1", 5: "v2", 9: "v1"}


def test_update_with_a_snapshot_older_than_the_copy(either, level):
    """The chunk's row is not in the writer's snapshot: no lost write, and no failed one."""
    world = either
    world.rows(1, 5, 9)
    world.list_chunks()
    writer = start(world.old(), level)
    assert world.value(copy_next("insert")) == "done"
    writer.run(update(5, "v2"))
    writer.run("COMMIT")
    world.backfill()
    world.settled()
    assert world.names(TARGET) == {1: "v1", 5: "v2", 9: "v1"}


def test_key_change_during_a_chunk(either, level):
    """Keys are swapped under a chunk that has read both rows."""
    world = either
    world.rows(1, 5, 6, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(update(5, "five"))
        for statement in (rekey(5, 50), rekey(6, 5), rekey(50, 6)):
            writer.run(statement)
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert world.names(TARGET) == {1: "v1", 5: "v1", 6: "five", 9: "v1"}


def test_delete_and_insert_again_during_a_chunk(either, level):
    """The row that the chunk read is deleted, and another takes its key."""
    world = either
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(delete(5))
        writer.run(insert(5, "again"))
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert world.names(TARGET) == {1: "v1", 5: "again", 9: "v1"}


def test_new_application_writes_what_the_chunk_has_read(either, level):
    """The same from the other side: both sides keep the new application's write."""
    world = either
    world.rows(1, 5, 9)
    world.old().run(update(5, "v2"))
    writer, chunk = start(world.new(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(at_target(update(5, "v3")))
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert world.names(TARGET) == world.names(SOURCE) == {1: "v1", 5: "v3", 9: "v1"}


def test_new_application_inserts_what_the_chunk_has_read(world, level):
    """Its INSERT of a key that the source holds already is refused, as without a copy."""
    world.rows(1, 5, 9)
    writer = start(world.new(), level)
    assert attempt(lambda: writer.run(at_target(insert(5, "mine")))) == "23505"
    writer.run("ROLLBACK")
    world.backfill()
    world.complete()
    assert world.names(TARGET) == {1: "v1", 5: "v1", 9: "v1"}


def test_row_moves_behind_the_chunks(either, level):
    """An update of an unmapped column moves an uncopied row to a block that is copied already."""
    world = either
    world.rows(*range(1, 400))
    world.list_chunks()
    world.old().run(f"DELETE FROM {SOURCE} WHERE ctid < '(1,0)'")
    world.owner.run(f"VACUUM (TRUNCATE off) {SOURCE}")
    writer = start(world.old(), level)
    assert world.value(copy_next("insert", 1)) == "done"
    assert world.names(TARGET) == {}
    writer.run(f"UPDATE {SOURCE} SET last_viewed_at = now()")
    writer.run("COMMIT")
    assert world.value(f"SELECT count(*) FROM {SOURCE} WHERE ctid < '(1,0)'") > 0
    world.backfill()
    world.complete()

"""What races with a drain is not lost: it waits, or lands in the queue again."""

from __future__ import annotations

import time

import pytest

from isolation.world import (
    SOURCE,
    TARGET,
    World,
    at_target,
    attempt,
    delete,
    insert,
    start,
    update,
)

DRAIN = "CALL pgtandem.drain('gear')"
SETTLE = "pgtandem_gear.settle(jsonb)"
BATCH = "pgtandem._drain_batch(text,text,bigint)"
KEYS = "pgtandem._drain_keys(text,text,bigint,boolean)"


@pytest.fixture
def copied(either: World) -> World:
    """A complete copy of the rows 1, 5 and 9, and drains that wait long for a lock."""
    either.rows(1, 5, 9)
    either.backfill()
    either.rewrite(BATCH, "'100ms'", "'10s'")
    return either


def test_insert_again_before_the_drain_locks(copied, level):
    """The drain waits for the target's row, and reads the image only then."""
    world = copied
    world.unseen(delete(5))
    world.queue(5)
    writer, drain = start(world.old(), level), world.session()
    writer.run(insert(5, "again"))
    drain.send(DRAIN).waits_for_lock(writer)
    writer.run("COMMIT")
    drain.result()
    world.settled()
    assert world.names(TARGET)[5] == "again"


@pytest.mark.parametrize("gate", ["after the lock", "at the delete"])
def test_insert_again_after_the_drain_has_locked(copied, level, gate):
    """The writer waits for the drain, which deletes the ghost; then its row comes in."""
    world = copied
    world.unseen(delete(5))
    world.queue(5)
    writer, drain = start(world.old(), level), world.held()
    with world.hold(event="DELETE") as holder:
        if gate == "after the lock":
            world.rewrite(
                SETTLE,
                "        IF FOUND THEN\n            UPDATE",
                "        IF FOUND THEN PERFORM test_gate.wait_here();\n            UPDATE",
            )
        drain.send(DRAIN).waits_for_lock(holder)
        writer.send(insert(5, "again")).waits_for_lock(drain)
    drain.result()
    writer.result()
    writer.run("COMMIT")
    world.settled()
    assert world.names(TARGET)[5] == "again"


def test_insert_again_after_half_a_second(copied, level):
    """A drain that holds the row for long: the old application queues its key and goes on."""
    world = copied
    world.unseen(delete(5))
    world.queue(5)
    writer, drain = start(world.old(), level), world.held()
    with world.hold(event="DELETE") as holder:
        drain.send(DRAIN).waits_for_lock(holder)
        writer.run(insert(5, "again"))
        writer.run("COMMIT")
    drain.result()
    assert world.failures() == ["55P03"]
    world.settled()
    assert world.names(TARGET)[5] == "again"


def test_update_during_a_drain(copied, level):
    """The drain has read v2 and writes it; v3 comes meanwhile."""
    world = copied
    world.unseen(update(5, "v2"))
    world.queue(5)
    writer, drain = start(world.old(), level), world.held()
    with world.hold(event="UPDATE") as holder:
        drain.send(DRAIN).waits_for_lock(holder)
        writer.send(update(5, "v3")).waits_for_lock(drain)
    drain.result()
    writer.result()
    writer.run("COMMIT")
    world.settled()
    assert world.names(TARGET)[5] == "v3"


def test_update_during_a_drain_that_inserts(copied, level):
    """The target has no row to lock: the writer's is there first, and the drain looks again."""
    world = copied
    world.unseen(at_target(delete(5)))
    world.queue(5)
    writer, drain = start(world.old(), level), world.held()
    with world.hold(event="INSERT") as holder:
        drain.send(DRAIN).waits_for_lock(holder)
        writer.run(update(5, "v2"))
        writer.run("COMMIT")
    drain.result()
    world.settled()
    assert world.names(TARGET)[5] == "v2"


def test_delete_during_a_drain_that_inserts(copied, level):
    """The target has no row to lock and the trigger finds none, so it queues the key."""
    world = copied
    world.unseen(at_target(delete(5)))
    world.queue(5)
    writer, drain = start(world.old(), level), world.held()
    with world.hold(event="INSERT") as holder:
        drain.send(DRAIN).waits_for_lock(holder)
        writer.run(delete(5))
        writer.run("COMMIT")
    drain.result()
    world.settled()
    assert 5 not in world.names(TARGET)


def test_two_drains_of_one_key(copied, level):
    """One is about to insert the row, which is then deleted; the other sees neither."""
    world = copied
    world.unseen(at_target(delete(5)))
    world.queue(5)
    writer, one, two = start(world.old(), level), world.held(), world.session()
    with world.hold(event="INSERT") as holder:
        one.send(DRAIN).waits_for_lock(holder)
        writer.run(delete(5))
        writer.run("COMMIT")
        two.send(DRAIN)
        while not two.is_done() and not two.blockers():
            time.sleep(0.005)
    one.result()
    two.result()
    world.settled()
    assert 5 not in world.names(TARGET)


def test_new_application_during_a_drain(copied, level):
    """The drain holds the target's row; the new application comes after it, and is not lost."""
    world = copied
    world.unseen(update(5, "v2"))
    world.queue(5)
    writer, drain = world.new(), world.held()
    with world.hold(event="UPDATE") as holder:
        drain.send(DRAIN).waits_for_lock(holder)
        writer.run(f"BEGIN ISOLATION LEVEL {level}")
        writer.send(at_target(update(5, "v3"))).waits_for_lock(drain)
    drain.result()
    if level == "READ COMMITTED":
        writer.result()
        writer.run("COMMIT")
    else:
        assert attempt(writer.result) == "40001"
        writer.run("ROLLBACK")
        writer.run(at_target(update(5, "v3")))
    world.settled()
    assert world.names(SOURCE)[5] == world.names(TARGET)[5] == "v3"


def test_drain_gives_way(either):
    """The new application holds the target's row: the drain stores why, and tries again later."""
    world = either
    world.rows(1, 5)
    world.backfill()
    world.unseen(update(5, "v2"))
    world.queue(5)
    writer = start(world.new(), "READ COMMITTED")
    writer.run(f"SELECT FROM {TARGET} WHERE name = 'v1' FOR UPDATE")
    world.owner.run(DRAIN)
    assert world.value("SELECT sqlstate || attempts FROM pgtandem.recheck") == "55P031"
    writer.run("COMMIT")
    world.settled()


def test_two_drains_share_the_queue(world):
    """Neither waits for the other, and together they do all of it."""
    world.rows(*range(1, 10))
    world.backfill()
    for number in range(1, 10):
        world.unseen(update(number, "v2"))
    world.queue(1)
    one, two = world.held(), world.session()
    with world.hold(event="UPDATE") as holder:
        one.send(DRAIN).waits_for_lock(holder)
        for number in range(2, 10):
            world.queue(number)
        two.run(DRAIN)
        assert world.queued() == 1
    one.result()
    world.complete()

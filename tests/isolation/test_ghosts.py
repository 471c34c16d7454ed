"""A row that is taken away while a chunk that has read it is in flight does not come back."""

from __future__ import annotations

import pytest

from isolation.world import (
    TARGET,
    at_target,
    delete,
    leave,
    rekey,
    start,
    update,
)

pytestmark = pytest.mark.both

COPIED = "SELECT count(*) > 0 AND count(*) = count(done_at) FROM pgtandem.chunk"
AWAY = {"delete": delete(5), "rekey": rekey(5, 50), "leave": leave(5)}


@pytest.fixture(
    params=[(False, "delete"), (False, "rekey"), (True, "delete"), (True, "leave")],
    ids=lambda p: f"{'filtered' if p[0] else 'gear'}-{p[1]}",
)
def case(request, make_world):
    filtered, what = request.param
    return make_world(filtered), AWAY[what]


def test_image_found_and_deleted(case, level):
    """The trigger finds the image and deletes it; the chunk, which read before, puts it back."""
    world, away = case
    world.rows(1, 5, 9)
    world.old().run(update(5, "v2"))
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(away)
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert 5 not in world.names(TARGET)
    assert world.failures() == []


def test_no_image_found(case, level):
    """The trigger finds no image, as the chunk has not written it yet."""
    world, away = case
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(away)
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert 5 not in world.names(TARGET)
    assert world.failures() == []


def test_image_written_but_not_committed(case, level):
    """The chunk has written the image, but the trigger cannot see it yet."""
    world, away = case
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(9) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(away)
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert 5 not in world.names(TARGET)
    assert world.failures() == []


def test_writer_commits_after_the_chunk(case, level):
    """The chunk goes through first; the writer's snapshot is older, and it commits last."""
    world, away = case
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(9) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(away)
    world.until(COPIED)
    writer.run("COMMIT")
    chunk.result()
    world.settled()
    assert 5 not in world.names(TARGET)
    assert world.failures() == []


@pytest.mark.parametrize("filtered", [False, True], ids=["gear", "filtered"])
def test_snapshot_older_than_the_copy(make_world, filtered, level):
    """The chunk is committed, but the writer's snapshot does not see what it wrote."""
    world = make_world(filtered)
    away = leave(5) if filtered else delete(5)
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.session()
    chunk.send("CALL pgtandem.backfill('gear')")
    world.until(COPIED)
    if level != "READ COMMITTED":
        world.until(
            f"SELECT coalesce(bool_or(waiting_for LIKE '%(pid {writer.pid})'), false) "
            "FROM pgtandem.progress"
        )
        assert not chunk.is_done()
    writer.run(away)
    writer.run("COMMIT")
    chunk.result()
    if level == "READ COMMITTED":
        world.settled()
    else:
        world.complete()
    assert 5 not in world.names(TARGET)


@pytest.mark.parametrize("away", [delete(5), rekey(5, 50)], ids=["delete", "rekey"])
def test_from_the_target(world, level, away):
    """The new application takes a row away while a chunk that has read it is in flight."""
    away = at_target(away)
    world.rows(1, 5, 9)
    world.old().run(update(5, "v2"))
    writer, chunk = start(world.new(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(away)
        writer.run("COMMIT")
    chunk.result()
    world.complete()
    assert 5 not in world.names(TARGET)


def test_a_drain_beside_the_chunk_forgets_nothing(either, level):
    """A drain settles the key while the chunk is in flight; the chunk puts the image back later."""
    world = either
    world.rows(1, 5, 9)
    writer, chunk = start(world.old(), level), world.held()
    with world.hold(1) as holder:
        chunk.send("CALL pgtandem.backfill('gear')").waits_for_lock(holder)
        writer.run(delete(5))
        writer.run("COMMIT")
        world.owner.run("CALL pgtandem.drain('gear')")
    chunk.result()
    world.complete()
    assert 5 not in world.names(TARGET)

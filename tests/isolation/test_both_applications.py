"""Both applications write the same row: one may have to try again, but nothing is lost."""

from __future__ import annotations

import time

import pytest

from isolation.world import (
    GATES,
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

BRAND = f"UPDATE {TARGET} SET brand = 'new' WHERE id = {uid(5)}"
HOLD = f"SELECT FROM {TARGET} WHERE id = {uid(5)} FOR UPDATE"


@pytest.fixture(params=["while the copy is open", "after the copy"])
def pair(request: pytest.FixtureRequest, either: World) -> World:
    """Rows 1, 5 and 9 on both sides."""
    either.rows(1, 5, 9)
    either.backfill()
    if request.param == "while the copy is open":
        either.owner.run("SELECT pgtandem.open_copy('gear')")
    return either


def both(world: World) -> tuple[str, str]:
    """Name and brand of row 5, where both sides agree."""
    world.settled()
    query = f"SELECT name, brand FROM {SOURCE} WHERE id = {uid(5)}"
    source, target = world.owner.run(query)[0], world.owner.run(at_target(query))[0]
    assert source == target
    return source


def test_old_application_first(pair, level):
    """The new one waits for the target's row, then writes its own column alone."""
    old, new = start(pair.old(), level), pair.new()
    old.run(update(5, "old"))
    new.run(f"BEGIN ISOLATION LEVEL {level}")
    new.send(BRAND).waits_for_lock(old)
    old.run("COMMIT")
    if level == "READ COMMITTED":
        new.result()
        new.run("COMMIT")
    else:
        assert attempt(new.result) == "40001"
        new.run("ROLLBACK")
        new.run(BRAND)
    assert both(pair) == ("old", "new")


def test_new_application_first(pair, level):
    """The old one waits for its own row, which the way back has written."""
    old, new = pair.old(), start(pair.new(), level)
    new.run(BRAND)
    old.run(f"BEGIN ISOLATION LEVEL {level}")
    old.send(update(5, "old")).waits_for_lock(new)
    new.run("COMMIT")
    if level == "READ COMMITTED":
        old.result()
        old.run("COMMIT")
    else:
        assert attempt(old.result) == "40001"
        old.run("ROLLBACK")
        old.run(update(5, "old"))
    assert both(pair) == ("old", "new")


def test_crossing(pair, level):
    """Each holds its own row and wants the other's: the old application's sync gives way."""
    world = pair
    old, new = start(world.old(), level), world.new()
    new.run(f"BEGIN ISOLATION LEVEL {level}")
    new.run(HOLD)
    began = time.monotonic()
    old.send(update(5, "old")).waits_for_lock(new)
    new.send(BRAND).waits_for_lock(old)
    old.result()
    waited = time.monotonic() - began
    assert 0.4 < waited < 0.9
    old.run("COMMIT")
    if level == "READ COMMITTED":
        new.result()
        new.run("COMMIT")
    else:
        assert attempt(new.result) == "40001"
        new.run("ROLLBACK")
        new.run(BRAND)
    assert world.failures() == ["55P03"]
    assert both(world) == ("old", "new")


def test_one_wait_a_transaction(world, level):
    """Many rows, several statements: the old application waits once, half a second."""
    world.rows(*range(1, 5))
    world.backfill()
    old, new = start(world.old(), level), world.new()
    new.run("BEGIN")
    new.run(f"SELECT FROM {TARGET} FOR UPDATE")
    began = time.monotonic()
    old.run(f"UPDATE {SOURCE} SET name = 'v2'")
    old.run(f"UPDATE {SOURCE} SET brand = 'b'")
    old.run(f"DELETE FROM {SOURCE} WHERE id = {uid(3)}")
    waited = time.monotonic() - began
    old.run("COMMIT")
    assert 0.4 < waited < 0.9
    new.run("COMMIT")
    world.settled()
    assert world.names(TARGET) == {n: "v2" for n in range(1, 5) if n != 3}


def test_update_against_delete(world, level):
    """The old application updates, the new one deletes: the later commit wins, on both sides."""
    world.rows(1, 5, 9)
    world.backfill()
    old, new = start(world.old(), level), start(world.new(), "READ COMMITTED")
    new.run(HOLD)
    old.send(update(5, "old")).waits_for_lock(new)
    new.send(at_target(delete(5))).waits_for_lock(old)
    old.result()
    old.run("COMMIT")
    new.result()
    new.run("COMMIT")
    world.settled()
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 9: "v1"}


def test_delete_against_update(world, level):
    """The old application deletes what the new one updates: told to try again, it finds no row."""
    world.rows(1, 5, 9)
    world.backfill()
    old, new = start(world.old(), level), start(world.new(), "READ COMMITTED")
    new.run(HOLD)
    old.send(delete(5)).waits_for_lock(new)
    new.send(BRAND).waits_for_lock(old)
    old.result()
    old.run("COMMIT")
    assert attempt(new.result) == "40001"
    new.run("ROLLBACK")
    world.settled()
    new.run(BRAND)
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 9: "v1"}


def test_both_insert_one_key(world, level):
    """Both insert the same key at once: one gets the unique violation that it would get anyway."""
    world.owner.run(GATES)
    world.owner.run(
        f"CREATE TRIGGER aaa_gate AFTER INSERT ON {TARGET} FOR EACH ROW "
        "WHEN (current_setting('application_name') = 'held') EXECUTE FUNCTION test_gate.wait()"
    )
    old, new = start(world.old(), level), world.session("new_app", "held")
    with world.locked() as holder:
        new.send(at_target(insert(5, "new"))).waits_for_lock(holder)
        old.send(insert(5, "old")).waits_for_lock(new)
    old.result()
    old.run("COMMIT")
    assert attempt(new.result) == "23505"
    world.settled()
    assert world.names(SOURCE) == world.names(TARGET) == {5: "old"}


def test_rows_in_opposite_order_are_an_ordinary_deadlock(world, level):
    """PostgreSQL ends one of the two, which tries again; nothing is lost."""
    world.rows(1, 5)
    world.backfill()
    old, new = start(world.old(), level), start(world.new(), level)
    old.run(update(1, "old"))
    new.run(at_target(update(5, "new")))
    old.send(update(5, "old")).waits_for_lock(new)
    new.send(at_target(update(1, "new"))).waits_for_lock(old)
    errors = {old: "", new: ""}
    while not (old.is_done() or new.is_done()):
        time.sleep(0.01)
    for first, second in ((old, new), (new, old)):
        if first.is_done():
            errors[first] = attempt(first.result)
            first.run("COMMIT")
            errors[second] = attempt(second.result)
            second.run("COMMIT")
            break
    assert sorted(errors.values()) == ["", "40P01"]
    world.settled()
    winner = "new" if errors[old] else "old"
    assert world.names(SOURCE) == world.names(TARGET) == {1: winner, 5: winner}

"""Writes that the application's own triggers, rules and tools make are carried over, too."""

from __future__ import annotations

import psycopg
import pytest

from isolation.world import (
    SOURCE,
    TARGET,
    World,
    at_target,
    attempt,
    delete,
    insert,
    rekey,
    start,
    uid,
    update,
)


def trigger(world: World, table: str, name: str, when: str, body: str) -> None:
    """A trigger of the application; `name` decides whether it fires before ours or after."""
    function = f"{table.split('.', maxsplit=1)[0]}.{name}()"
    world.owner.run(
        f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )
    world.owner.run(
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}"
    )


BEFORE_AND_AFTER = pytest.mark.parametrize("name", ["a_first", "z_last"])
SIDES = pytest.mark.parametrize("table", [SOURCE, TARGET], ids=["source", "target"])


def on(table: str, statement: str) -> str:
    return at_target(statement) if table == TARGET else statement


@BEFORE_AND_AFTER
@SIDES
def test_after_trigger_writes_the_same_row(either, level, table, name):
    """The row is written again before the sync of the first write has run."""
    world = either
    world.rows(1, 5)
    world.backfill()
    trigger(
        world, table, name, "AFTER INSERT OR UPDATE",
        f"IF NEW.name NOT LIKE '%!' THEN UPDATE {table} SET name = NEW.name || '!' "
        "WHERE id = NEW.id; END IF; RETURN NULL;",
    )  # fmt: skip
    writer = start(world.old() if table == SOURCE else world.new(), level)
    writer.run(on(table, update(5, "v2")))
    writer.run(on(table, insert(7, "v2")))
    writer.run("COMMIT")
    assert world.failures() == []
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 5: "v2!", 7: "v2!"}
    world.settled()


@BEFORE_AND_AFTER
@SIDES
def test_after_trigger_writes_other_rows(world, table, name):
    """A write of one row makes another, and changes a third."""
    world.rows(1, 5)
    world.backfill()
    trigger(
        world, table, name, "AFTER UPDATE",
        f"IF NEW.id = {uid(5)} THEN UPDATE {table} SET name = 'third' WHERE id = {uid(1)}; "
        f"INSERT INTO {table} (id, user_id, name) VALUES ({uid(7)}, NEW.user_id, 'made'); "
        "END IF; RETURN NULL;",
    )  # fmt: skip
    (world.old() if table == SOURCE else world.new()).run(on(table, update(5, "v2")))
    assert world.failures() == []
    assert world.names(SOURCE) == world.names(TARGET) == {1: "third", 5: "v2", 7: "made"}


@BEFORE_AND_AFTER
@SIDES
def test_after_trigger_takes_the_row_away(world, table, name):
    """What was written is deleted, or gets another key, before its sync has run."""
    world.rows(1, 5, 6)
    world.backfill()
    trigger(
        world, table, name, "AFTER UPDATE",
        f"IF NEW.name = 'away' THEN DELETE FROM {table} WHERE id = NEW.id; "
        f"ELSIF NEW.name = 'rekey' THEN UPDATE {table} SET id = {uid(60)}, name = 'rekeyed' "
        "WHERE id = NEW.id; END IF; RETURN NULL;",
    )  # fmt: skip
    writer = world.old() if table == SOURCE else world.new()
    writer.run(on(table, update(5, "away")))
    writer.run(on(table, update(6, "rekey")))
    assert world.failures() == []
    world.settled()
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 60: "rekeyed"}


@BEFORE_AND_AFTER
@pytest.mark.parametrize("what", ["delete", "rekey"])
def test_key_change_and_then_away(world, name, what):
    """A key is changed, and a trigger then deletes the row or changes its key again."""
    world.rows(1, 5)
    world.backfill()
    trigger(
        world, SOURCE, name, "AFTER UPDATE",
        f"IF NEW.id = {uid(50)} THEN "
        + (delete(50) if what == "delete" else rekey(50, 51)) + "; END IF; RETURN NULL;",
    )  # fmt: skip
    world.old().run(rekey(5, 50))
    assert world.failures() == []
    world.settled()
    assert world.names(TARGET) == ({1: "v1"} if what == "delete" else {1: "v1", 51: "v1"})


@SIDES
def test_before_trigger_changes_what_is_written(world, table):
    """On the side that is written, what it makes of the row is carried over."""
    world.rows(1, 5)
    world.backfill()
    trigger(
        world, table, "a_first", "BEFORE INSERT OR UPDATE",
        "IF pg_trigger_depth() = 1 THEN NEW.name := upper(NEW.name); END IF; RETURN NEW;",
    )  # fmt: skip
    (world.old() if table == SOURCE else world.new()).run(on(table, update(5, "loud")))
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 5: "LOUD"}


def test_before_trigger_of_the_target_changes_what_we_write(world, level):
    """The image does not survive: TD010 is recorded, and the old application goes on."""
    world.rows(1, 5)
    world.backfill()
    trigger(world, TARGET, "a_first", "BEFORE INSERT OR UPDATE",
            "NEW.name := upper(NEW.name); RETURN NEW;")  # fmt: skip
    old = start(world.old(), level)
    old.run(update(5, "loud"))
    old.run("COMMIT")
    assert world.failures() == ["TD010"]
    world.owner.run("CALL pgtandem.drain('gear')")
    assert world.value("SELECT sqlstate FROM pgtandem.failures") == "TD010"
    world.owner.run(f"DROP TRIGGER a_first ON {TARGET}")
    world.settled()


def test_before_trigger_of_the_source_changes_what_we_write_back(world):
    """The new application is told that its value does not survive; nothing is written."""
    world.rows(1, 5)
    world.backfill()
    trigger(world, SOURCE, "a_first", "BEFORE INSERT OR UPDATE",
            "NEW.name := upper(NEW.name); RETURN NEW;")  # fmt: skip
    assert attempt(lambda: world.new().run(at_target(update(5, "loud")))) == "TD011"
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 5: "v1"}


def test_copy_from(either):
    """COPY fires row triggers like any INSERT."""
    world = either
    world.rows(1)
    cursor = world.old().connection.cursor()
    with cursor.copy(f"COPY {SOURCE} (id, user_id, name, type) FROM STDIN") as copy:
        for number in (5, 6):
            copy.write_row((uid(number).strip("'"), uid(0).strip("'"), "copied", None))
    assert world.names(TARGET) == {5: "copied", 6: "copied"}
    world.backfill()
    world.complete()


def test_logical_replication(world):
    """Rows that a subscription applies fire no ordinary trigger; ours fire always."""
    world.rows(1, 5)
    world.backfill()
    apply = world.session("postgres")
    apply.run("SET session_replication_role = replica")
    for statement in (update(5, "v2"), insert(6), delete(1), at_target(update(6, "v3"))):
        apply.run(statement)
    assert world.names(SOURCE) == world.names(TARGET) == {5: "v2", 6: "v3"}


def test_rules(world):
    """A rule turns one write into another; the other is carried over."""
    world.rows(1, 5)
    world.backfill()
    world.owner.run(
        f"CREATE RULE no_delete AS ON DELETE TO {SOURCE} DO INSTEAD "
        f"UPDATE {SOURCE} SET name = 'deleted' WHERE id = OLD.id"
    )
    world.old().run(delete(5))
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v1", 5: "deleted"}


def test_cascade(world):
    """A user goes, and so does the equipment, on both sides."""
    world.rows(1, 5)
    world.backfill()
    world.old().run("DELETE FROM user_core.users")
    assert world.names(SOURCE) == world.names(TARGET) == {}
    world.complete()


@pytest.mark.parametrize("when", ["before the copy", "after the copy"])
def test_prepared_transaction(world, level, when):
    """A prepared delete holds its row until it is committed; the backfill waits for it."""
    world.rows(1, 5)
    writer = start(world.old(), level)
    world.list_chunks()
    if when == "after the copy":
        assert world.value("SELECT rows FROM pgtandem._copy_next('gear', 64, 'insert')") == 2
    writer.run(delete(5))
    writer.run("PREPARE TRANSACTION 'two_phases'")
    copy = world.session()
    copy.send("CALL pgtandem.backfill('gear')")
    try:
        world.waits("1 older transactions to end (pid none, prepared)")
    finally:
        world.old().run("COMMIT PREPARED 'two_phases'")
    copy.result()
    assert world.value("SELECT copy_state FROM pgtandem.mapping") == "complete"
    world.settled()
    assert world.names(TARGET) == {1: "v1"}


def test_savepoints(either, level):
    """What is rolled back to a savepoint is rolled back on both sides."""
    world = either
    world.rows(1, 5)
    world.backfill()
    old = start(world.old(), level)
    old.run(update(5, "v2"))
    old.run("SAVEPOINT s")
    old.run(delete(5))
    old.run(insert(6))
    old.run("ROLLBACK TO s")
    old.run(update(1, "v3"))
    old.run("COMMIT")
    assert world.names(SOURCE) == world.names(TARGET) == {1: "v3", 5: "v2"}
    world.settled()


@SIDES
def test_truncate_is_refused(world, table):
    """TD014 on both sides, and both keep their rows."""
    world.rows(1, 5)
    world.backfill()
    with pytest.raises(psycopg.Error) as refused:
        world.owner.run(f"TRUNCATE {table} CASCADE")
    assert refused.value.sqlstate == "TD014"
    world.complete()

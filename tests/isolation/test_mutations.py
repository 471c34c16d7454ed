"""Each protection taken away on purpose: the interleaving that it is for must then fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from isolation import test_applications as applications
from isolation import test_both_applications as both
from isolation import test_drains as drains
from isolation import test_ghosts as ghosts
from isolation import test_stale as stale
from isolation import test_waits as waits
from isolation.world import LEVELS, SOURCE, World, delete

FORWARD = "pgtandem_gear.sync_forward()"
BACK = "pgtandem_gear.sync_back()"
COPY = "pgtandem_gear.copy_chunk(regclass,bigint,bigint,text)"
COPY_NEXT = "pgtandem._copy_next(text,bigint,text)"
OLDER = "pgtandem._older_transactions(text,text[])"
QUEUED = "(NOT FOUND OR pgtandem_gear.copy_is_open()"
RC, RR, _ = LEVELS


@dataclass
class Mutation:
    """A piece of a routine, what takes its place, and the test that must then fail.

    `tests` takes the world; `statement` breaks what is no routine.
    """

    name: str
    test: Callable[[World], Any]
    routine: str = ""
    old: str = ""
    new: str = ""
    statement: str = ""
    prepare: Callable[[World], Any] = field(default=lambda world: None)


def copied(world: World) -> None:
    world.rows(1, 5, 9)
    world.backfill()
    world.rewrite(drains.BATCH, "'100ms'", "'10s'")


def pair(world: World) -> None:
    world.rows(1, 5, 9)
    world.backfill()


def gone(test: Callable[..., Any], level: str = RC) -> Callable[[World], Any]:
    return lambda world: test((world, delete(5)), level)


MUTATIONS = [
    Mutation(
        "a deleted image is not queued while the copy is open",
        gone(ghosts.test_image_found_and_deleted),
        FORWARD, QUEUED, "(NOT FOUND",
    ),
    Mutation(
        "a delete without an image is not queued: chunk not yet there",
        gone(ghosts.test_no_image_found),
        FORWARD, QUEUED, "(FOUND",
    ),
    Mutation(
        "a delete without an image is not queued: chunk not yet committed",
        gone(ghosts.test_image_written_but_not_committed),
        FORWARD, QUEUED, "(FOUND",
    ),
    Mutation(
        "a delete without an image is not queued: writer commits last",
        gone(ghosts.test_writer_commits_after_the_chunk, RR),
        FORWARD, QUEUED, "(FOUND",
    ),
    Mutation(
        "a delete without an image is queued only while the copy is open",
        lambda world: drains.test_delete_during_a_drain_that_inserts(world, RC),
        FORWARD, QUEUED, "(pgtandem_gear.copy_is_open()", prepare=copied,
    ),
    Mutation(
        "the new application's delete is not queued",
        lambda world: ghosts.test_from_the_target(world, RC, delete(5)),
        BACK, "IF pgtandem_gear.copy_is_open() THEN", "IF false THEN",
    ),
    Mutation(
        "a drain beside the copy forgets what is gone",
        lambda world: ghosts.test_a_drain_beside_the_chunk_forgets_nothing(world, RC),
        drains.KEYS, "p_upto IS NULL AND (", "false AND (",
    ),
    Mutation(
        "the backfill does not wait for older snapshots",
        waits.test_backfill_waits_for_an_old_snapshot,
        OLDER, "l.locktype = 'virtualxid'", "false",
    ),
    Mutation(
        "the backfill does not wait for who has written, and is idle",
        lambda world: waits.test_backfill_waits_for_an_idle_writer(world, delete(5)),
        OLDER, "OR l.locktype = 'relation'", "OR false",
    ),
    Mutation(
        "the backfill does not wait for a prepared transaction",
        waits.test_backfill_waits_for_a_prepared_writer,
        OLDER, "l.pid IS DISTINCT FROM", "l.pid <>",
    ),
    Mutation(
        "the chunk's last resort overwrites",
        lambda world: stale.test_chunk_read_the_old_version(world, RC, "ignore"),
        COPY, "ON CONFLICT (id) DO NOTHING", "ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    ),
    Mutation(
        "an overwriting chunk does not lock what it reads",
        lambda world: stale.test_overwriting_chunk_locks_what_it_read(world, RC),
        COPY, "FOR NO KEY UPDATE OF source", "",
    ),
    Mutation(
        "rows that move are not watched",
        lambda world: stale.test_row_moves_behind_the_chunks(world, RC),
        statement=f"ALTER TABLE {SOURCE} DISABLE TRIGGER pgtandem_gear_moved",
    ),
    Mutation(
        "another file of the source goes unnoticed",
        waits.test_vacuum_full_between_chunks,
        COPY_NEXT, "IS DISTINCT FROM v_chunk.filenode", "IS NULL",
    ),
    Mutation(
        "the drain does not lock the target's row before it reads",
        lambda world: drains.test_insert_again_before_the_drain_locks(world, RC),
        drains.SETTLE, "FOR UPDATE;", ";", prepare=copied,
    ),
    Mutation(
        "two drains settle one key at once",
        lambda world: drains.test_two_drains_of_one_key(world, RC),
        "pgtandem._settle(text,jsonb)", "pg_advisory_xact_lock(", "abs(",
        prepare=copied,
    ),
    Mutation(
        "the sync waits longer than a deadlock takes",
        lambda world: both.test_crossing(world, RC),
        FORWARD, "lock_timeout TO '500ms'", "lock_timeout TO '5s'", prepare=pair,
    ),
    Mutation(
        "the sync waits once for each row",
        lambda world: both.test_one_wait_a_transaction(world, RC),
        FORWARD, "IF current_setting('pgtandem_gear.state', true) = 'queue' THEN", "IF false THEN",
    ),
    Mutation(
        "the way back writes the whole row",
        lambda world: both.test_crossing(world, RC),
        BACK, "name = CASE WHEN v_old.name IS DISTINCT FROM v_new.name", "name = CASE WHEN true",
        prepare=pair,
    ),
    Mutation(
        "a row that a trigger has written again is not read again",
        lambda world: applications.test_after_trigger_writes_the_same_row(
            world, RC, SOURCE, "a_first"
        ),
        FORWARD, "IF current_setting('pgtandem_gear.state', true) = 'nested'", "IF false",
    ),
    Mutation(
        "the old key of a row that a trigger takes away is forgotten",
        lambda world: applications.test_key_change_and_then_away(world, "a_first", "delete"),
        FORWARD, "                IF TG_OP = 'UPDATE' THEN\n                    -- What took",
        "                IF false THEN\n                    -- What took",
    ),
    Mutation(
        "replicated rows fire no trigger",
        applications.test_logical_replication,
        statement=f"ALTER TABLE {SOURCE} ENABLE TRIGGER pgtandem_gear_update",
    ),
]  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_protection_is_needed(world: World, mutation: Mutation) -> None:
    world.patience = 1.0
    mutation.prepare(world)
    if mutation.statement:
        world.owner.run(mutation.statement)
    else:
        world.rewrite(mutation.routine, mutation.old, mutation.new)
    with pytest.raises((AssertionError, psycopg.Error)):
        mutation.test(world)

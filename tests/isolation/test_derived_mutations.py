"""Each protection of joins, rows and in place taken away: its interleaving must then fail."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from isolation import derived_world as worlds
from isolation import test_derived as derived
from isolation.derived_world import Derived
from isolation.test_derived import make_derived  # noqa: F401 - the fixture
from isolation.world import LEVELS

RC, RR, _ = LEVELS
KEYS = "pgtandem._drain_keys(text,text,bigint,boolean)"
CLOSE = "pgtandem._backfill_close(text,pgtandem.backfill_step)"
COPY = "copy_chunk(regclass,bigint,bigint,text)"
SUMS = (worlds.JOINS, worlds.JOINED)
PARTS = (worlds.PARTS, worlds.PROFILES)
RENAMED = (worlds.RENAMED, worlds.PEOPLE)


@dataclass
class Mutation:
    """A piece of a routine, what takes its place, and the test that must then fail."""

    name: str
    kind: tuple[str, str]
    test: Callable[[Derived], Any]
    routine: str = ""
    old: str = ""
    new: str = ""
    statement: str = ""


MUTATIONS = [
    Mutation(
        "a drain beside a copy that overwrites forgets what it has settled",
        SUMS, lambda world: derived.test_chunk_overwrites_with_an_older_image(world, RC),
        KEYS, "v_keep_gone AND (", "false AND (",
    ),
    Mutation(
        "a drain beside the copy forgets a part that is gone",
        PARTS, lambda world: derived.test_chunk_puts_back_a_part(world, RC),
        KEYS, "v_keep_gone AND (", "false AND (",
    ),
    Mutation(
        "the close does not look behind what was touched",
        SUMS, derived.test_message_queued_before_the_close_is_resolved_by_it,
        CLOSE, "p_step.stage := 'resolve'", "p_step.stage := 'drain'",
    ),
    Mutation(
        "the writer looks up the key, not the drain",
        SUMS, lambda world: derived.test_talk_moves_while_a_message_comes(
            world, RC, "move", "a drain"
        ),
        "pgtandem_sums.touched_message()",
        "PERFORM pgtandem.queue('sums', v_after, 'queued', 'target', 'message');",
        "PERFORM pgtandem.queue('sums', k, 'queued') "
        "FROM pgtandem_sums.touched('message', v_after) AS k;",
    ),
    Mutation(
        "a step on the way has no trigger",
        SUMS, lambda world: derived.test_talk_moves_while_a_message_comes(
            world, RC, "message", "a drain"
        ),
        statement="ALTER TABLE bill.talk DISABLE TRIGGER pgtandem_sums_talk",
    ),
    Mutation(
        "a moved row touches only where it has gone",
        SUMS, lambda world: derived.test_talk_moves_while_a_message_comes(
            world, RC, "message", "a drain"
        ),
        "pgtandem_sums.touched_talk()", "IF NOT v_before @> '[null]' THEN", "IF false THEN",
    ),
    Mutation(
        "a chunk leaves out who has no row in a joined table",
        SUMS, lambda world: derived.test_paying_for_the_same_two_in_opposite_order(world, RC),
        "pgtandem_sums." + COPY, "LEFT JOIN LATERAL", "JOIN LATERAL",
    ),
    Mutation(
        "the trigger settles at once",
        SUMS, lambda world: derived.test_paying_for_the_same_two_in_opposite_order(world, RC),
        "pgtandem_sums.touched_payment()",
        "PERFORM pgtandem.queue('sums', v_after, 'queued', 'target', NULL);",
        "PERFORM pgtandem._settle('sums', v_after);",
    ),
    Mutation(
        "rows that a replica applies are not queued",
        SUMS, derived.test_replicated_rows_of_joined_tables,
        statement="ALTER TABLE bill.payment ENABLE TRIGGER pgtandem_sums_payment",
    ),
    Mutation(
        "a TRUNCATE of a joined table goes through",
        SUMS, derived.test_truncate_of_a_joined_table_is_refused,
        statement="ALTER TABLE bill.payment DISABLE TRIGGER pgtandem_sums_payment_truncate",
    ),
    Mutation(
        "a drain takes away what the mapping does not own",
        PARTS, lambda world: derived.test_a_part_of_the_new_applications_own_stays(world, RC),
        "pgtandem_parts.settle(jsonb)",
        "(SELECT (kind <> 'mine') FROM (SELECT t.*) AS target)", "true",
    ),
    Mutation(
        "a drain of rows does not look again",
        PARTS, derived.test_drain_looks_again_after_a_chunk,
        "pgtandem_parts.settle(jsonb)", "IF NOT EXISTS (\n               SELECT", "IF true OR EXISTS (SELECT",
    ),
    Mutation(
        "rows that move are not watched in place",
        RENAMED, lambda world: derived.test_row_that_is_not_copied_yet_moves(world, RC),
        statement='ALTER TABLE shop.person DISABLE TRIGGER "~pgtandem_renamed_moved"',
    ),
    Mutation(
        "the new application's write does not go back in place",
        RENAMED, lambda world: derived.test_chunk_comes_after_a_writer(world, RC, "full_name"),
        statement='ALTER TABLE shop.person DISABLE TRIGGER "~pgtandem_renamed_update"',
    ),
]  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_protection_is_needed(make_derived: Any, mutation: Mutation) -> None:  # noqa: F811
    world = make_derived(*mutation.kind)
    world.patience = 1.0
    if mutation.statement:
        world.owner.run(mutation.statement)
    else:
        world.rewrite(mutation.routine, mutation.old, mutation.new)
    with pytest.raises((AssertionError, psycopg.Error, pytest.fail.Exception)):
        mutation.test(world)

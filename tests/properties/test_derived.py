"""Rules 1 to 3 for what is made of several tables, of several rows, and in place."""

# ruff: noqa: E501 - a case a line
from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from properties.conftest import PROFILE
from properties.derived import SHAPES, derived_machine
from properties.test_mutations import HUNT
from properties.world import World

# Six shapes: fewer of each, where a run should take minutes.
SOME = settings(settings.get_profile(PROFILE), max_examples=10 if PROFILE == "ci" else 300)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_end_is_always_the_same(world: World, kind: str) -> None:
    run_state_machine_as_test(derived_machine(world, SHAPES[kind]()), settings=SOME)


MUTATIONS = {
    "a moved row touches only where it has gone": (
        "joins",
        ("    IF NOT v_before @> '[null]' THEN\n", "    IF false THEN\n"),
    ),
    "a step on the way is not watched": (
        "joins",
        ("ENABLE ALWAYS TRIGGER pgtandem_joined_talk;", "DISABLE TRIGGER pgtandem_joined_talk;"),
    ),
    "a chunk leaves out who has no row in a joined table": (
        "joins",
        ("LEFT JOIN LATERAL (", "JOIN LATERAL ("),
    ),
    "what is touched is looked up by the key": (
        "joins",
        ("WHERE source.email = ($2 ->> 0)::text", "WHERE source.id::text = ($2 ->> 0)::text"),
    ),
    "parts that are gone stay": (
        "rows",
        ("        DELETE FROM new.part AS t\n        WHERE", "        DELETE FROM new.part AS t\n        WHERE false AND"),
    ),
}  # fmt: skip


# What random writes find only after a minute; tests/isolation finds it by its interleaving.
SLOW = {"what is touched is looked up by the key", "a step on the way is not watched"}


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_is_broken_is_found(world: World, name: str) -> None:
    if name in SLOW and PROFILE == "ci":
        pytest.skip("takes minutes: PGTANDEM_PROPERTIES=thorough")
    kind, mutation = MUTATIONS[name]
    broken = SHAPES[kind]().broken(mutation)
    with pytest.raises(Exception, match=r"wrong|differ|failed"):
        run_state_machine_as_test(derived_machine(world, broken), settings=HUNT)

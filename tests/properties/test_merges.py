"""Merges: whoever writes what, and whenever, each rule holds at the end."""

# ruff: noqa: E501 - a mutation a line
from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from properties.conftest import PROFILE
from properties.derived import derived_machine
from properties.merges import merged
from properties.test_mutations import HUNT
from properties.world import World

SOME = settings(settings.get_profile(PROFILE), max_examples=5 if PROFILE == "ci" else 300)


@pytest.mark.parametrize("wins", ["source", "target", "newest"])
def test_the_rule_holds(world: World, wins: str) -> None:
    run_state_machine_as_test(derived_machine(world, merged(wins)), settings=SOME)


NEWER = "coalesce(i.at > t.at, i.at IS NOT NULL AND t.at IS NULL)"
MUTATIONS = {
    "a drain overwrites what is newer": ("newest", (f"WHERE t.id = v_key1 AND i.id = v_key1\n              AND {NEWER};", "WHERE t.id = v_key1 AND i.id = v_key1;")),
    "a chunk overwrites what is newer": ("newest", ("coalesce(excluded.at > t.at, excluded.at IS NOT NULL AND t.at IS NULL)", "true"), (f"AND NOT {NEWER}", "AND false")),
    "a drain never overwrites": ("source", ("FROM pgtandem_merged.image_of_key AS i\n            WHERE t.id", "FROM pgtandem_merged.image_of_key AS i\n            WHERE false AND t.id")),
    "a chunk never creates": ("target", ("ON CONFLICT (id) DO NOTHING\n        $merge$", "OFFSET 1 ON CONFLICT (id) DO NOTHING\n        $merge$")),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_is_broken_is_found(world: World, name: str) -> None:
    wins, *mutations = MUTATIONS[name]
    with pytest.raises(Exception, match=r"wrong|differ|failed"):
        run_state_machine_as_test(
            derived_machine(world, merged(wins).broken(*mutations)), settings=HUNT
        )

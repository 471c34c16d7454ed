"""Rules 1 to 3 for what is made of several tables, of several rows, and in place."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from properties.derived import SHAPES, derived_machine
from properties.world import World


@pytest.mark.parametrize("kind", SHAPES)
def test_the_end_is_always_the_same(world: World, kind: str) -> None:
    run_state_machine_as_test(derived_machine(world, SHAPES[kind]()))

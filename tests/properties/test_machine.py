"""Rules 1 to 3 of the design, in any order of everything."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from properties import shapes
from properties.machine import machine


@pytest.mark.parametrize("shape", [shapes.gear(), shapes.nasty()], ids=lambda shape: shape.name)
def test_both_sides_agree_whatever_happens(world, shape):
    run_state_machine_as_test(machine(world, shape))

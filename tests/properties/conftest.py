"""How much is tried: `ci` unless PGTANDEM_PROPERTIES says `thorough`, as a nightly run does."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from properties.world import World

COMMON = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "report_multiple_bugs": False,
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("ci", max_examples=25, stateful_step_count=30, **COMMON)
settings.register_profile("thorough", max_examples=500, stateful_step_count=60, **COMMON)
# To find out whether something is found at all; nothing is made small.
settings.register_profile(
    "hunt", max_examples=500, stateful_step_count=40, phases=[Phase.generate], **COMMON
)
PROFILE = os.environ.get("PGTANDEM_PROPERTIES", "ci")
settings.load_profile(PROFILE)


@pytest.fixture(scope="session")
def world(server, engine_template) -> Iterator[World]:
    made = World(server, engine_template)
    yield made
    made.close()

"""The properties find what is broken on purpose: rendered SQL with one protection taken out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from properties import shapes
from properties.conftest import PROFILE
from properties.machine import machine
from properties.shapes import Shape
from properties.test_compare import the_comparison_is_exact
from properties.test_contract import contract_is_gated
from properties.test_record import the_old_application_never_notices
from properties.test_revert import road
from properties.test_triggers import the_applications_triggers_do_no_harm
from properties.world import World

# Found or not is the question: nothing is made small.
HUNT = settings(
    settings.get_profile("hunt"),
    derandomize=True,
    max_examples=400,
    stateful_step_count=30,
    phases=[Phase.generate],
)


def by_machine(world: World, shape: Shape) -> None:
    run_state_machine_as_test(machine(world, shape), settings=HUNT)


def by_road(world: World, shape: Shape) -> None:
    run_state_machine_as_test(road(world, shape), settings=HUNT)


def by_triggers(world: World, shape: Shape) -> None:
    with_profile(the_applications_triggers_do_no_harm, world, shape)


def by_record(world: World, shape: Shape) -> None:
    with_profile(the_old_application_never_notices, world, shape)


def by_compare(world: World, shape: Shape) -> None:
    with_profile(the_comparison_is_exact, world, shape)


def by_contract(world: World, shape: Shape) -> None:
    with_profile(contract_is_gated, world, shape)


def with_profile(check: Callable[[World, Shape], None], world: World, shape: Shape) -> None:
    settings.register_profile("mutations", HUNT)
    settings.load_profile("mutations")
    try:
        check(world, shape)
    finally:
        settings.load_profile(PROFILE)


@dataclass(frozen=True)
class Mutation:
    """One protection taken out.

    Attributes:
        name: what is broken.
        old: text of the rendered scripts; `new` takes its place everywhere.
        found: the property that must fail.
        quick: found within seconds, so that it can be tried on every change.
        also: a second such pair, where a second protection would mend the first.
    """

    name: str
    shape: Shape
    old: str
    new: str
    found: Callable[[World, Shape], Any]
    quick: bool = True
    also: tuple[str, str] | None = None


GEAR, NASTY = shapes.gear(), shapes.nasty()
MUTATIONS = (
    Mutation(
        "rule 1: the sync forgets a column",
        GEAR,
        "                    brand = excluded.brand,\n",
        "",
        by_triggers,
        also=("                  AND t.brand IS NOT DISTINCT FROM v_new.brand\n", ""),
    ),
    Mutation(
        "rule 1: a row that leaves the filter stays",
        NASTY,
        "ELSIF v_kept IS NULL AND TG_OP = 'UPDATE' THEN",
        "ELSIF false THEN",
        by_triggers,
    ),
    Mutation(
        "rule 1: no marker, so that each side carries back what came from it",
        GEAR,
        "set_config('pgtandem_gear.depth', pg_trigger_depth()::text, true)",
        "set_config('pgtandem_gear.depth', '99', true)",
        by_triggers,
    ),
    Mutation(
        "rule 1: NEW is trusted where a trigger has written the row again",
        GEAR,
        "= 'nested' AND TG_OP <> 'DELETE' THEN",
        "= 'never' AND TG_OP <> 'DELETE' THEN",
        by_triggers,
    ),
    Mutation(
        "rule 2: what is gone is not queued",
        GEAR,
        "pgtandem.queue('gear', jsonb_build_array(v_old.id), 'gone')",
        "pgtandem.queue('none', jsonb_build_array(v_old.id), 'gone')",
        by_machine,
        quick=False,
    ),
    Mutation(
        "rule 2: rows that move block unseen",
        GEAR,
        "    ENABLE ALWAYS TRIGGER pgtandem_gear_moved",
        "    DISABLE TRIGGER pgtandem_gear_moved",
        by_machine,
        quick=False,
    ),
    Mutation(
        "rule 3: the comparison forgets a column",
        GEAR,
        "                    OR i.brand IS DISTINCT FROM t.brand\n",
        "",
        by_compare,
    ),
    Mutation(
        "rule 4: an error of the target reaches the old application",
        GEAR,
        "        WHEN OTHERS THEN\n            GET STACKED",
        "        WHEN division_by_zero THEN\n            GET STACKED",
        by_record,
    ),
    Mutation(
        "rule 4: no lock_timeout",
        GEAR,
        "SET lock_timeout = '30ms'",
        "SET lock_timeout = '5s'",
        by_record,
    ),
    Mutation(
        "rule 6: keys written after contract are not noted",
        GEAR,
        "jsonb_build_array(NEW.id), 'contract', 'source')",
        "jsonb_build_array(NEW.id), 'contract', 'target')",
        by_road,
        quick=False,  # the hunt takes minutes: other protections find most of what it breaks
    ),
    Mutation(
        "rule 7: contract does not ask",
        GEAR,
        "PERFORM pgtandem.require_contract('gear');",
        "",
        by_contract,
        also=("PERFORM pgtandem.require_proven('gear');", ""),
    ),
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_protection_is_found(world, mutation):
    if not mutation.quick and PROFILE == "ci":
        pytest.skip("takes minutes: PGTANDEM_PROPERTIES=thorough")
    changes = [(mutation.old, mutation.new), *([mutation.also] if mutation.also else [])]
    broken = mutation.shape.broken(*changes)
    broken.script("deploy/sync")  # fails where the text to replace is not there any more
    with pytest.raises((AssertionError, psycopg.Error, BaseExceptionGroup)):
        mutation.found(world, broken)

"""Rule 7: contract is refused unless what must be proven is proven, whatever else is true."""

from __future__ import annotations

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from properties import shapes, statements
from properties.shapes import Shape
from properties.world import World, connect, execute, run_script

# What spoils a proof: SQL by the owner, and the condition that must then not be met.
SPOILERS = {
    "comparison_clean": (
        "UPDATE pgtandem.comparison SET changed = 1",
        "UPDATE pgtandem.comparison SET missing = 1",
        "UPDATE pgtandem.comparison SET extra = 1",
        "UPDATE pgtandem.comparison SET scope = 'sample'",
        "UPDATE pgtandem.comparison SET hash = repeat('0', 64)",
        "DELETE FROM pgtandem.comparison",
    ),
    "comparison_recent": (
        (
            "UPDATE pgtandem.mapping SET copy_changed = copy_changed - interval '3 hours'; "
            "UPDATE pgtandem.comparison SET started_at = started_at - interval '2 hours'"
        ),
    ),
    "queue_empty": ("SELECT pgtandem.queue('{name}', '[1]', 'difference')",),
    "no_dependents": ("CREATE VIEW public.reader AS SELECT * FROM {source}",),
    "copy_complete": ("UPDATE pgtandem.mapping SET copy_state = 'open'",),
}
CHOICES = [(condition, text) for condition, texts in SPOILERS.items() for text in texts]


def contract_is_gated(world: World, shape: Shape) -> None:
    """The property, for a shape that may be broken on purpose."""

    @given(
        there=statements.rows(shape.source, 0, 3),
        spoiled=st.lists(st.sampled_from(CHOICES), max_size=2, unique=True),
        compared=st.booleans(),
        overridden=st.booleans(),
    )
    def check(there, spoiled, compared, overridden):
        with world.database(shape) as dsn, connect(dsn) as owner:
            owner.execute(
                "CREATE SCHEMA public"
                if not owner.execute("SELECT to_regnamespace('public')").fetchone()[0]
                else "SELECT 1"
            )
            if there:
                execute(owner, statements.insert(shape.source, there))
            for phase in ("sync", "backfill"):
                run_script(owner, shape.script(f"deploy/{phase}"))
            if compared:
                owner.execute(f"CALL pgtandem.compare('{shape.name}')")
            for _, text in spoiled:
                spoiler = text.replace("{name}", shape.name).replace("{source}", shape.source.table)
                owner.execute(spoiler.encode())
            unmet = {condition for condition, _ in spoiled}
            if not compared or any(
                "DELETE" in t or "scope" in t or "hash" in t for _, t in spoiled
            ):
                unmet |= {"comparison_clean", "comparison_recent"}
            if overridden:
                for condition in unmet:
                    owner.execute(
                        "SELECT pgtandem.override(%s, %s, 'a test')", (shape.name, condition)
                    )
                unmet = set()
            for condition in ("old_side_unread", "cascades"):
                owner.execute("SELECT pgtandem.override(%s, %s, 'a test')", (shape.name, condition))
            try:
                run_script(owner, shape.script("deploy/contract"))
            except psycopg.Error as error:
                assert error.sqlstate == "TD020", repr(error)  # noqa: PT017
                named = {c for c in SPOILERS if f"{c} (" in error.diag.message_detail}
                assert named == unmet != set()
            else:
                assert not unmet, f"deployed with {unmet}"

    check()


def test_contract_is_gated(world):
    contract_is_gated(world, shapes.gear())

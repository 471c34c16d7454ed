"""pgtandem override: let contract pass a condition that is not met."""

from __future__ import annotations

import click

from pgtandem import control, db, options, output


@click.command()
@options.mapping
@click.argument("condition")
@click.option("--reason", metavar="TEXT", required=True, help="Who decided it, and why.")
@options.database
def command(target: db.Target, name: str, condition: str, reason: str) -> None:
    """Let contract pass one CONDITION that is not met, for an hour.

    The conditions are those that "pgtandem gate MAPPING --contract" lists. Condition, reason, role
    and time are written to pgtandem.event, and stay there.
    """
    control.call(target, name, "override", condition=condition, reason=reason)
    output.say(f"{name}: contract may pass {condition} for an hour. It is logged.")

"""pgtandem resume: let a paused backfill go on."""

from __future__ import annotations

import click

from pgtandem import control, db, options, output


@click.command()
@options.mapping
@options.reason
@options.database
def command(target: db.Target, name: str, reason: str | None) -> None:
    """Let a paused backfill go on.

    Its sessions notice within a second. Where none is left, start them: pgtandem backfill MAPPING.
    """
    if control.call(target, name, "resume", reason=reason):
        output.say(f"{name}: the backfill may go on.")
    else:
        output.say(f"{name}: it was not paused.")

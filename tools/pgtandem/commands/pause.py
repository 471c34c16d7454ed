"""pgtandem pause: let a backfill wait."""

from __future__ import annotations

import click

from pgtandem import control, db, options, output


@click.command()
@options.mapping
@options.reason
@options.database
def command(target: db.Target, name: str, reason: str | None) -> None:
    """Let a backfill wait until resume.

    Each of its sessions waits after its present chunk. Nothing is lost, and both sides stay in sync
    meanwhile. The workers keep their sessions.
    """
    control.call(target, name, "pause", reason=reason)
    output.say(f"{name}: the backfill waits. To let it go on: pgtandem resume {name}")

"""pgtandem retry: make what failed due at once."""

from __future__ import annotations

import click

from pgtandem import control, db, options


@click.command()
@options.mapping
@options.reason
@options.database
def command(target: db.Target, name: str, reason: str | None) -> None:
    """Make every key that failed due at once, after you mended what made it fail.

    A key that fails is tried again later and later, up to five minutes. This forgets the waiting;
    "pgtandem drain" (or a backfill) then tries.
    """
    count = control.call(target, name, "retry", reason=reason)
    click.echo(f"{name}: {count:,} entries are due again. To try them: pgtandem drain {name}")

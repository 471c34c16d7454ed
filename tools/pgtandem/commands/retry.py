"""pgtandem retry: make what failed due at once."""

from __future__ import annotations

import click

from pgtandem import control, db, options, output


@click.command()
@options.mapping
@options.reason
@options.database
def command(target: db.Target, name: str, reason: str | None) -> None:
    """Make every key that failed due at once.

    For when you have mended what made it fail. A key that fails is tried again later and later, up
    to five minutes. This forgets the waiting; "pgtandem drain" (or a backfill) then tries.
    """
    count = control.call(target, name, "retry", reason=reason)
    if count:
        entries = output.counted(count, "entry is", "entries are")
        output.say(f"{name}: {entries} due again. To try: pgtandem drain {name}")
    else:
        output.say(f"{name}: nothing has failed.")

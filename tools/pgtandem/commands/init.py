"""pgtandem init: the engine into a database."""

from __future__ import annotations

import click

from pgtandem import db, options, sqitch


@click.command()
@options.database
def command(target: db.Target) -> None:
    """Deploy the engine, a Sqitch project, into a database.

    All of it goes into the schema pgtandem; Sqitch keeps its books in the schema sqitch. The role
    needs CREATE on the database, nothing more. Run it again to upgrade: what is there is left.
    """
    db.connect(target).close()  # a clear word where the database cannot be reached
    sqitch.deploy(target)

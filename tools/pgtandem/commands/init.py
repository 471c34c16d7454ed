"""pgtandem init: the engine into a database."""

from __future__ import annotations

import click
from psycopg.rows import dict_row

from pgtandem import db, options, sqitch, sqltext
from pgtandem.errors import PgtandemError


def _require_rights(target: db.Target) -> None:
    """Raise where Sqitch would fail half way, with what to type.

    Raises:
        PgtandemError: on a standby, or where the role lacks a right.
    """
    with db.connect(target, row_factory=dict_row) as connection:
        facts = connection.execute(
            db.load_query("doctor"), {"registry": sqitch.registry()}
        ).fetchone()
    assert facts
    role, database = facts["role_name"], facts["database_name"]
    if facts["is_standby"]:
        raise PgtandemError("This is a standby.", hint="Connect to the primary.")
    for owner, allowed, what in (
        (facts["engine_owner"], facts["may_change_engine"], "the schema pgtandem"),
        (facts["registry_owner"], facts["may_write_registry"], "Sqitch's books in this database"),
    ):
        if not allowed:
            raise PgtandemError(
                f'The role "{role}" may not change {what}.',
                detail=f'It belongs to the role "{owner}".',
                hint=f'Connect as "{owner}", or let it: GRANT {sqltext.ident(owner)}'
                f" TO {sqltext.ident(role)};",
            )
    if not facts["may_create"] and not (facts["engine_owner"] and facts["has_registry"]):
        raise PgtandemError(
            f'The role "{role}" may not create schemas in the database "{database}".',
            hint="As its owner or a superuser: GRANT CREATE ON DATABASE"
            f" {sqltext.ident(database)} TO {sqltext.ident(role)};",
        )


@click.command()
@options.database
def command(target: db.Target) -> None:
    """Deploy the engine, a Sqitch project, into a database.

    All of it goes into the schema pgtandem; Sqitch keeps its books in the schema sqitch. The role
    needs CREATE on the database, nothing more. Run it again to upgrade: what is there is left.
    """
    with db.postgres_errors():
        _require_rights(target)
    sqitch.deploy(target)
    click.echo("Next: draft a mapping, pgtandem new NAME --source OLD --target NEW", err=True)

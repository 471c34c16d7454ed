"""pgtandem new: the first draft of a mapping."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from pgtandem import db, draft, model, sessions, sqltext
from pgtandem.errors import PgtandemError

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


@click.command()
@click.argument("name")
@click.option("--source", required=True, metavar="SCHEMA.TABLE", help="The old table.")
@click.option("--target", required=True, metavar="SCHEMA.TABLE", help="The new table.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it; mappings/NAME.yml if not given.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option("--dsn", metavar="DSN", help="The database: a URI or a string of libpq.")
@click.option(
    "--database", metavar="NAME", help="The database: a target of sqitch.conf, or a db: URI."
)
def command(
    name: str,
    source: str,
    target: str,
    output: Path | None,
    force: bool,
    dsn: str | None,
    database: str | None,
) -> None:
    """Draft the mapping NAME from the columns of two tables.

    Both must be in the database. Columns of the same name and a type that fits are filled in; new
    ones with a default get it when a row is first copied. What is left is marked TODO, and render
    refuses it until it is decided.

    Here --target is the new table; a target of sqitch.conf is given by --database.
    """
    if not NAME.fullmatch(name):
        raise PgtandemError(
            f'"{name}" is no name of a mapping.',
            detail="It becomes part of names in the database and in Sqitch's plan.",
            hint="Lower case letters, digits and _, a letter first, at most 41 characters.",
        )
    if sqltext.split_name(source) == sqltext.split_name(target):
        raise PgtandemError(
            "--source and --target name the same table.",
            hint="A mapping moves rows from one table to another.",
        )
    path = output or Path("mappings", f"{name}.yml")
    if path.exists() and not force:
        raise PgtandemError(f"{path} is there already.", hint="--force overwrites it.")
    with sessions.connect(db.resolve(dsn, database)) as connection:
        tables = [
            draft.read(connection, table, side)
            for side, table in (("source", source), ("target", target))
        ]
    made = draft.make(name, *tables)
    if output is None:
        path.parent.mkdir(exist_ok=True)
    path.write_text(draft.text(made), encoding="utf-8")
    schema = path.parent / draft.SCHEMA_FILE
    schema.write_text(
        json.dumps(model.json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for warning in made.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"{path}: {len(made.entries) - len(made.undecided)} columns filled in.")
    if made.undecided:
        click.echo(f"Marked TODO, for you to decide: {', '.join(made.undecided)}.")
    where = "" if output is None else f" {path}"
    following = f"pgtandem render{where or f' {name}'}"
    click.echo(f"Next: read {path}, settle what is marked or warned of; then {following}", err=True)

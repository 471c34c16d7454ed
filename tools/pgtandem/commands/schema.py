"""pgtandem schema: the JSON Schema of a mapping file, or of the report of verify."""

from __future__ import annotations

import json

import click

from pgtandem import consistency, model


@click.command()
@click.option("--report", is_flag=True, help="That of the file that verify --report writes.")
def command(report: bool) -> None:
    """Print the JSON Schema of a mapping file.

    Editors complete and check the file by it. Name it in the first line of the file: #
    yaml-language-server: $schema=mapping.schema.json
    """
    schema = consistency.json_schema() if report else model.json_schema()
    click.echo(json.dumps(schema, indent=2, ensure_ascii=False))

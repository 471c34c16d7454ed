"""pgtandem schema: the JSON Schema of a mapping file."""

from __future__ import annotations

import json

import click

from pgtandem import spec


@click.command()
def command() -> None:
    """Print the JSON Schema of a mapping file.

    Editors complete and check the file by it. Name it in the first line of the file: #
    yaml-language-server: $schema=mapping.schema.json
    """
    click.echo(json.dumps(spec.json_schema(), indent=2, ensure_ascii=False))

"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from pgtandem import db


def database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dsn and --target; the function gets `target`, a `db.Target`, by the one rule."""

    @click.option("--dsn", metavar="DSN", help="The database: a URI or a string of libpq.")
    @click.option(
        "--target", metavar="NAME", help="The database: a target of sqitch.conf, or a db: URI."
    )
    @functools.wraps(command)
    def with_target(*args: Any, dsn: str | None, target: str | None, **options: Any) -> Any:
        return command(*args, target=db.resolve(dsn, target), **options)

    return with_target


mapping = click.argument("name", metavar="MAPPING")
mappings = click.argument("name", metavar="MAPPING|PROJECT")
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
reason = click.option("--reason", metavar="TEXT", help="Why; it is written to pgtandem.event.")

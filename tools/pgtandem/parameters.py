"""Kinds of values on the command line."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import click

UNITS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
LONGEST = 366 * 86400  # seconds
PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*")


class Duration(click.ParamType[float]):
    """A time such as 90s, 5min or 1h30m; as seconds."""

    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, more than 0, a year at most."""
        if isinstance(value, float):
            return value
        text = value.strip()
        pieces = PIECE.findall(text)
        if not pieces or PIECE.sub("", text):
            self.fail(f'"{value}" is no duration; write 500ms, 90s, 5min or 1h30m.', param, ctx)
        seconds = sum(float(number) * UNITS[unit] for number, unit in pieces)
        if seconds <= 0:
            self.fail(f'"{value}" is no time at all.', param, ctx)
        if seconds > LONGEST:
            self.fail(f'"{value}" is more than a year.', param, ctx)
        return seconds


class Signal(click.ParamType[tuple[str, Decimal]]):
    """A measured value, such as error_rate=0.4."""

    name = "name=value"

    def convert(
        self,
        value: str | tuple[str, Decimal],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, Decimal]:
        """The name and the number."""
        if isinstance(value, tuple):
            return value
        name, equals, number = value.partition("=")
        try:
            figure = Decimal(number.strip())
        except InvalidOperation:
            figure = Decimal("NaN")
        if not equals or not name.strip() or not figure.is_finite():
            self.fail(f'"{value}" is no signal; write error_rate=0.4.', param, ctx)
        return name.strip(), figure

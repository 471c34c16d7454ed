"""Kinds of values on the command line."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation

import click

UNITS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
LONGEST = 366 * 86400  # seconds
LOOPBACK = "127.0.0.1"
BYTES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)")
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


class Listen(click.ParamType[tuple[str, int]]):
    """Where to serve: ADDRESS:PORT, [IPV6]:PORT, or :PORT for this machine alone."""

    name = "address:port"

    def convert(
        self,
        value: str | tuple[str, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        """The address and the port; port 0 is any that is free."""
        if isinstance(value, tuple):
            return value
        address, colon, port = value.strip().rpartition(":")
        bracketed = address.startswith("[") and address.endswith("]")
        if (
            not colon
            or not (port.isascii() and port.isdigit())
            or (":" in address and not bracketed)
        ):
            self.fail(
                f'"{value}" is no address; write :9188, 0.0.0.0:9188 or [::1]:9188.', param, ctx
            )
        if int(port) > 65535:
            self.fail(f'"{value}": a port is at most 65535.', param, ctx)
        return address.strip("[]") or LOOPBACK, int(port)


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


class Size(click.ParamType[int]):
    """A size such as 200GB, in the units of PostgreSQL; as bytes."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Bytes."""
        if isinstance(value, int):
            return value
        match = SIZE.fullmatch(value.strip())
        if not match:
            self.fail(f'"{value}" is no size; write 500MB, 200GB or 1.5TB.', param, ctx)
        size = int(Decimal(match[1]) * BYTES[match[2]])
        if size >= 2**63:
            self.fail(f'"{value}" is more than a disk holds.', param, ctx)
        return size


class Timestamp(click.ParamType[datetime]):
    """A time in ISO 8601; without a zone it is of this machine."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """A time with its zone."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f'"{value}" is no time; write 2026-11-25T03:00:00Z.', param, ctx)
        return moment if moment.tzinfo else moment.astimezone()

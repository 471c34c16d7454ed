"""What the properties are tried on: mappings, the values that may go in, and the image in Python.

`Shape.image` says by hand, in Python, what the mapping says in SQL. It is the independent opinion
that the comparison is checked against, so it must not be derived from the mapping.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

import mappings
from helpers import ROOT
from pgtandem import render

GEAR = ROOT / "examples" / "gear"

Row = dict[str, Any]  # column as SQL writes it (quoted where it must be): value


@dataclass(frozen=True)
class Side:
    """One table: its columns with the values that a test writes.

    Attributes:
        table: name as SQL writes it.
        key: the key columns, in the order of the mapping.
        keys: the keys that rows may have; few, so that writers meet.
        values: the other columns that the mapping keeps equal, with some values for each.
        own: columns of this side alone: unmapped in the source, initial in the target.
        noted: a text column, which triggers of the application write to.
        deferrable: the key is: it can be swapped, and ON CONFLICT cannot be used.
    """

    table: str
    key: tuple[str, ...]
    keys: tuple[tuple[Any, ...], ...]
    values: dict[str, tuple[Any, ...]]
    own: dict[str, tuple[Any, ...]]
    noted: str
    deferrable: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.values, *self.own)


@dataclass(frozen=True)
class Shape:
    """A mapping with both of its tables.

    Attributes:
        name: of the mapping.
        legacy: SQL that makes both tables, run by the owner.
        mapping: the text of the mapping file.
        image: the row of the target that a row of the source stands for, without what only the
            target has; None where the filter keeps it out.
        cascades: statements of the old application on other tables that cascade to the source.
        mutations: replacements in the rendered scripts: code broken on purpose.
    """

    name: str
    legacy: str
    mapping: str
    source: Side
    target: Side
    image: Callable[[Row], Row | None]
    cascades: tuple[str, ...] = ()
    mutations: tuple[tuple[str, str], ...] = ()

    @property
    def schema(self) -> str:
        """Where its rendered objects live."""
        return f"pgtandem_{self.name}"

    def with_keys(self, keys: tuple[tuple[Any, ...], ...]) -> Shape:
        """The same with other keys on both sides."""
        return replace(
            self,
            source=replace(self.source, keys=keys),
            target=replace(self.target, keys=keys),
        )

    def broken(self, *mutations: tuple[str, str]) -> Shape:
        """The same with the rendered SQL changed: each old text must occur."""
        return replace(self, mutations=mutations)

    @cached_property
    def _scripts(self) -> dict[str, str]:
        scripts = {
            f"{path.parent}/{path.stem.removeprefix(self.name + '_')}": text
            for path, text in render.scripts(mappings.load(self.mapping), "properties").items()
        }
        for old, new in self.mutations:
            assert any(old in text for text in scripts.values()), f"nothing to break: {old}"
            scripts = {name: text.replace(old, new) for name, text in scripts.items()}
        return scripts

    def script(self, name: str) -> str:
        """A rendered script: script("deploy/sync")."""
        return self._scripts[name]


def _legacy(file: str) -> str:
    """A legacy.sql without psql's own commands and without rows."""
    text = re.sub(r"(?m)^(SELECT .*\\gset| *\\.*)$", "", file)
    return re.sub(r"(?s)\nINSERT INTO .*?;\n", "\n", text)


def _quick(mapping: str) -> str:
    """A mapping whose triggers give way at once, so that a test can have it happen often."""
    return mapping.replace("lock_timeout: 500ms", "lock_timeout: 30ms")


USERS = tuple(UUID(int=n) for n in (1, 2))
ITEMS = tuple((UUID(int=n * 0x1F3D5B79000000000000000000000000 % 2**128),) for n in range(1, 8))
NAMES = ("", "Kocher", "Kocher ", "\N{TENT}" * 200, "e\u0301", "\u202ertl", "100 %", "\\")
TIMES = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC))


MANY_ITEMS = tuple(
    (UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128),) for n in range(1, 61)
)


def gear() -> Shape:
    """examples/gear: a plain mapping, both ways, record."""
    values: dict[str, tuple[Any, ...]] = {
        "user_id": USERS,
        "name": NAMES,
        "brand": (None, "", "a", "B"),
        "created_at": (*TIMES, TIMES[1] + timedelta(microseconds=1)),
    }
    # What the old system wrote is there before its tables are: few rows a block.
    legacy = (
        _legacy((GEAR / "legacy.sql").read_text())
        + _legacy((GEAR / "deploy" / "gear_tables.sql").read_text())
        + "ALTER TABLE user_core.old_equipment SET (fillfactor = 10);\n"
        + f"INSERT INTO user_core.users (id, name, email) VALUES ('{USERS[0]}', 'a', 'a'), "
        + f"('{USERS[1]}', 'b', 'b');\n"
    )
    return Shape(
        name="gear",
        legacy=legacy,
        mapping=_quick((GEAR / "mappings" / "gear.yml").read_text()),
        source=Side(
            table="user_core.old_equipment",
            key=("id",),
            keys=ITEMS,
            values={**values, "type": (None, "", "stove")},
            own={"last_viewed_at": (None, *TIMES)},
            noted="brand",
        ),
        target=Side(
            table="gear_ops.gear_items",
            key=("id",),
            keys=ITEMS,
            values={**values, "category": (None, "", "stove")},
            own={"status": ("active", "sold", "lost"), "role": ("personal", "rental")},
            noted="brand",
        ),
        image=lambda row: {
            "id": row["id"],
            "user_id": row["user_id"],
            "name": row["name"],
            "category": row["type"],
            "brand": row["brand"],
            "created_at": row["created_at"],
        },
        cascades=tuple(
            f"WITH gone AS (DELETE FROM user_core.users WHERE id = '{user}' RETURNING *) "
            "INSERT INTO user_core.users SELECT gen_random_uuid(), name, "
            "gen_random_uuid()::text, created_at FROM gone"
            for user in USERS
        ),
    )


PAIRS = tuple((number, text) for number in (1, 2) for text in ("a", "it's", "100 % $1 \\"))
MANY_PAIRS = tuple((n, text) for n in range(20) for text in ("a", "it's", "100 % $1 \\"))
LONG = '''"eine Spalte mit 63 bytes: 100 % ""sure"" $$ \\ 'é' 🎒yyyyyyyyyy"'''
TARGET = '''"Neu.Schema"."Tabelle mit 63 bytes, ""%I"", $1 und 'ö'xxxxxxxxxxxxxxxxxxxxxxxx"'''
THERE = str.maketrans("ab%$\\", "%ab\\$")


def _nasty_image(row: Row) -> Row | None:
    size = row['"Größe"']
    if row['"gelöscht"'] or (size is not None and size % 7 == 3):
        return None
    order = row['"order"']
    return {
        '"Nr."': row['"Id, Teil 1"'],
        '"group"': row['"user"'],
        '"Grösse %s"': size,
        '"sicher?"': row['"100% ""sure"""'],
        '"Bestellung"': None if order is None else order.translate(THERE),
        "place": row["ort"],
        '"Dokument"': row['"json doc"'],
        '"Länge"': row["dauer"],
        LONG: row[LONG],
    }


def nasty() -> Shape:
    """Composite key that can be swapped, a filter, an expression with a way back, odd types."""
    mapping, legacy = mappings.nasty()
    sizes = (None, Decimal(0), Decimal("3.5"), Decimal(10))  # the last one is not moved
    sure = (None, "", "sure", "ab%$\\")
    long = (None, "x", "y" * 1500)
    return Shape(
        name="nasty",
        legacy=_legacy(legacy).replace(
            'PRIMARY KEY ("Id, Teil 1", "user")', 'PRIMARY KEY ("Id, Teil 1", "user") DEFERRABLE'
        )
        + '''ALTER TABLE "Old Schema ""x"""."select" SET (fillfactor = 10);''',
        mapping=_quick(mapping),
        source=Side(
            table='"Old Schema ""x"""."select"',
            key=('"Id, Teil 1"', '"user"'),
            keys=PAIRS,
            values={
                '"Größe"': sizes,
                '"100% ""sure"""': sure,
                '"order"': sure,
                '"gelöscht"': (False, False, False, True),
                "ort": (None, "(0,0)", "(0,-1.5)"),
                '"json doc"': (None, "null", '{"b": 1,  "b": 2}'),
                "dauer": (None, "1 day", "24:00:00"),
                LONG: long,
            },
            own={'"Unmapped"': (None, *TIMES)},
            noted='"100% ""sure"""',
            deferrable=True,
        ),
        target=Side(
            table=TARGET,
            key=('"Nr."', '"group"'),
            keys=PAIRS,
            values={
                '"Grösse %s"': sizes,
                '"sicher?"': sure,
                '"Bestellung"': sure,
                "place": (None, "(0,0)", "(0,-1.5)"),
                '"Dokument"': (None, "null", '{"b": 1,  "b": 2}'),
                '"Länge"': (None, "1 day", "24:00:00"),
                LONG: long,
            },
            own={"status": ("new", "done")},
            noted='"sicher?"',
        ),
        image=_nasty_image,
    )

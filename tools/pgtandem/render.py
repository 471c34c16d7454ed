"""From a mapping to the scripts of its phases: plain SQL, the same text every time."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.ext import Extension

from pgtandem import __version__, paths, sqltext
from pgtandem.fold import fold
from pgtandem.project import KINDS
from pgtandem.spec import Column, Mapping

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED;"
PHASES = ("expand", "sync", "backfill", "contract")
REQUIRES = {
    "expand": ("pgtandem:require", "pgtandem:comparison", "pgtandem:progress", "pgtandem:gate"),
    "sync": ("pgtandem:drain",),
    "backfill": ("pgtandem:backfill", "pgtandem:control"),
    "contract": ("pgtandem:contract",),
}
REWORK_REQUIRES = ("pgtandem:rework",)
NOTES = {
    "expand": "what the target should hold, and the comparison",
    "sync": "triggers that keep both sides equal",
    "backfill": "gate: every row is copied",
    "contract": "gate: proven; the old table becomes an archive behind a view",
}


def _over(expression: str, row: str, name: str) -> str:
    """An expression over one row, whose columns it finds without a prefix, too."""
    return f"(SELECT {expression} FROM (SELECT {row}.*) AS {name})"  # noqa: S608 - it is meant to


@dataclass(frozen=True)
class SqlColumn:
    """A column of the target as the templates see it; all but `raw` is SQL.

    Attributes:
        raw: the column's name.
        name: the same, quoted where it must be.
        type: its declared type.
        expr: what it should hold, over a row of the source called `source`.
        plain: the source column that this is, or None.
        cast: whether `expr` casts.
        reads: the source columns that `expr` mentions.
        image: the column of the image, called `i`.
    """

    raw: str
    name: str
    type: str
    expr: str
    plain: str | None
    cast: bool
    reads: tuple[str, ...]
    image: str
    as_text: bool

    def over(self, row: str) -> str:
        """`expr` over a row variable of PL/pgSQL instead of `source`."""
        if self.plain:
            value = f"{row}.{self.plain}"
            return sqltext.cast(value, self.type) if self.cast else value
        return _over(self.expr, row, "source")

    def same(self, left: str, right: str) -> str:
        """A condition: the two values are the same."""
        return sqltext.same(left, right, self.type, self.as_text)

    def differ(self, left: str, right: str) -> str:
        """A condition: the two values are not the same."""
        return sqltext.differ(left, right, self.type, self.as_text)


@dataclass(frozen=True)
class BackColumn:
    """A column of the source as the way back sees it, in SQL over v_old and v_new of the target.

    Attributes:
        name: the source column.
        value: what it should hold.
        changed: whether a change of the target's row changes it.
        kept: whether `source` has the same image as v_new already, in other words maybe.
        is_key: whether it is of the key.
    """

    name: str
    value: str
    changed: str
    kept: str
    is_key: bool


@dataclass(frozen=True)
class OldColumn:
    """A column of the view that stands for the source after contract.

    Attributes:
        name: the source column.
        view: its value, over `target`; what that does not hold comes from the archive.
        changed: whether v_old and v_new differ in it.
    """

    name: str
    view: str
    changed: str


def _sql_column(mapping: Mapping, column: Column) -> SqlColumn:
    # An initial column is not compared, so its assignment may cast as it likes.
    cast = not column.initial and (
        column.plain is None
        or sqltext.needs_cast(mapping.document.source.columns[column.plain], column.type)
    )
    value = f"source.{column.expression}" if column.plain else column.expression
    name = sqltext.ident(column.name)
    return SqlColumn(
        raw=column.name,
        name=name,
        type=column.type,
        expr=sqltext.cast(value, column.type) if cast else value,
        plain=sqltext.ident(column.plain) if column.plain else None,
        cast=cast,
        reads=tuple(sqltext.ident(r) for r in column.reads),
        image=f"i.{name}",
        as_text=column.as_text,
    )


def _back_value(mapping: Mapping, column: Column, back: str, expression: str, row: str) -> str:
    """The way back of one source column, over a row of the target in a PL/pgSQL variable."""
    declared = mapping.document.source.columns[back]
    if column.plain == back and expression == sqltext.ident(column.name):
        value = f"{row}.{sqltext.ident(column.name)}"
        return sqltext.cast(value, declared) if sqltext.needs_cast(declared, column.type) else value
    return _over(sqltext.cast(f"({expression})", declared), row, "target")


class Context:
    """What the templates call `m`: a mapping in terms of SQL."""

    def __init__(self, mapping: Mapping, project: str) -> None:
        document = mapping.document
        source, target = document.source, document.target
        self.project = project
        self.version = __version__
        self.name = mapping.name
        self.hash = mapping.hash
        self.schema = f"pgtandem_{mapping.name}"
        self.settings = mapping.settings()
        self.text = document.model_dump_json(by_alias=True)
        self.source = sqltext.qualified(source.table)
        self.target = sqltext.qualified(target.table)
        parts = sqltext.split_name(source.table)
        assert parts is not None
        self.source_schema = sqltext.ident(parts[0])
        self.archive_schema = sqltext.ident(document.contract.archive)
        self.archived = f"{self.archive_schema}.{sqltext.ident(parts[1])}"
        self.filter = sqltext.closed(source.filter) if source.filter else None
        self.record = document.sync.mode == "record"
        self.both = document.sync.ways == "both"
        self.truncate = document.sync.truncate
        self.lock_timeout = document.sync.lock_timeout.replace(" ", "")

        by_name = {c.name: _sql_column(mapping, c) for c in mapping.columns}
        self.columns = list(by_name.values())
        self.synced = [by_name[c.name] for c in mapping.synced]
        self.initial = [by_name[c.name] for c in mapping.columns if c.initial]
        self.key = [by_name[c.name] for c in mapping.key_columns]
        self.synced_rest = [c for c in self.synced if c not in self.key]
        self.one_way = [by_name[c.name] for c in mapping.synced if not c.back]
        # Every value is a field of the row or a constant, so a plain VALUES will do.
        self.fields_only = not self.filter and all(c.plain or not c.reads for c in self.columns)
        # Columns of the target that may follow from a source column which another one writes back.
        self.derived = [c for c in self.synced if not c.plain or c in self.one_way]
        self.plain_key = all(c.plain and not c.cast for c in self.key)
        self.key_reads = list(dict.fromkeys(r for k in self.key for r in k.reads))
        self.back = [
            BackColumn(
                sqltext.ident(back),
                _back_value(mapping, column, back, expression, "v_new"),
                sqltext.differ(
                    f"v_old.{sqltext.ident(column.name)}",
                    f"v_new.{sqltext.ident(column.name)}",
                    column.type,
                    column.as_text,
                ),
                by_name[column.name].same(
                    by_name[column.name].expr, f"v_new.{sqltext.ident(column.name)}"
                ),
                by_name[column.name] in self.key,
            )
            for column in mapping.synced
            for back, expression in (column.back or {}).items()
        ]
        self.back_rest = [b for b in self.back if not b.is_key]
        self._types = source.columns
        self._reads = self._read_columns(mapping)
        self.old = [self._old_column(mapping, name) for name in source.columns]
        self.old_only = [c for c in self.old if c.name not in {b.name for b in self.back}]
        self.old_rest = [c for c in self.old if c.name not in {k.plain for k in self.key}]

        self.key_array = _text_array(document.key)
        self.reads = [sqltext.ident(name) for name in self._reads]
        self.target_columns = [sqltext.ident(name) for name in target.columns]
        self.reads_array = _text_array(self._reads)
        self.source_array_of_columns = _text_array(list(source.columns))
        self.tables = f"{{{_element(self.source)}, {_element(self.target)}}}"
        self.archived_tables = (
            f"{{{_element(self.archived)}, {_element(self.target)}, {_element(self.source)}}}"
        )
        self.source_table = f"{{{_element(self.source)}}}"

    def tag(self, name: str) -> str:
        """A dollar quote that occurs nowhere in the mapping."""
        while f"${name}$" in self.text:
            name += "_"
        return f"${name}$"

    def _read_columns(self, mapping: Mapping) -> list[str]:
        """Every source column that the image depends on, in the order of the table."""
        read = {r for c in mapping.columns for r in c.reads}
        if self.filter:
            read.update(sqltext.mentioned(self.filter, self._types))
        return [name for name in self._types if name in read]

    def _watched(self, mapping_columns: list[SqlColumn]) -> list[str]:
        """The source columns whose change changes a synced column or the filter."""
        read = {r for c in mapping_columns for r in c.reads}
        names = [name for name in self._types if sqltext.ident(name) in read]
        if self.filter:
            seen = sqltext.mentioned(self.filter, self._types)
            names = [name for name in self._types if name in names or name in seen]
        return names

    def source_changed(self, separator: str) -> str:
        """A condition over OLD and NEW of the source: something the mapping keeps equal changed."""
        return separator.join(
            sqltext.differ(
                f"OLD.{sqltext.ident(name)}", f"NEW.{sqltext.ident(name)}", self._types[name]
            )
            for name in self._watched(self.synced)
        )

    def target_changed(self, separator: str) -> str:
        """A condition over OLD and NEW of the target: a synced column changed."""
        return separator.join(c.differ(f"OLD.{c.name}", f"NEW.{c.name}") for c in self.synced)

    def key_is(self, alias: str) -> str:
        """A condition: a row has the key in the variables v_key1, v_key2, ..."""
        return " AND ".join(f"{alias}.{k.name} = v_key{n}" for n, k in enumerate(self.key, 1))

    def values_of(self, alias: str) -> str:
        """A JSON object with the text of each synced column of a row."""
        pairs = [f"{sqltext.literal(c.raw)}, {alias}.{c.name}::text" for c in self.synced]
        # A function takes at most 100 arguments.
        parts = [", ".join(pairs[i : i + 50]) for i in range(0, len(pairs), 50)]
        return " || ".join(f"jsonb_build_object({part})" for part in parts)

    def _old_column(self, mapping: Mapping, name: str) -> OldColumn:
        quoted = sqltext.ident(name)
        changed = sqltext.differ(f"v_old.{quoted}", f"v_new.{quoted}", self._types[name])
        for column in mapping.synced:
            expression = (column.back or {}).get(name)
            if expression is None:
                continue
            target = f"target.{sqltext.ident(column.name)}"
            if expression == sqltext.ident(column.name):
                cast = sqltext.needs_cast(self._types[name], column.type)
                value = sqltext.cast(target, self._types[name]) if cast else target
            else:
                inner = sqltext.cast(f"({expression})", self._types[name])
                value = _over(inner, "target", "target")
            return OldColumn(quoted, value, changed)
        # Not a join: a view with an outer join refuses SELECT ... FOR UPDATE.
        same_key = " AND ".join(f"archived.{k.plain} = target.{k.name}" for k in self.key)
        value = f"(SELECT archived.{quoted} FROM {self.archived} AS archived WHERE {same_key})"  # noqa: S608
        return OldColumn(quoted, value, changed)


def _text_array(names: list[str]) -> str:
    return "ARRAY[" + ", ".join(sqltext.literal(n) for n in names) + "]::text[]"


def _element(name: str) -> str:
    """A name as an element of an array literal."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _DollarTags(Extension):
    """Lets the templates write $copy$: it gets another name where the mapping has $copy$ in it."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"\$([a-z_]+)\$", r"{{ m.tag('\1') }}", source)


@cache
def environment() -> jinja2.Environment:
    """The templates; an undefined variable is an error."""
    loader = jinja2.FileSystemLoader([paths.templates(), paths.triggers()])
    made = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - SQL, not HTML
        extensions=[_DollarTags],
    )
    made.filters["sql_escape"] = lambda text: str(text).replace("'", "''")
    made.filters["sql_literal"] = _sql_literal
    made.filters["comment"] = lambda text: "\n".join(
        textwrap.wrap(text, 97, initial_indent="-- ", subsequent_indent="-- ")
    )
    return made


def _sql_literal(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return sqltext.literal(text)


@dataclass(frozen=True)
class Former:
    """What a reworked mapping was before: Sqitch keeps its scripts under a tag.

    Attributes:
        tag: the tag, without its @.
        expand: the deploy script of expand at that tag.
        sync: the deploy script of sync at that tag.
        phase: the last phase that the former mapping has in the plan before the tag.
    """

    tag: str
    expand: str
    sync: str
    phase: str


def scripts(mapping: Mapping, project: str, former: Former | None = None) -> dict[Path, str]:
    """Every rendered script by its path in the Sqitch project.

    Args:
        mapping: a valid mapping.
        project: the name of the Sqitch project, for the headers.
        former: what the mapping was before a rework; then expand goes from that to this in one
            transaction, and back in its revert, and sync finds its work done.
    """
    context = Context(mapping, project)
    rendered: dict[Path, str] = {}

    def add(kind: str, phase: str, template: str, **more: Any) -> None:
        needs = requires(mapping, phase, reworked=former is not None)
        made = environment().get_template(template).render(m=context, requires=needs, **more)
        script = _tidy([line.rstrip(" ") for line in made.rstrip().split("\n")])
        # A rework is made of scripts that are folded already, also of another mapping's.
        script = script if template.startswith("rework_") else fold(script, context.text)
        rendered[Path(kind) / f"{mapping.name}_{phase}.sql"] = script

    for phase in phases(mapping):
        for kind in KINDS:
            add(kind, phase, f"{phase}_{kind}.sql.j2")
    if former:
        parts = [rendered[Path("deploy") / f"{mapping.name}_{p}.sql"] for p in PHASES[:2]]
        was = [former.expand, former.sync]
        add("deploy", "expand", "rework_deploy.sql.j2", former=former, body=_bodies(parts))
        add("revert", "expand", "rework_revert.sql.j2", former=former, body=_bodies(was))
        add("deploy", "sync", "rework_sync_deploy.sql.j2", former=former)
        add("revert", "sync", "rework_sync_revert.sql.j2", former=former)
    return rendered


def _bodies(parts: list[str]) -> str:
    """What stands between BEGIN and COMMIT of scripts, one after the other."""
    return "\n\n".join(
        part.partition(f"\n{BEGIN}\n")[2].rpartition("\nCOMMIT;\n")[0].strip("\n") for part in parts
    )


def _tidy(lines: list[str]) -> str:
    """Never two empty lines in a row."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept) + "\n"


def phases(mapping: Mapping) -> tuple[str, ...]:
    """The phases a mapping has; without a plain key there is no view that could stand for it."""
    plain = all(column.plain for column in mapping.key_columns)
    return PHASES if plain else PHASES[:-1]


def requires(mapping: Mapping, phase: str, reworked: bool = False) -> list[str]:
    """The Sqitch changes that a phase requires."""
    own = list(mapping.document.requires) if phase == "expand" else []
    before = PHASES.index(phase) - 1
    previous = [f"{mapping.name}_{PHASES[before]}"] if before >= 0 else []
    engine = [*REQUIRES[phase], *(REWORK_REQUIRES if reworked and phase == "expand" else ())]
    return [*own, *previous, *engine]

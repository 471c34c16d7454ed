"""The first draft of a mapping: what two tables say for themselves, and what is left to decide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pgtandem import db, sqltext
from pgtandem.errors import PgtandemError
from pgtandem.sessions import Connection

SCHEMA_FILE = "mapping.schema.json"
PLAIN = re.compile(r"[A-Za-z_][\w.]*( [A-Za-z]\w*)*(\(\d+(, *\d+)?\))?( [a-z]+)*(\[\])*", re.ASCII)
WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # what YAML reads as no text
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence"}
# From each type to those that hold all of its values.
WIDER = {
    "smallint": {"integer", "bigint", "numeric"},
    "integer": {"bigint", "numeric"},
    "bigint": {"numeric"},
    "real": {"double precision"},
    "json": {"jsonb"},
}
SHORT = {
    "character varying": "varchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
}
STRINGS = {"text", "varchar", "bpchar"}


@dataclass(frozen=True)
class Column:
    """A column, as the catalog has it; types and defaults with their schema."""

    name: str
    type: str
    not_null: bool
    is_identity: bool
    is_generated: bool
    default: str | None

    @property
    def numbers_rows(self) -> bool:
        """Whether its default comes from a sequence."""
        return self.is_identity or "nextval(" in (self.default or "")


@dataclass(frozen=True)
class Table:
    """A table, its columns in order, and its indexes on plain columns, the best key first."""

    oid: int
    schema: str
    name: str
    kind: str
    has_children: bool
    has_policies: bool
    may_have_triggers: bool
    columns: tuple[Column, ...]
    indexes: tuple[dict[str, Any], ...]

    @property
    def sql(self) -> str:
        """Its name as SQL."""
        return f"{sqltext.ident(self.schema)}.{sqltext.ident(self.name)}"

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(column for column in self.columns if column.name == name)


def read(connection: Connection, name: str, side: str) -> Table:
    """Read a table from the catalog.

    Args:
        connection: a session; its search_path is set to pg_catalog.
        name: schema and table, as SQL writes them.
        side: source or target, for messages.

    Raises:
        PgtandemError: where there is no such table, or it cannot be that side of a mapping.
    """
    parts = sqltext.split_name(name)
    if parts is None:
        raise PgtandemError(
            f"--{side} {name} is no table's name.", hint="Write schema.table, quoted as in SQL."
        )
    connection.execute(db.load_query("new_settings"))
    where = {"schema": parts[0], "name": parts[1]}
    table = connection.execute(db.load_query("new_table"), where).fetchone()
    if table is None:
        raise PgtandemError(
            f"There is no table {sqltext.qualified(name)} in this database.",
            hint="psql -c '\\dt *.*' lists them; letters in a quoted name count as they are.",
        )
    if table["kind"] not in {"r", "p"}:
        raise PgtandemError(
            f"The {side} {sqltext.qualified(name)} is {KINDS.get(table['kind'], 'no table')}.",
            hint="Name the table that the application writes.",
        )
    oid = {"table": table["oid"]}
    columns = connection.execute(db.load_query("new_columns"), oid).fetchall()
    indexes = connection.execute(db.load_query("new_indexes"), oid).fetchall()
    for column in columns:
        column["type"] = _short(column["type"])
    return Table(
        **table, columns=tuple(Column(**column) for column in columns), indexes=tuple(indexes)
    )


def _short(declared: str) -> str:
    """A type by the name that people write."""
    for long, short in SHORT.items():
        declared = re.sub(rf"^{long}", short, declared)
    return declared


@dataclass
class Draft:
    """A mapping file in the making.

    Attributes:
        entries: column of the target to its line in YAML; None: somebody has to decide.
        remarks: column of the target to the comment behind its line.
        warnings: what a DBA should know before going on.
    """

    name: str
    source: Table
    target: Table
    entries: dict[str, str | None] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def undecided(self) -> list[str]:
        """What is marked with TODO."""
        return [*(n for n, e in self.entries.items() if e is None), *([] if self.key else ["key"])]


def make(name: str, source: Table, target: Table) -> Draft:
    """Fill in what is obvious, mark the rest, warn of what will matter later."""
    draft = Draft(name, source, target)
    for column in target.columns:
        _decide(draft, column)
    for index in target.indexes:
        if index["is_key"] and all(name in draft.plain for name in index["columns"]):
            draft.key = list(index["columns"])
            break
    draft.warnings = [*_table_warnings(draft), *_column_warnings(draft)]
    return draft


def _decide(draft: Draft, column: Column) -> None:
    if column.is_generated:
        draft.remarks[column.name] = "generated: the target computes it"
        return
    found = _counterpart(column.name, draft.source, taken=set(draft.plain.values()))
    if found and not _fits(found.type, column.type):
        draft.entries[column.name] = None
        draft.remarks[column.name] = f"the source's {found.name} is {found.type}, not {column.type}"
    elif found and found.is_generated:
        draft.plain[column.name] = found.name
        draft.entries[column.name] = f"{{from: {scalar(found.name)}, back: none}}"
        draft.remarks[column.name] = "generated in the source, so there is no way back"
    elif found:
        draft.plain[column.name] = found.name
        draft.entries[column.name] = scalar(found.name)
    elif column.numbers_rows:
        draft.remarks[column.name] = "left out: its default numbers the rows"
    elif column.default:
        draft.entries[column.name] = f"{{initial: {scalar(column.default)}}}"
    else:
        draft.entries[column.name] = None
        draft.remarks[column.name] = "no column of the source has this name" + (
            "; it must not be NULL" if column.not_null else ""
        )


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.casefold())


def _counterpart(name: str, source: Table, taken: set[str]) -> Column | None:
    """The column of the same name, or the only one that differs in case, _ and spaces."""
    same = [c for c in source.columns if c.name == name]
    alike = [c for c in source.columns if _bare(c.name) == _bare(name) and c.name not in taken]
    return same[0] if same else alike[0] if len(alike) == 1 else None


def _fits(one: str, other: str) -> bool:
    """Whether every value of a type is a value of another."""
    source, target = sqltext.base_type(one), sqltext.base_type(other)
    strings = {source, target} <= STRINGS
    return source == target or strings or target in WIDER.get(source, ())


def _table_warnings(draft: Draft) -> Iterator[str]:
    source, target = draft.source, draft.target
    if not any(index["is_key"] for index in target.indexes):
        yield f"{target.sql} has no unique index: sync needs one on the key."
    elif not draft.key:
        yield f"No unique index of {target.sql} is on columns that the source has: name the key."
    keys = {draft.plain[column] for column in draft.key}
    if keys and not any(set(i["columns"][: len(keys)]) == keys for i in source.indexes):
        names = ", ".join(sqltext.ident(column) for column in sorted(keys))
        yield f"{source.sql} has no index on ({names}): each write back would read all of it."
    elif keys and not any(i["is_key"] and set(i["columns"]) == keys for i in source.indexes):
        yield f"{source.sql} may hold a key twice: it has no unique index on it."
    if source.has_children:
        yield f"{source.sql} has inheritance children, for which its triggers do not fire."
    for table in (source, target):
        if table.has_policies:
            yield f"{table.sql} has row security: the role that deploys must see every row."
        if not table.may_have_triggers:
            yield f"You may not create triggers on {table.sql}: deploy as its owner."


def _column_warnings(draft: Draft) -> Iterator[str]:
    for column in draft.target.columns:
        name = f"{draft.target.sql}.{sqltext.ident(column.name)}"
        source = draft.plain.get(column.name)
        if column.name in draft.key and not sqltext.identifies(column.type):
            yield f"{name} is part of the key, but values of {column.type} identify nothing."
        elif column.name in draft.key and column.numbers_rows:
            yield (
                f"{name} numbers its rows by itself, from 1: let it draw from the sequence of the"
                " source, or new rows of both sides collide (docs/operations.md, Sequences)."
            )
        elif sqltext.base_type(column.type).rpartition(".")[2] in sqltext.AS_TEXT:
            yield f"{name} is {column.type}, whose = is missing or coarse: it is compared as text."
        found = draft.source.column(source) if source else None
        found = found or _counterpart(column.name, draft.source, taken=set())
        if found and sqltext.zone_dependent(found.type, column.type):
            yield f"{name} is {column.type}, its source {found.type}: say in which time zone."
        if source and column.not_null and not draft.source.column(source).not_null:
            yield f"{name} must not be NULL, its source may be: rows with NULL are set aside."
        if source and (longer := _longer(draft.source.column(source).type, column.type)):
            yield f"{name} is {column.type}, its source {longer}: what does not fit is set aside."


def _longer(one: str, other: str) -> str | None:
    """The type of the source where it holds longer values than the target's."""
    lengths = [re.search(r"\((\d+)", declared) for declared in (one, other)]
    if lengths[1] and (not lengths[0] or int(lengths[0][1]) > int(lengths[1][1])):
        return one
    return None


def scalar(text: str) -> str:
    """A string as YAML writes it in one line."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS and "," not in text:
        return text
    return json.dumps(text, ensure_ascii=False)


def text(draft: Draft) -> str:
    """The mapping file."""
    lines = [f"# yaml-language-server: $schema={SCHEMA_FILE}", "#"]
    lines += [f"# The move of {draft.source.sql} to {draft.target.sql}, drafted by pgtandem new."]
    lines += [f"# Warning: {warning}" for warning in draft.warnings]
    lines += ["", f"mapping: {draft.name}"]
    for side, table in (("source", draft.source), ("target", draft.target)):
        lines += [f"{side}:", f"  table: {scalar(table.sql)}", "  columns:"]
        lines += [
            f"    {scalar(c.name)}: {scalar(c.type)}"
            for c in table.columns
            if side == "source" or not c.is_generated
        ]
    lines += ["", "# requires: [the Sqitch change that makes the target]", ""]
    lines += ["# The columns of the target that identify a row."]
    key = ", ".join(scalar(name) for name in draft.key)
    lines += [f"key: [{key}]" + ("" if key else "  # TODO: name them")]
    lines += [
        "",
        "# Column of the target: where it comes from. docs/mapping.md explains the forms.",
        "columns:",
    ]
    for column in draft.target.columns:
        lines.append(_line(draft, column.name))
    used = set(draft.plain.values())
    unused = [column.name for column in draft.source.columns if column.name not in used]
    if unused:
        lines.append(f"  # Not carried over: {', '.join(unused)}.")
    lines += ["", "sync: {mode: record, ways: both}"]
    return "\n".join(lines) + "\n"


def _line(draft: Draft, name: str) -> str:
    remark = draft.remarks.get(name)
    if name not in draft.entries:
        return f"  # {scalar(name)}: {remark}"
    entry = draft.entries[name]
    if entry is None:
        return f"  {scalar(name)}: ~  # TODO: {remark}"
    return f"  {scalar(name)}: {entry}" + (f"  # {remark}" if remark else "")

"""Mappings over documents of MongoDB: SQL that reads them, gives them back and finds what is odd.

What a document holds is Extended JSON of any form; the functions pgtandem.mongo_* read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgtandem import documents, sqltext
from pgtandem.mistakes import Mistakes, nearest
from pgtandem.model import Column, Document, DocumentField

# What a value may be in the document, by the type of its column; the first if nobody says.
BSON = {
    "text": ("string", "objectId"),
    "boolean": ("boolean",),
    "smallint": ("number", "decimal"),
    "integer": ("number", "decimal"),
    "bigint": ("number", "decimal"),
    "numeric": ("decimal", "number"),
    "double precision": ("number",),
    "timestamptz": ("date",),
    "uuid": ("uuid", "string"),
    "bytea": ("binary",),
    "jsonb": ("json",),
    "text[]": ("string", "objectId"),
    "boolean[]": ("boolean",),
    "smallint[]": ("number",),
    "integer[]": ("number",),
    "bigint[]": ("number",),
    "uuid[]": ("string",),
    "jsonb[]": ("json",),
}
FORWARD = {
    "text": "mongo_text", "boolean": "mongo_boolean", "smallint": "mongo_integer",
    "integer": "mongo_integer", "bigint": "mongo_bigint", "numeric": "mongo_numeric",
    "double precision": "mongo_double", "timestamptz": "mongo_time", "uuid": "mongo_uuid",
    "bytea": "mongo_bytea",
}  # fmt: skip
GIVEN = ("unfit_documents", "unread_fields")  # checks that each such mapping has


@dataclass(frozen=True)
class Field:
    """A value in the document, resolved; all but `path` and `default_where` is SQL.

    Attributes:
        column: the target's column.
        path: the steps to it.
        kind: the column's type, without its modifier.
        limits: the modifier, as "(5,2)", or nothing.
        bson: what it is in the document.
        raw: what stands at the path, jsonb; NULL: nothing.
        default: for documents that lack it, or None.
        default_where: missing, null or empty.
    """

    column: str
    path: documents.Path
    kind: str
    limits: str
    bson: str
    raw: str
    default: str | None
    default_where: str

    @property
    def value(self) -> str:
        """What is to be read: what stands there, but for what the default replaces."""
        empty = self.default is not None and self.default_where == "empty"
        return f"nullif({self.raw}, '\"\"')" if empty else self.raw

    @property
    def flaw(self) -> str:
        """Why the column cannot hold it; NULL where it can."""
        kind = self.kind
        if self.limits:
            base = kind.removesuffix("[]")
            kind = kind.replace(base, base.replace("text", "varchar") + self.limits)
        kind, bson = sqltext.literal(kind), sqltext.literal(self.bson)
        return f"pgtandem.mongo_flaw({self.value}, {kind}, {bson})"

    @property
    def forward(self) -> str:
        """What the column is to hold."""
        read = self._read()
        # The filter leaves out what does not fit; but where the row is known when a statement is
        # planned, as in a trigger, PostgreSQL may read before it filters.
        fits = f"WHEN {self.flaw} IS NULL THEN {read}" if self.kind != "jsonb" else f"ELSE {read}"
        if self.default is not None and self.default_where == "missing":
            return f"CASE WHEN {self.raw} IS NULL THEN ({self.default}) {fits} END"
        read = read if self.kind == "jsonb" else f"CASE {fits} END"
        return read if self.default is None else f"coalesce({read}, ({self.default}))"

    def _read(self) -> str:
        element = "oid" if self.bson == "objectId" else self.kind.removesuffix("[]")
        if self.kind == "jsonb":
            return f"nullif(pgtandem.mongo_json({self.value}), 'null')"
        if self.kind.endswith("[]"):
            return f"pgtandem.mongo_array({self.value}, {sqltext.literal(element)})::{self.kind}"
        name = "mongo_oid" if self.bson == "objectId" else FORWARD[self.kind]
        return f"pgtandem.{name}({self.value})"

    def back(self, row: str) -> str:
        """What the document held, from a row of the target: an argument of jsonb_build_object."""
        column = f"{row}.{sqltext.ident(self.column)}"
        forms = {
            "decimal": f"pgtandem.mongo_decimal({column})",
            "date": f"pgtandem.mongo_date({column})",
            "uuid": f"pgtandem.mongo_binary(uuid_send({column}), '04')",
            "binary": f"pgtandem.mongo_binary({column})",
        }
        if self.bson == "objectId":
            oid = f"CASE WHEN {column} IS NOT NULL THEN jsonb_build_object('$oid', {column}) END"
            return f"pgtandem.mongo_oids({column})" if self.kind.endswith("[]") else oid
        if self.bson == "number" and self.kind in {"numeric", "double precision"}:
            return f"pgtandem.mongo_number({column})"
        return forms.get(self.bson, column)


def steps(path: str) -> documents.Path | None:
    """The steps of a path as a.b.c or a."b.b".c; None where it is none."""
    made = documents.split(f"x.{path}")
    return made[1] if made else None


def fields(document: Document) -> list[Field]:
    """The fields of a valid mapping."""
    if document.document is None:
        return []
    found = []
    column = f"source.{sqltext.ident(document.document.column)}"
    for name, entry in document.document.fields.items():
        form = _form(entry)
        kind = _kind(document.target.columns[name])
        path = steps(form.path) or ()
        raw = (
            f"{column} -> {sqltext.literal(path[0]).strip()}"
            if len(path) == 1
            else f"{column} #> {documents.array(path)}"
        )
        found.append(
            Field(
                column=name,
                path=path,
                kind=kind,
                limits=_limits(document.target.columns[name]),
                bson=form.bson or BSON[kind][0],
                raw=raw,
                default=sqltext.closed(form.default) if form.default else None,
                default_where=form.default_where,
            )
        )
    return found


def _form(entry: str | DocumentField) -> DocumentField:
    return entry if isinstance(entry, DocumentField) else DocumentField(path=entry)


def _kind(declared: str) -> str:
    base = sqltext.base_type(declared)
    element = base.removesuffix("[]")
    return base.replace(element, "text", 1) if element == "varchar" else base


def _limits(declared: str) -> str:
    found = re.search(r"\(.*\)", declared)
    return re.sub(r"\s", "", found[0]) if found else ""


def columns(document: Document, mistakes: Mistakes) -> Iterator[Column]:
    """The columns of the target that a document of the source says; what is wrong is noted."""
    section = document.document
    if section is None:
        return
    before = len(mistakes.found)
    _check_section(document, mistakes)
    if len(mistakes.found) > before:
        return
    for field in fields(document):
        known = document.source.columns
        reads = {section.column, *sqltext.mentioned(field.default or "", known)}
        yield Column(
            name=field.column,
            document=field.column,
            path=(),
            type=document.target.columns[field.column],
            expression=f"({field.forward})",
            plain=None,
            initial=False,
            back=None,
            reads=tuple(name for name in known if name in reads),
            as_text=False,
        )


def _check_section(document: Document, mistakes: Mistakes) -> None:
    section = document.document
    assert section is not None
    source, target = document.source.columns, document.target.columns
    for key, name in (("column", section.column), ("id", section.id)):
        if name not in source:
            mistakes.add(
                ("document", key),
                f'document.{key}: the source has no column "{name}"{nearest(name, source)}',
            )
    declared = source.get(section.column, "jsonb")
    if sqltext.base_type(declared) != "jsonb":
        mistakes.add(
            ("document", "column"),
            f'document.column: "{section.column}" is {declared}; documents are jsonb',
        )
    if document.sync.ways == "both":
        mistakes.add(
            ("sync", "ways"),
            "sync.ways: nothing is written back into the documents; write ways: forward",
        )
    if document.rows or sqltext.split_name(document.source.table) == sqltext.split_name(
        document.target.table
    ):
        mistakes.add(("document",), "document: not with rows, nor in place")
    for name, entry in section.fields.items():
        _check_field(document, name, _form(entry), target, mistakes)
    _check_paths(document, mistakes)
    for position, path in enumerate(section.ignored):
        if steps(path) is None:
            mistakes.add(
                ("document", "ignored", position), f'document.ignored: "{path}" is no path'
            )
    _check_view(document, mistakes)


def _check_field(
    document: Document,
    name: str,
    form: DocumentField,
    target: dict[str, str],
    mistakes: Mistakes,
) -> None:
    where = ("document", "fields", name)
    here = f"document.fields.{name}"
    if name not in target:
        mistakes.add(where, f'{here}: the target has no column "{name}"{nearest(name, target)}')
        return
    if name in document.columns:
        mistakes.add(where, f"{here}: it stands under columns, too; take one of them out")
    allowed = BSON.get(_kind(target[name]))
    if allowed is None:
        mistakes.add(
            where,
            f"{here}: a column of type {target[name]} is for an expression under columns; here are "
            f"{', '.join(BSON)}",
        )
    elif form.bson and form.bson not in allowed:
        mistakes.add(
            (*where, "bson"),
            f"{here}: a column of type {target[name]} is for {' or '.join(allowed)}, "
            f"not {form.bson}",
        )
    path = steps(form.path)
    if path is None or path[0] == "_id":
        why = "map the column of the source instead" if path else "it is no path, as a.b.c"
        mistakes.add(where, f'{here}: "{form.path}": {why}')
    if form.default_where != "missing" and form.default is None:
        mistakes.add(where, f"{here}: default_where without a default")
    if form.default is not None and (flaw := sqltext.flaw(form.default)):
        mistakes.add((*where, "default"), f"{here}.default: {flaw}")
    word, reserved = (form.default or "").strip(), sqltext.RESERVED
    name_like = re.fullmatch(r"[^\W\d][\w$]*", word) and word.lower() not in reserved
    if name_like and word not in document.source.columns:
        mistakes.add(
            (*where, "default"),
            f'{here}.default: the source has no column "{word}"; a text is "\'{word}\'"',
        )


def _check_paths(document: Document, mistakes: Mistakes) -> None:
    """No value stands within another one that is mapped or ignored."""
    assert document.document is not None
    places: dict[documents.Path, str] = {}
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("fields", name), _form(entry).path) for name, entry in document.document.fields.items()
    ]
    named += [(("ignored", n), path) for n, path in enumerate(document.document.ignored)]
    for where, text in named:
        path = steps(text) or ()
        for other, name in places.items():
            shorter = min(len(path), len(other))
            if path and path[:shorter] == other[:shorter]:
                mistakes.add(
                    ("document", *where),
                    f'document: "{text}" and "{name}" are one value, or one is within the other',
                )
        places[path] = text


def _check_view(document: Document, mistakes: Mistakes) -> None:
    assert document.document is not None
    view, identifier = document.document.view, document.document.id
    if view is None:
        return
    parts = sqltext.split_name(view)
    if parts is None or any(sqltext.fitting(part) != part for part in parts):
        mistakes.add(("document", "view"), "document.view: write schema.name, quoted as in SQL")
    if identifier not in document.columns.values():
        mistakes.add(
            ("document", "view"),
            f"document.view: no column of the target holds the {identifier} of the document; map "
            f"one under columns, as in mongo_id: {identifier}",
        )


def fits(document: Document) -> str | None:
    """A condition over a row of the source: its columns can hold all values; None: always."""
    flaws = [field.flaw for field in fields(document) if field.kind != "jsonb"]
    return "coalesce({}) IS NULL".format(",\n    ".join(flaws)) if flaws else None


def row_filter(document: Document) -> str | None:
    """The filter of the source and that its document fits; None where neither is asked for."""
    own = sqltext.closed(document.source.filter) if document.source.filter else None
    fitting = fits(document)
    return f"({own}) AND {fitting}" if own and fitting else own or fitting


def read_paths(document: Document) -> str:
    """The paths that are read or ignored, as the JSON object that pgtandem.mongo_unread takes."""
    assert document.document is not None
    tree: dict[str, Any] = {"_id": True}
    ignored = [steps(path) or () for path in document.document.ignored]
    for path in [*(field.path for field in fields(document)), *ignored]:
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = True
    return sqltext.literal(json.dumps(tree, ensure_ascii=False)).strip()


def given_checks(document: Document) -> dict[str, str]:
    """The checks that come with a document section, by their names: queries over the source."""
    section = document.document
    if section is None:
        return {}
    table = sqltext.qualified(document.source.table)
    identifier = f"source.{sqltext.ident(section.id)}"
    own = sqltext.closed(document.source.filter) if document.source.filter else None
    found = ",\n       ".join(
        f"({sqltext.literal('.'.join(f.path)).strip()}, {f.value}, {f.flaw})"
        for f in fields(document)
        if f.kind != "jsonb"  # which holds anything
    )
    unfit = {
        "unfit_documents": f"SELECT {identifier} AS _id, f.path, f.value, f.flaw\n"
        f"FROM {table} AS source,\n"
        f"     LATERAL (VALUES\n       {found}\n     ) AS f (path, value, flaw)\n"
        f"WHERE f.flaw IS NOT NULL{f' AND ({own})' if own else ''}",
    }
    return (unfit if found else {}) | {
        "unread_fields": f"SELECT u.path, count(*) AS documents, min({identifier}) AS example\n"
        f"FROM {table} AS source,\n"
        f"     pgtandem.mongo_unread(source.{sqltext.ident(section.column)},\n"
        f"       {read_paths(document)}) AS u (path)\n"
        + (f"WHERE ({own})\n" if own else "")
        + "GROUP BY u.path ORDER BY u.path",
    }


def old_document(document: Document) -> str:
    """The document that a row `t` of the target came from, as relaxed Extended JSON."""
    assert document.document is not None
    own = f"pgtandem.mongo_json(t.{sqltext.ident(id_column(document))}::jsonb)"
    return documents.build(
        [(("_id",), own), *((f.path, f.back("t")) for f in fields(document))], -4
    )


def id_column(document: Document) -> str:
    """The column of the target that holds the _id."""
    assert document.document is not None
    return next(n for n, entry in document.columns.items() if entry == document.document.id)

"""From a mapping to the scripts of its phases: plain SQL, the same text every time."""

from __future__ import annotations

import copy
import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.ext import Extension

from pgtandem import __version__, documents, fields, joins, paths, sqltext
from pgtandem.derived import touched
from pgtandem.fold import fold
from pgtandem.model import Column, Document
from pgtandem.project import KINDS
from pgtandem.spec import Mapping

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED;"
PHASES = ("expand", "sync", "backfill", "index", "contract")
REQUIRES = {
    "expand": ("pgtandem:require", "pgtandem:comparison", "pgtandem:progress", "pgtandem:gate"),
    "sync": ("pgtandem:drain",),
    "backfill": ("pgtandem:backfill", "pgtandem:control"),
    "index": ("pgtandem:index",),
    "contract": ("pgtandem:contract",),
}
UNDO_REQUIRES = ("pgtandem:undo_run",)
BY_COLUMNS = ("pgtandem:columns",)  # which a contract on columns requires beside
TRIGGERS = ("write", "update", "moved", "truncate")  # on the source; "keep", too, in place
REWORK_REQUIRES = ("pgtandem:rework",)
PATH_REQUIRES = ("pgtandem:document",)
DOCUMENT_REQUIRES = ("pgtandem:mongo_document",)
NOTES = {
    "expand": "what the target should hold, and the comparison",
    "sync": "triggers that keep both sides equal",
    "backfill": "gate: every row is copied",
    "index": "indexes for the new application, built beside the writers",
    "contract": "gate: proven; the old table becomes an archive behind a view",
}


def _over(expression: str, row: str, name: str) -> str:
    """An expression over one row, whose columns it finds without a prefix, too."""
    return f"(SELECT {expression} FROM (SELECT {row}.*) AS {name})"  # noqa: S608 - it is meant to


@dataclass(frozen=True)
class SqlColumn:
    """A column of the target, or a path in one, as the templates see it; SQL but for two.

    Attributes:
        raw: the column's name, or the path, as the mapping writes it.
        name: the same as a column of the image, quoted where it must be.
        document: the target's column.
        path: the path in it; () where there is none.
        type: its declared type.
        expr: what it should hold, over a row of the source called `source`.
        plain: the source column that this is, or None.
        cast: whether `expr` casts.
        reads: the source columns that `expr` mentions.
        image: the column of the image, called `i`.
        as_text: compare as text.
        initial: set on the first copy only.
        unset: of an initial column where the target is the source: whether nobody has set it yet,
            over the columns of a row.
    """

    raw: str
    name: str
    document: str
    path: documents.Path
    type: str
    expr: str
    plain: str | None
    cast: bool
    reads: tuple[str, ...]
    image: str
    as_text: bool
    initial: bool
    unset: str | None = None

    def at(self, row: str) -> str:
        """What a row of the target holds, to be compared with the image."""
        document = f"{row}.{self.document}"
        return documents.value(document, self.path) if self.path else document

    @property
    def selected(self) -> str:
        """The same in the select list of a query over the target alone, under the image's name."""
        if not self.path:
            return self.name
        return f"{documents.value(self.document, self.path)} AS {self.name}"

    def keyed(self, value: str) -> str:
        """A value of this column as an element of a JSON key."""
        stable = sqltext.same_json_everywhere(self.type)
        return value if stable else f"pgtandem.key_value({value})"

    def over(self, row: str) -> str:
        """`expr` over a row variable of PL/pgSQL instead of `source`."""
        if self.plain:
            return self._json(self._cast(f"{row}.{self.plain}"))
        if not self.reads:
            return self.expr
        return _over(self.expr, row, "source")

    def stored(self, row: str) -> str:
        """The same, as it is stored in the target or put into a document.

        Args:
            row: `source`, a row variable of PL/pgSQL, or `i`: the image.
        """
        if row == "i":
            return self.image
        if self.plain and self.path:
            return documents.argument(self._cast(f"{row}.{self.plain}"), self.type)
        return self.expr if row == "source" else self.over(row)

    def _cast(self, value: str) -> str:
        return sqltext.cast(value, self.type) if self.cast else value

    def _json(self, value: str) -> str:
        return documents.to_json(value, self.type) if self.path else value

    def written(self, old: str, new: str) -> str:
        """A condition over two rows of the target: an update changed what stands there."""
        if not self.path:
            return self.differ(self.at(old), self.at(new))
        return f"{self.at(old)} IS DISTINCT FROM {self.at(new)}"

    def is_unset(self, row: str) -> str:
        """A condition over a row of a table that is its own target: nobody has set it yet."""
        return f"{_over(self.unset or f'{self.name} IS NULL', row, 'target')} IS TRUE"

    def is_due(self, row: str, value: str) -> str:
        """A condition over a row of a table that is its own target: the value is to be written."""
        differs = self.differ(value, self.at(row))
        return f"({self.is_unset(row)} AND {differs})" if self.initial else differs

    def due(self, row: str, value: str) -> str:
        """What it is to hold then."""
        if not self.initial:
            return value
        return f"CASE WHEN {self.is_unset(row)} THEN {value} ELSE {self.at(row)} END"

    def same(self, left: str, right: str) -> str:
        """A condition: the two values are the same."""
        if self.path:
            return documents.same(left, right, self.type)
        return sqltext.same(left, right, self.type, self.as_text)

    def differ(self, left: str, right: str) -> str:
        """A condition: the two values are not the same."""
        if self.path:
            return documents.differ(left, right, self.type)
        return sqltext.differ(left, right, self.type, self.as_text)


@dataclass(frozen=True)
class Image:
    """What the source says of a column of the target that is a document: no more than its paths.

    Attributes:
        name: the target's column.
        columns: the synced paths in it.
        variable: of PL/pgSQL, to hold it.
    """

    name: str
    columns: list[SqlColumn]
    variable: str

    def whole(self, row: str) -> str:
        """It, from `source` or a row variable of PL/pgSQL."""
        return documents.build([(c.path, c.stored(row)) for c in self.columns], -4)


@dataclass(frozen=True)
class BackColumn:
    """A column of the source as the way back sees it, in SQL over v_old and v_new of the target.

    Attributes:
        name: the source column, quoted where it must be.
        raw: the same as it is.
        value: what it should hold.
        changed: whether a change of the target's row changes it.
        kept: whether `source` has the same image as v_new already, in other words maybe.
        is_key: whether it is of the key.
    """

    name: str
    raw: str
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
        generated: where the source generates it: its value, over v_new.
    """

    name: str
    view: str
    changed: str
    generated: str | None = None


@dataclass(frozen=True)
class SqlIndex:
    """An index on the target; all but `raw` is SQL.

    Attributes:
        raw: its name.
        name: the same, quoted where it must be.
        qualified: with the schema, which is the target's.
        unique: true or false.
        definition: what follows the name of the table.
        query: a query of the application that is to use it, if one is given.
        comment: what a DBA reads about it in psql.
    """

    raw: str
    name: str
    qualified: str
    unique: str
    definition: str
    query: str | None
    comment: str


def _sql_indexes(mapping: Mapping) -> list[SqlIndex]:
    schema, _ = sqltext.split_name(mapping.document.target.table) or ("", "")
    return [
        SqlIndex(
            raw=raw,
            name=sqltext.ident(raw),
            qualified=f"{sqltext.ident(schema)}.{sqltext.ident(raw)}",
            unique="true" if index.unique else "false",
            definition=f"USING {sqltext.ident(index.using)} {sqltext.closed(index.on)}"
            + (f" WHERE ({sqltext.closed(index.where)})" if index.where else ""),
            query=sqltext.closed(index.query) if index.query else None,
            comment=f"Of the mapping {mapping.name}."
            + (f" For: {index.query}" if index.query else ""),
        )
        for raw, index in mapping.document.indexes.items()
    ]


@dataclass(frozen=True)
class LeavingColumn:
    """A column that contract takes out of the source.

    Attributes:
        name: the source column, quoted where it must be.
        raw: the same as it is.
        hidden: what it is called while a revert fills it, unseen.
        differs: whether what `archived` and `excluded` hold differs.
        changed: whether OLD and NEW differ in it.
        restoring: what SET says to fill it from `archived`.
        lacks: whether what `source` (by its hidden name) and `archived` hold differs.
    """

    name: str
    raw: str
    hidden: str
    differs: str
    changed: str
    restoring: str
    lacks: str


def _leaving_column(mapping: Mapping, place: int, name: str) -> LeavingColumn:
    quoted, hidden = sqltext.ident(name), f"pgtandem_old_{place}"
    declared = mapping.document.source.columns[name]
    return LeavingColumn(
        name=quoted,
        raw=name,
        hidden=hidden,
        differs=sqltext.differ(f"archived.{quoted}", f"excluded.{quoted}", declared),
        changed=sqltext.differ(f"OLD.{quoted}", f"NEW.{quoted}", declared),
        restoring=f"{hidden} = archived.{quoted}",
        lacks=sqltext.differ(f"source.{hidden}", f"archived.{quoted}", declared),
    )


def _sql_column(mapping: Mapping, column: Column) -> SqlColumn:
    # An initial column is not compared, so its assignment may cast as it likes.
    cast = bool(not column.initial or column.path) and (
        column.plain is None
        or sqltext.needs_cast(mapping.document.source.columns[column.plain], column.type)
    )
    value = f"source.{column.expression}" if column.plain else column.expression
    value = sqltext.cast(value, column.type) if cast else value
    name = sqltext.ident(sqltext.fitting(column.name))
    return SqlColumn(
        raw=column.name,
        name=name,
        document=sqltext.ident(column.document),
        path=column.path,
        type=column.type,
        expr=documents.to_json(value, column.type) if column.path else value,
        plain=sqltext.ident(column.plain) if column.plain else None,
        cast=cast,
        reads=tuple(sqltext.ident(r) for r in column.reads),
        image=f"i.{name}",
        as_text=column.as_text,
        initial=column.initial,
        unset=column.unset,
    )


def _back_value(mapping: Mapping, column: Column, back: str, expression: str, row: str) -> str:
    """The way back of one source column, over a row of the target in a PL/pgSQL variable."""
    declared = mapping.document.source.columns[back]
    if column.path and column.plain == back and expression == sqltext.ident(column.name):
        return documents.typed(f"{row}.{sqltext.ident(column.document)}", column.path, declared)
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
        self._name_kind(mapping)
        self._name_tables(document)

        by_name = {c.name: _sql_column(mapping, c) for c in mapping.columns}
        self.columns = list(by_name.values())
        self.synced = [by_name[c.name] for c in mapping.synced]
        self.initial = [by_name[c.name] for c in mapping.columns if c.initial]
        self.key = [by_name[c.name] for c in mapping.key_columns]
        self.synced_rest = [c for c in self.synced if c not in self.key]
        # What a comparison looks at, beside the key: of a table that is its own target also what is
        # initial, as nobody can tell otherwise whether it was copied.
        self.compared_rest = self.synced_rest + (self.initial if self.in_place else [])
        self.compared = [*self.key, *self.compared_rest]
        self.one_way = [by_name[c.name] for c in mapping.synced if not c.back]
        self.one_way_rest = [c for c in self.one_way if c not in self.key]
        # Every value is a field of the row or a constant, so a plain VALUES will do.
        self.fields_only = not self.filter and all(c.plain or not c.reads for c in self.columns)
        # What says which rows of the target a drain settles at once: all of the key without `rows`.
        self.unit = self.key[: mapping.unit]
        # An update may bring over those parts of documents alone that it changed.
        self.in_steps = self.fields_only and any(c.path for c in self.synced)
        # Columns of the target that may follow from a source column which another one writes back.
        self.derived = [c for c in self.synced if not c.plain or c in self.one_way]
        # The columns of the target that hold paths, and their names.
        self.documents = {sqltext.ident(c.document): c.document for c in mapping.columns if c.path}
        self.stored_columns = list(dict.fromkeys(c.document for c in self.columns))
        self.images = [
            Image(name, paths_in, f"v_image{n or ''}")
            for n, name in enumerate(self.documents)
            if (paths_in := [c for c in self.synced if c.path and c.document == name])
        ]
        # The key's columns in the source; None where one of them is no plain column of it.
        self.source_key_array = (
            sqltext.text_array([c.plain or "" for c in mapping.key_columns])
            if all(c.plain and not c.cast for c in self.key)
            else None
        )
        self.key_reads = list(dict.fromkeys(r for k in self.key for r in k.reads))
        self.back = [
            BackColumn(
                sqltext.ident(back),
                back,
                _back_value(mapping, column, back, expression, "v_new"),
                " OR ".join(c.written("v_old", "v_new") for c in self._behind(column, expression)),
                by_name[column.name].same(
                    by_name[column.name].expr, by_name[column.name].at("v_new")
                ),
                by_name[column.name] in self.key,
            )
            for column in mapping.synced
            for back, expression in (column.back or {}).items()
        ]
        self.back_rest = [b for b in self.back if not b.is_key]
        self._types = source.columns
        self._key_names = [column.plain or "" for column in mapping.key_columns]
        self._around = self._read_around(document)
        self._reads = self._read_columns(mapping)
        self.old = [self._old_column(mapping, name) for name in source.columns]
        self.old_written = [c for c in self.old if not c.generated]
        self.old_only = [c for c in self.old_written if c.name not in {b.name for b in self.back}]
        self.old_rest = [c for c in self.old_written if c.name not in {k.plain for k in self.key}]
        self.generated = [c for c in self.old if c.generated]
        self.generated_array = sqltext.text_array(list(document.contract.generated))

        self._name_beside(mapping)
        self._name_leaving(mapping)

        self.key_array = sqltext.text_array(document.key)
        self.reads = [sqltext.ident(name) for name in self._reads]
        self.target_columns = [sqltext.ident(name) for name in target.columns]
        self.source_array_of_columns = sqltext.text_array(list(source.columns))

    def _name_kind(self, mapping: Mapping) -> None:
        document = mapping.document
        target = document.target
        self.filter = fields.row_filter(document)
        self.target_filter = sqltext.closed(target.filter) if target.filter else None
        self.truncate = document.sync.truncate
        self.lock_timeout = document.sync.lock_timeout.replace(" ", "")
        self.one_shot = document.sync.ways == "none"
        self.queued = document.sync.mode == "queued" and not self.one_shot
        self.record = document.sync.mode == "record" and not self.one_shot
        self.both = document.sync.ways == "both"
        self.in_place = mapping.in_place
        self.merge = document.merge
        self.made_from = joins.sql_from(document)
        self.joins = list(joins.sql_joins(document).values())
        self.rows = list(document.rows)

    def _name_tables(self, document: Document) -> None:
        source, target = document.source, document.target
        self.source = sqltext.qualified(source.table)
        self.target = sqltext.qualified(target.table)
        parts = sqltext.split_name(source.table)
        assert parts is not None
        self.source_schema = sqltext.ident(parts[0])
        self.archive_schema = sqltext.ident(document.contract.archive)
        self.archived = f"{self.archive_schema}.{sqltext.ident(parts[1])}"
        own = [self.source, self.target, *(j.table for j in self.joins)]
        tables = own if not self.one_shot else own[:2]
        self.tables = f"{{{', '.join(_element(t) for t in dict.fromkeys(tables))}}}"
        read = dict.fromkeys([self.source, *(j.table for j in self.joins)])
        self.read_tables = f"{{{', '.join(_element(t) for t in read)}}}"
        self.archived_tables = (
            f"{{{_element(self.source)}, {_element(self.target)}, {_element(self.archived)}}}"
        )
        self.source_table = f"{{{_element(self.source)}}}"

    def _name_beside(self, mapping: Mapping) -> None:
        """What a mapping may have beside the image and its sync."""
        self.undo = mapping.undo
        self.indexes = _sql_indexes(mapping)
        self.checks = mapping.checks
        self._name_categories(mapping.document)
        self._name_view(mapping.document)

    def _name_view(self, document: Document) -> None:
        view = document.document.view if document.document else None
        self.old_view = sqltext.qualified(view) if view else None
        self.old_id = sqltext.ident(fields.id_column(document)) if view else ""
        self.old_document = fields.old_document(document) if view else ""

    def _name_categories(self, document: Document) -> None:
        self.categories = {
            sqltext.literal(name): sqltext.closed(text)
            for name, text in document.categories.items()
        }
        read = set(self._reads)
        for text in self.categories.values():
            read.update(sqltext.mentioned(text, self._types))
        self.categories_read = sqltext.text_array([name for name in self._types if name in read])

    @property
    def copy_template(self) -> str:
        """The template of copy_chunk."""
        if self.in_place:
            return "copy_in_place.sql.j2"
        return "copy_merge.sql.j2" if self.merge else "copy_chunk.sql.j2"

    @property
    def measured(self) -> Context:
        """The same mapping, into the scratch table of pgtandem.measure instead of the target."""
        other = copy.copy(self)
        other.target = f"{self.schema}.measured_target"
        return other

    def _name_leaving(self, mapping: Mapping) -> None:
        columns = mapping.document.contract.columns or []
        self.leaving = [
            _leaving_column(mapping, place, name) for place, name in enumerate(columns, 1)
        ]
        gone = {c.name: c.hidden for c in self.leaving}
        self.staying = [c.name for c in self.old if c.name not in gone]
        self.hidden = gone
        self.filter_stays = [
            sqltext.ident(name)
            for name in sqltext.mentioned(self.filter or "", self._types)
            if sqltext.ident(name) not in gone
        ]
        self.archive_key_array = sqltext.text_array(self._key_names)

    def _behind(self, column: Column, expression: str) -> list[SqlColumn]:
        """The columns of the target whose change changes what its way back says."""
        if column.path:
            return [c for c in self.synced if c.raw == column.name]
        names = [c.raw for c in self.synced if not c.path]
        read = {column.name, *sqltext.mentioned(expression, names)}
        return [c for c in self.synced if c.raw in read]

    def trigger_name(self, ending: str) -> str:
        """The name of a trigger on the source, one of TRIGGERS."""
        # Fitted before the ending is put to it: triggers fire in the order of their names.
        default = f"~{self.schema}" if self.in_place else self.schema
        beginning = self.settings["sync"].get("trigger") or default
        return f"{sqltext.fitting(beginning, sqltext.MAX_NAME - len('_truncate'))}_{ending}"

    @property
    def record_trigger(self) -> str:
        """The trigger on the target that stores pre-images: before others that write the row."""
        return f"!{self.schema}_pre_image"

    @property
    def restore_trigger(self) -> str:
        """The trigger on the target for what an undo writes: after others that change the row."""
        return self.trigger_name("restore") if self.in_place else f"~{self.schema}_restore"

    @property
    def restored(self) -> list[str]:
        """The columns of the target that a backfill updates; the key, where there are no others."""
        written = [c.document for c in (*self.synced_rest, *self.initial)]
        return list(dict.fromkeys(written)) or [c.document for c in self.key]

    def trigger(self, ending: str) -> str:
        """The same as SQL."""
        return sqltext.ident(self.trigger_name(ending))

    @property
    def plain_key(self) -> bool:
        """Whether the key is made of plain columns of the source."""
        return self.source_key_array is not None

    def trigger_array(self) -> str:
        """The names of all of them."""
        endings = [*TRIGGERS, *(["keep"] if self.in_place else [])]
        return sqltext.text_array([self.trigger_name(ending) for ending in endings])

    @property
    def triggers(self) -> list[tuple[str, str, bool]]:
        """Each row trigger: table, name, and whether it fires as long as the sync is at work."""
        keep = [(self.source, self.trigger_name("keep"), True)] if self.in_place else []
        if self.one_shot:
            return keep
        back = [f"{self.schema}_back_{ending}" for ending in ("write", "update")]
        return [
            *keep,
            *((self.source, self.trigger_name(e), e != "moved") for e in TRIGGERS[:3]),
            *((self.target, name, True) for name in back if self.both and not self.in_place),
            *((join.table, self.join_trigger(join), True) for join in self.joins),
        ]

    def unit_of(self, row: str) -> str:
        """What the queue holds of a row of the source: the key, or of `rows` what they share."""
        over = [
            k.keyed(f"{row}.{k.plain}" if k.plain else _over(k.expr, row, "source"))
            for k in self.unit
        ]
        return f"jsonb_build_array({', '.join(over)})"

    @property
    def unit_may_fail(self) -> bool:
        """Whether `unit_of` computes something."""
        return any(not k.plain for k in self.unit)

    @property
    def image_of_key(self) -> str:
        """The view to read the image of one key from."""
        return f"{self.schema}.{'image_of_key' if self.joins else 'image'}"

    @property
    def looked_up(self) -> list[tuple[str, str]]:
        """Tables, each with the columns by which the image or a drain finds its rows."""
        found = [(join.table, join.looked_up) for join in self.joins]
        if not self.one_shot:
            found += [
                (join.through.table if join.through else self.source, join.touched_array)
                for join in self.indirect
            ]
        return [(table, columns) for table, columns in dict.fromkeys(found) if columns]

    @property
    def read_of_tables(self) -> list[tuple[str, str]]:
        """Each table that the image reads, once, and the names of its columns that are watched."""
        read = {self.source: list(self._reads)}
        for join in self.joins:
            read[join.table] = list(dict.fromkeys(read.get(join.table, []) + join.read_names))
        return [(table, sqltext.text_array(names)) for table, names in read.items()]

    def is_direct(self, join: joins.SqlJoin) -> bool:
        """Whether a row of a joined table itself holds the key that it touches."""
        columns = [f"source.{k.plain}" for k in self.unit]
        cast = any(k.cast for k in self.unit) or not all(t.same for t in join.touches)
        return not cast and not join.through and [t.column for t in join.touches] == columns

    @property
    def indirect(self) -> list[joins.SqlJoin]:
        """The joined tables whose rows do not hold the key."""
        return [join for join in self.joins if not self.is_direct(join)]

    def via(self, join: joins.SqlJoin) -> str:
        """What the queue says of an entry from a joined table."""
        return "NULL" if self.is_direct(join) else sqltext.literal(join.raw)

    @property
    def carries(self) -> bool:
        """Whether its triggers carry a write from one table to another, at once."""
        return not (self.in_place or self.queued or self.one_shot)

    @property
    def named_tables(self) -> str:
        """The tables that its phases lock, for a reader."""
        if self.joins and not self.one_shot:
            return "all of its tables"
        return self.source if self.in_place else "both tables"

    @property
    def what_sync_does(self) -> str:
        """In a sentence, for the header of a script."""
        if self.one_shot:
            return f"Nothing keeps {self.target} equal afterwards: sync.ways is none."
        if self.queued:
            tables = list(dict.fromkeys([self.source, *(join.table for join in self.joins)]))
            return (
                f"From here on a write of {', '.join(tables)} queues the key that it touches, and "
                f"a drain brings the image to {self.target}."
            )
        if self.in_place:
            ways = ", and the other way round" if self.both else ""
            return f"From here on the old columns of {self.source} bring the new ones along{ways}."
        ways = ", and the other way round" if self.both else ""
        return f"From here on a write of {self.source} reaches {self.target}{ways}."

    @property
    def truncate_functions(self) -> list[str]:
        """The functions of the triggers for TRUNCATE."""
        return [f"truncate_{side}" for side in self.truncate_sides]

    @property
    def truncate_sides(self) -> list[str]:
        """What `truncated` takes, of each table that has a trigger for TRUNCATE."""
        own = [] if self.in_place else ["source", "target"] if self.both else ["source"]
        return [] if self.one_shot else [*own, *(join.raw for join in self.joins)]

    def truncated(self, side: str) -> tuple[str, str]:
        """The table of a side, or of a join, and the name of its trigger for TRUNCATE."""
        if side == "source":
            return self.source, self.trigger_name("truncate")
        if side == "target":
            return self.target, f"{self.schema}_truncate"
        join = next(join for join in self.joins if join.raw == side)
        return join.table, self.join_trigger(join, "_truncate")

    def join_trigger(self, join: joins.SqlJoin, ending: str = "") -> str:
        """The name of a trigger on a joined table."""
        return sqltext.fitting(f"{self.schema}_{join.raw}{ending}")

    def tag(self, name: str) -> str:
        """A dollar quote that occurs nowhere in the mapping."""
        while f"${name}$" in self.text:
            name += "_"
        return f"${name}$"

    def _read_columns(self, mapping: Mapping) -> list[str]:
        """Every source column that the image depends on, in the order of the table."""
        read = {r for c in mapping.columns for r in c.reads} | self._read_around(mapping.document)
        if self.filter:
            read.update(sqltext.mentioned(self.filter, self._types))
        return [name for name in self._types if name in read]

    def _read_around(self, document: Document) -> set[str]:
        """Source columns that joins and `rows` read."""
        texts = [*document.rows.values()]
        keys = [touched(document, key) for join in document.joins.values() for key in join.touches]
        read = {column for through, column in keys if not through}
        for text in texts:
            read.update(sqltext.mentioned(text, document.source.columns))
        return read

    def _watched(self, mapping_columns: list[SqlColumn]) -> list[str]:
        """The source columns whose change changes a synced column or the filter."""
        read = {r for c in mapping_columns for r in c.reads}
        read.update(sqltext.ident(name) for name in self._around)
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

    def target_changed(self, separator: str, key: bool = True) -> str:
        """A condition over OLD and NEW of the target: a synced column changed, the key too."""
        conditions: dict[str, list[str]] = {}
        for c in self.synced if key else self.synced_rest:
            condition = c.written("OLD", "NEW")
            conditions.setdefault(c.document if c.path else c.name, []).append(condition)
        inner = "\n        OR "
        return separator.join(
            f"(OLD.{document} IS DISTINCT FROM NEW.{document} AND ("
            f"\n           {inner.join(within)}))"
            if document in self.documents
            else within[0]
            for document, within in conditions.items()
        )

    def stored(self, row: str) -> list[str]:
        """What goes into each column of `stored_columns`, from `source`, a variable or `i`."""
        values: dict[str, Any] = {}
        for c in self.columns:
            if c.path:
                values.setdefault(c.document, []).append((c.path, c.stored(row)))
            else:
                values[c.document] = c.stored(row)
        return [documents.build(v) if isinstance(v, list) else v for v in values.values()]

    def assigned(self, columns: list[SqlColumn], row: str) -> list[str]:
        """What SET says to bring columns of `t` up to a row.

        Args:
            columns: those to bring up.
            row: `excluded`, `i` (the image), or a variable that holds a row of the source.
        """
        values: dict[str, Any] = {}
        for c in columns:
            if c.path:
                at = f"excluded.{c.document} #> {documents.array(c.path)}"
                value = at if row == "excluded" else c.stored(row)
                values.setdefault(c.document, []).append((c.path, value))
            else:
                values[c.document] = f"{row}.{c.name}" if row in {"excluded", "i"} else c.over(row)
        return [
            f"{name} = "
            + (
                documents.merge(f"t.{name}", v, (self.documents[name],))
                if isinstance(v, list)
                else v
            )
            for name, v in values.items()
        ]

    def grafted(self, row: str) -> list[str]:
        """The same for all synced columns, with the documents from the variables of `images`."""
        return self.assigned([c for c in self.synced_rest if not c.path], row) + [
            f"{d.name} = "
            + documents.graft(
                f"t.{d.name}", d.variable, [c.path for c in d.columns], (self.documents[d.name],)
            )
            for d in self.images
        ]

    def inserted(self, row: str) -> list[str]:
        """`stored`, with the documents from the variables of `images` where they have it all."""
        whole = {d.name: d.variable for d in self.images}
        for c in self.initial:
            whole.pop(c.document, None)
        columns = zip(self.stored_columns, self.stored(row), strict=True)
        return [whole.get(name, value) for name, value in columns]

    def kept(self, row: str) -> list[str]:
        """Conditions over `t`, just written: it holds what `row` and the images say.

        A document contains what was put into it; an array could contain more than that.
        """
        conditions = [c.same(c.at("t"), c.over(row)) for c in self.synced if not c.path]
        for d in self.images:
            for c in d.columns:
                if not documents.is_scalar(c.type):
                    at = documents.array(c.path)
                    conditions.append(f"(t.{d.name} #> {at} = {d.variable} #> {at}) IS NOT false")
            conditions.append(f"t.{d.name} @> {d.variable}")
        return conditions

    def changed_image(self, image: Image) -> str:
        """What an update from OLD to NEW of the source changed of it, by the first steps."""
        steps: dict[str, list[SqlColumn]] = {}
        for c in image.columns:
            steps.setdefault(c.path[0], []).append(c)
        leaves = [(c.path, c.stored("v_new")) for c in image.columns]
        wanted = {step: self._differs(c) for step, c in steps.items()}
        return documents.build_some(leaves, wanted, -3)

    def reads_differ(self, column: SqlColumn) -> str:
        """A condition over OLD and NEW of the source: something that a column reads changed."""
        return self._differs([column]).replace("\n     ", "")

    def _differs(self, columns: list[SqlColumn]) -> str:
        """A condition over OLD and NEW of the source: something these columns read changed."""
        read = dict.fromkeys(r for c in columns for r in c.reads)
        return (
            "\n     OR ".join(
                sqltext.differ(f"OLD.{r}", f"NEW.{r}", self._types[name])
                for name in self._types
                if (r := sqltext.ident(name)) in read
            )
            or "false"
        )

    def source_differs(self, column: str, one: str, other: str) -> str:
        """A condition over two rows of the source: a column, given as SQL, differs."""
        types = {sqltext.ident(name): declared for name, declared in self._types.items()}
        return sqltext.differ(f"{one}.{column}", f"{other}.{column}", types[column])

    def source_key_is(self, alias: str) -> str:
        """The same of a row of the source, or of its archive."""
        return " AND ".join(f"{alias}.{k.plain} = v_key{n}" for n, k in enumerate(self.key, 1))

    def source_key_of(self, row: str) -> str:
        """The key of a row of the source, as elements of a JSON array."""
        return ", ".join(k.keyed(f"{row}.{k.plain}") for k in self.key)

    def source_keys(self, one: str, other: str) -> str:
        """A condition: two rows of the source, or of its archive, have one key."""
        return " AND ".join(f"{one}.{k.plain} = {other}.{k.plain}" for k in self.key)

    def source_key_in(self, alias: str, key: str) -> str:
        """A condition: a row of the source has the key in a JSON array."""
        return " AND ".join(
            f"{alias}.{k.plain} = {sqltext.cast(f'({key} ->> {n})', self._types[c])}"
            for n, (k, c) in enumerate(zip(self.key, self._key_names, strict=True))
        )

    def owned(self, row: str) -> str:
        """A condition over a row of the target: the mapping owns it."""
        return _over(f"({self.target_filter})", row, "target") if self.target_filter else "true"

    def unit_is(self, alias: str) -> str:
        """A condition: a row is one of those that are settled with v_key1, v_key2, ..."""
        return " AND ".join(f"{alias}.{k.name} = v_key{n}" for n, k in enumerate(self.unit, 1))

    def same_key(self, one: str, other: str) -> str:
        """A condition: two rows of the target or its image have one key."""
        return " AND ".join(f"{one}.{k.name} = {other}.{k.name}" for k in self.key)

    def key_is(self, alias: str) -> str:
        """A condition: a row has the key in the variables v_key1, v_key2, ..."""
        return " AND ".join(f"{alias}.{k.name} = v_key{n}" for n, k in enumerate(self.key, 1))

    def gives_way(self, row: str, selected: bool = False) -> str:
        """Of a merge, a condition over `t`, a row of the target, and its image: that is to win.

        Args:
            row: what the image is called: `i`, or `excluded`.
            selected: `t` is a query over the target, with the names of the image.
        """
        assert self.merge
        if self.merge.by:
            # NULL is older than anything; where neither is the newer, the target stays.
            one, other = (f"{r}.{sqltext.ident(self.merge.by)}" for r in (row, "t"))
            return f"coalesce({one} > {other}, {one} IS NOT NULL AND {other} IS NULL)"
        if self.merge.wins == "target" or not self.synced_rest:
            return "false"
        differing = [
            c.differ(f"t.{c.name}" if selected else c.at("t"), c.image if row == "i" else c.at(row))
            for c in self.synced_rest
        ]
        return "(" + "\n OR ".join(differing) + ")"

    def values_of(self, alias: str) -> str:
        """A JSON object with the text of each compared column of a row."""
        columns = [c for c in self.columns if c in self.compared]
        pairs = [f"{sqltext.literal(c.raw)}, {alias}.{c.name}::text" for c in columns]
        # A function takes at most 100 arguments.
        parts = [", ".join(pairs[i : i + 50]) for i in range(0, len(pairs), 50)]
        return " || ".join(f"jsonb_build_object({part})" for part in parts)

    def _old_column(self, mapping: Mapping, name: str) -> OldColumn:
        quoted = sqltext.ident(name)
        changed = sqltext.differ(f"v_old.{quoted}", f"v_new.{quoted}", self._types[name])
        expression = mapping.document.contract.generated.get(name)
        if expression is not None:
            # PostgreSQL lets no generated column read another one.
            reads = [
                self._old_column(mapping, n) for n in sqltext.mentioned(expression, self._types)
            ]
            row = ", ".join(f"{c.view} AS {c.name}" for c in reads)
            value = f"(SELECT ({expression}) FROM (SELECT {row}) AS source)"  # noqa: S608
            return OldColumn(quoted, value, changed, _over(f"({expression})", "v_new", "source"))
        for column in mapping.synced:
            expression = (column.back or {}).get(name)
            if expression is None:
                continue
            target = f"target.{sqltext.ident(column.name)}"
            if column.path and expression == sqltext.ident(column.name):
                document = f"target.{sqltext.ident(column.document)}"
                value = documents.typed(document, column.path, self._types[name])
            elif expression == sqltext.ident(column.name):
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
    made.filters["identifier"] = sqltext.ident
    # What goes through format(): names may have a % in them.
    made.filters["query"] = lambda text: text.replace("%", "%%").replace("[relation]", "%s")
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


def scripts(
    mapping: Mapping,
    project: str,
    former: Former | None = None,
    former_index: str | None = None,
) -> dict[Path, str]:
    """Every rendered script by its path in the Sqitch project.

    Args:
        mapping: a valid mapping.
        project: the name of the Sqitch project, for the headers.
        former: what the mapping was before a rework; then expand goes from that to this in one
            transaction, and back in its revert, and sync finds its work done.
        former_index: the deploy script of index before its rework; the revert leaves its indexes.
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
        more: dict[str, Any] = {}
        if phase == "index":
            dropped = [i for i in context.indexes if not _builds(former_index or "", i)]
            more = {"dropped": dropped, "reworked": former_index is not None}
        by = "_columns" if phase == "contract" and context.leaving else ""
        for kind in KINDS:
            add(kind, phase, f"{phase}{by}_{kind}.sql.j2", **more)
    if former:
        parts = [rendered[Path("deploy") / f"{mapping.name}_{p}.sql"] for p in PHASES[:2]]
        was = [former.expand, former.sync]
        gone, new = (_left(one, other) for one, other in ((was[0], parts[0]), (parts[0], was[0])))
        add("deploy", "expand", "rework_deploy.sql.j2", former=former, body=gone + _bodies(parts))
        add("revert", "expand", "rework_revert.sql.j2", former=former, body=new + _bodies(was))
        add("deploy", "sync", "rework_sync_deploy.sql.j2", former=former)
        add("revert", "sync", "rework_sync_revert.sql.j2", former=former)
    return rendered


def _bodies(parts: list[str]) -> str:
    """What stands between BEGIN and COMMIT of scripts, one after the other."""
    return "\n\n".join(
        part.partition(f"\n{BEGIN}\n")[2].rpartition("\nCOMMIT;\n")[0].strip("\n") for part in parts
    )


def _left(one: str, other: str) -> str:
    """Drops the view of documents that one expand script makes, and another one does not."""
    made = re.compile(r"^CREATE OR REPLACE VIEW\s+(.+?)\s+AS\s+SELECT t\.", re.MULTILINE)
    kept = made.findall(other)
    return "".join(f"DROP VIEW {name};\n\n" for name in made.findall(one) if name not in kept)


def _builds(script: str, index: SqlIndex) -> bool:
    """Whether a deploy script of index builds an index of that name."""
    return bool(re.search(rf"IF NOT EXISTS\s+{re.escape(index.name)}\s", script))


def _tidy(lines: list[str]) -> str:
    """Never two empty lines in a row."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept) + "\n"


def phases(mapping: Mapping) -> tuple[str, ...]:
    """The phases a mapping has: contract only where a view can stand for the source."""
    sync = mapping.document.sync
    own = mapping.in_place or mapping.derived or sync.mode == "queued" or sync.ways == "none"
    own = own or mapping.document.document is not None
    without = {
        "index": not mapping.document.indexes,
        "contract": own or not all(column.plain for column in mapping.key_columns),
    }
    return tuple(phase for phase in PHASES if not without.get(phase))


def requires(mapping: Mapping, phase: str, reworked: bool = False) -> list[str]:
    """The Sqitch changes that a phase requires."""
    own = list(mapping.document.requires) if phase == "expand" else []
    own_phases = phases(mapping)
    before = own_phases.index(phase) - 1
    previous = [f"{mapping.name}_{own_phases[before]}"] if before >= 0 else []
    engine = [*REQUIRES[phase], *(REWORK_REQUIRES if reworked and phase == "expand" else ())]
    engine += UNDO_REQUIRES if phase == "sync" and mapping.undo else ()
    engine += BY_COLUMNS if phase == "contract" and mapping.document.contract.columns else ()
    if phase == "expand" and any(c.path for c in mapping.columns):
        engine.extend(PATH_REQUIRES)
    if phase == "expand" and mapping.document.document:
        engine.extend(DOCUMENT_REQUIRES)
    return [*own, *previous, *engine]

"""The mapping: what the YAML file may say, and every mistake in it told with file and line."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from pgtandem import documents, sqltext
from pgtandem.errors import PgtandemError

Name = Annotated[str, StringConstraints(min_length=1)]
MappingName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
RowName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Duration = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?\s?(ms|s|min|h|d)$")]
# Not zero, which PostgreSQL takes for no limit.
Limit = Annotated[
    str,
    StringConstraints(
        pattern=r"^(0*[1-9]\d*(\.\d+)?\s?(ms|s|min|h|d)|0+\.\d*[1-9]\d*\s?(s|min|h|d))$"
    ),
]
Size = Annotated[str, StringConstraints(pattern=r"^\d+\s?(kB|MB|GB|TB)$")]
Figure = Annotated[float, Field(ge=0)]
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Sections that say nothing about what a row of the target should be.
UNHASHED = {"areas", "backfill", "indexes", "gate", "contract"}
# Variables of the rendered functions: a column of that name would be read in their place.
OURS = re.compile(
    r"v_(key\d+|old|new|op|was|in|empty|kept|found|depth|state|sqlstate|message|result|rows)"
)
# Aggregates that say something else for each order of the rows.
ORDERED = re.compile(
    r"(?i)\b(string_agg|array_agg|jsonb?_agg(_strict)?|jsonb?_object_agg(_\w+)?|jsonb?_arrayagg|"
    r"xmlagg|any_value|range_agg)\s*\("
)
SUMS = re.compile(r"(?i)\b(sum|avg|stddev\w*|var\w*)\s*\(")
TRIGGERS = {"write", "update", "moved", "truncate", "keep"}  # how names of triggers end
TYPE = re.compile(r'(\w+|"[^"]+")(\.(\w+|"[^"]+"))?( \w+)*(\([^()\';]*\))?( \w+)*(\[\d*\])*')


class Strict(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Source(Strict):
    """The old table."""

    table: Name = Field(description="Schema and table, quoted as in SQL where needed.")
    columns: dict[Name, Name] = Field(
        min_length=1, description="Its columns that the mapping may speak of, with their types."
    )
    filter: Name | None = Field(
        None, description="SQL condition over a source row; rows move in and out of it."
    )


class Target(Strict):
    """The new table."""

    table: Name = Field(description="Schema and table, quoted as in SQL where needed.")
    columns: dict[Name, Name] = Field(min_length=1, description="Its columns with their types.")
    filter: Name | None = Field(
        None,
        description="SQL condition over a target row: the rows that the mapping owns, in mode "
        "queued; others are neither compared nor deleted.",
    )


class Join(Strict):
    """Another table that the image reads: some rows of it to one row of the source."""

    table: Name = Field(description="Schema and table, quoted as in SQL where needed.")
    columns: dict[Name, Name] = Field(
        min_length=1, description="Its columns that the mapping may speak of, with their types."
    )
    touches: dict[Name, Name] = Field(
        min_length=1,
        description="Which rows of the source a row of it belongs to: source column, or column of "
        "another join (join.column), to a column of it or an SQL expression over its row.",
    )
    filter: Name | None = Field(
        None, description="SQL condition over its row; others do not count."
    )
    first: Name | None = Field(
        None,
        description="ORDER BY: the values are those of the first row. Without it they are "
        "aggregates over all rows.",
    )
    values: dict[RowName, Name] = Field(
        default_factory=dict,
        description="What the columns may read of it, as name.value: SQL expressions over its "
        "rows; NULL where it has none. Without any it is a step on the way to another join.",
    )


class ColumnForm(Strict):
    """Where a column of the target comes from, in full."""

    from_: Name | None = Field(
        None, alias="from", description="A source column or a SQL expression over a source row."
    )
    initial: Name | None = Field(
        None, description="SQL expression for the first copy; then the new application's own."
    )
    unset: Name | None = Field(
        None,
        description="Where the target is the source: SQL condition over a row whose initial column "
        "nobody has set yet; that it is NULL, if not given.",
    )
    back: Literal["none"] | dict[Name, Name] | None = Field(
        None,
        description="The way back: source column to SQL expression over a target row, or none.",
    )
    equality: Literal["text"] | None = Field(
        None, description="Compare as text, where the type's own equality is too coarse."
    )
    type: Name | None = Field(
        None,
        description="Of the value at a path of a JSONB document; without it, the source column's.",
    )


class Sync(Strict):
    """How a write on one side reaches the other."""

    mode: Literal["strict", "record", "queued"] = Field(
        "record",
        description="record: a failing sync queues the key and never fails the write. strict: it "
        "does. queued: every write only queues its key, and a drain brings it over.",
    )
    ways: Literal["both", "forward", "none"] = Field(
        "both", description="Also back, only forward, or a backfill alone."
    )
    lock_timeout: Limit = Field(
        "500ms", description="How long the old application's write may wait for the target's row."
    )
    truncate: Literal["refuse", "follow"] = Field(
        "refuse", description="What a TRUNCATE of the source does."
    )
    trigger: Name | None = Field(
        None,
        description="How the names of the triggers on the source begin; pgtandem_<mapping> if not "
        "given.",
    )


class Backfill(Strict):
    """How fast the copy may go."""

    chunk_time: Limit = Field("200ms", description="Aim for one transaction.")
    pause: Duration = Field("0s", description="Between two chunks.")
    max_lag: Size = Field("64MB", description="Replication lag above which it waits.")
    max_slot: Size = Field("4GB", description="WAL retained by a slot above which it waits.")
    max_wal_rate: Size | None = Field(None, description="WAL in a second.")


class Index(Strict):
    """An index on the target, built beside the writers when all is copied."""

    on: Name = Field(description="What it is on, in parentheses, as CREATE INDEX has it.")
    using: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$")] = Field(
        "btree", description="The access method: btree, gin, ..."
    )
    where: Name | None = Field(None, description="Condition of a partial index.")
    unique: bool = Field(False, description="Whether it is unique.")
    query: Name | None = Field(
        None,
        description="A SELECT of the application that is to use it; needed unless it is unique.",
    )


class Threshold(Strict):
    """Figures above (or below) which a gate says hold or roll back."""

    hold: Figure | None = Field(None, description="Above this: hold.")
    roll_back: Figure | None = Field(None, description="Above this: roll back.")
    hold_below: Figure | None = Field(None, description="Below this: hold.")
    roll_back_below: Figure | None = Field(None, description="Below this: roll back.")


class Gate(Strict):
    """When `pgtandem gate` says go on, hold or roll back."""

    signals: dict[Name, Threshold] = Field(
        default_factory=dict, description="Figures that the caller gives with --signal."
    )
    sync_failure_percent: Threshold = Field(
        Threshold(), description="Writes of the source in the last hour whose sync failed."
    )
    differences_per_hour: Threshold = Field(
        Threshold(), description="Differences that comparisons found in the last hour."
    )
    consistency_percent: Threshold = Field(
        Threshold(), description="Rows that agree, by the last comparison."
    )


class Contract(Strict):
    """The end of the old table."""

    columns: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="Columns of the source that leave it; without them the whole table does."
    )
    archive: Name = Field(
        "pgtandem_archive", description="Schema that the old table, or its old values, move to."
    )
    max_age: Duration = Field("1h", description="How old the clean comparison may be.")
    max_old_reads: Annotated[int, Field(ge=0)] = Field(
        100, description="Scans of the old table since the comparison that no write explains."
    )
    old_roles: list[Name] = Field(
        default_factory=list,
        description="Roles that must have no session: readers of the old side.",
    )
    generated: dict[Name, str] = Field(
        default_factory=dict,
        description="Stored generated columns of the source, each with its expression: the view "
        "computes them and writes them nowhere.",
    )


class Document(Strict):
    """The whole file."""

    mapping: MappingName = Field(
        description="Name of the mapping: lower case, at most 41 characters."
    )
    source: Source
    target: Target
    joins: dict[RowName, Join] = Field(
        default_factory=dict, description="Other tables that the image reads, each under a name."
    )
    rows: Annotated[dict[RowName, Name], Field(max_length=1)] = Field(
        default_factory=dict,
        description="One row of the source to several of the target: a name, and the SELECT over a "
        "row of the source whose rows they are.",
    )
    requires: list[Name] = Field(
        default_factory=list, description="Sqitch changes that expand requires: the new tables."
    )
    key: list[Name] = Field(min_length=1, description="Target columns that identify a row.")
    columns: dict[Name, Name | ColumnForm] = Field(
        min_length=1,
        description="Target column, or path in a JSONB column (profile.account.email): a source "
        "column, a SQL expression, or the full form.",
    )
    areas: dict[Name, Annotated[list[Name], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Columns that belong together, under a name that comparisons report by; a.b.* "
        "stands for every path that begins so.",
    )
    sync: Sync = Field(default_factory=lambda: Sync.model_validate({}))
    backfill: Backfill = Field(default_factory=lambda: Backfill.model_validate({}))
    indexes: dict[Name, Index] = Field(
        default_factory=dict, description="Indexes on the target by their names."
    )
    gate: Gate = Field(default_factory=lambda: Gate.model_validate({}))
    contract: Contract = Field(default_factory=lambda: Contract.model_validate({}))


@dataclass(frozen=True)
class Column:
    """One column of the target, resolved.

    Attributes:
        name: the target's column, or the path in one as the mapping writes it.
        document: the target's column; another than the name where that is a path.
        path: the steps of the path; () where there is none.
        type: its declared type.
        expression: SQL over a source row.
        plain: the source column, where the expression is just that.
        initial: set on the first copy only, neither synced nor compared.
        back: source column to SQL over a target row; None: there is no way back.
        reads: source columns that the expression mentions.
        as_text: compare as text.
        unset: where the target is the source: SQL over its row, whether nobody has set it yet.
    """

    name: str
    document: str
    path: documents.Path
    type: str
    expression: str
    plain: str | None
    initial: bool
    back: dict[str, str] | None
    reads: tuple[str, ...]
    as_text: bool
    unset: str | None = None


@dataclass(frozen=True)
class Mapping:
    """A valid mapping: the document, its resolved columns and the hash that scripts carry.

    Attributes:
        areas: the synced columns of each area by its name; where there are any, under None those
            that are in none.
    """

    document: Document
    columns: tuple[Column, ...]
    areas: dict[str | None, list[str]]
    hash: str

    @property
    def name(self) -> str:
        """The name of the mapping."""
        return self.document.mapping

    @property
    def synced(self) -> tuple[Column, ...]:
        """The columns that are kept equal: all but the initial ones."""
        return tuple(c for c in self.columns if not c.initial)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The key's columns, in its order."""
        by_name = {c.name: c for c in self.columns}
        return tuple(by_name[k] for k in self.document.key)

    @property
    def in_place(self) -> bool:
        """Whether the target is the source table itself."""
        return _in_place(self.document)

    @property
    def derived(self) -> bool:
        """Whether its image is made of more than a row of the source, or is several rows."""
        return bool(self.document.joins or self.document.rows)

    @property
    def unit(self) -> int:
        """How many of the key's columns say which rows of the target are settled at once."""
        return len(_owners(self.document, self.key_columns))

    def settings(self) -> dict[str, Any]:
        """The sections that the database needs, as JSON."""
        sections = {"sync", "backfill", "gate", "contract"}
        settings = self.document.model_dump(mode="json", include=sections, exclude_none=True)
        if self.areas:
            settings["areas"] = [{"area": n, "columns": c} for n, c in self.areas.items()]
        if self.document.rows:
            settings["unit"] = self.unit
        return settings


class _Mistakes:
    """Collects the mistakes of one file, each with its line."""

    def __init__(self, path: Path, tree: Any) -> None:
        self.path = path
        self.tree = tree
        self.found: list[tuple[int, str]] = []

    def line(self, location: tuple[int | str, ...]) -> int:
        """The line of a location in the document, or of its nearest parent."""
        node, line = self.tree, 1
        for step in location:
            if not isinstance(node, CommentedBase):
                break
            try:
                position = (
                    node.lc.key(step) if isinstance(node, CommentedMap) else node.lc.item(step)
                )
                line = position[0] + 1
                node = node[step]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                break
        return line

    def add(self, location: tuple[int | str, ...], message: str) -> None:
        self.found.append((self.line(location), message))

    def stop_if_any(self) -> None:
        if self.found:
            lines = [f"{self.path}:{line}: {text}" for line, text in sorted(self.found)]
            raise PgtandemError(
                f"{self.path} is no valid mapping.",
                detail="\n".join(lines),
                hint="docs/mapping.md explains every key.",
            )


def nearest(name: str, names: Iterator[str] | list[str] | dict[str, Any]) -> str:
    """The question "did you mean ...?" for the most similar valid name, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else ""


def load(path: Path) -> Mapping:
    """Read and check a mapping file.

    Args:
        path: the YAML file.

    Raises:
        PgtandemError: with file, line and the nearest valid name of every mistake.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise PgtandemError(
            f"{path} cannot be read.", detail=str(error), hint="pgtandem new makes a mapping."
        ) from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PgtandemError(
            f"{path} is not UTF-8.", detail=f"{path}:{line}: {error}", hint="Save it as UTF-8."
        ) from error
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise PgtandemError(
            f"{path} is no YAML.", detail=f"{path}:{line}: {error.problem}"
        ) from error
    mistakes = _Mistakes(path, tree)
    if not isinstance(tree, CommentedMap):
        mistakes.add(
            (), "a mapping is a YAML map with the keys mapping, source, target, key, columns"
        )
    mistakes.stop_if_any()
    _add_undecided(mistakes, tree)
    mistakes.stop_if_any()
    try:
        document = Document.model_validate(_plain(tree))
    except ValidationError as error:
        for item in error.errors():
            _add_invalid(mistakes, item["loc"], item["type"], item["msg"])
        mistakes.stop_if_any()
        raise
    _check_names(document, mistakes)
    _check_trigger(document, mistakes)
    _check_indexes(document, mistakes)
    _check_expressions(document, mistakes)
    mistakes.stop_if_any()
    columns = tuple(_columns(document, mistakes))
    _check(document, columns, mistakes)
    _check_joins(document, mistakes)
    _check_members(document, mistakes)
    _check_queued(document, columns, mistakes)
    _check_in_place(document, columns, mistakes)
    areas = _areas(document, columns, mistakes)
    mistakes.stop_if_any()
    meaning = document.model_dump(
        mode="json",
        by_alias=True,
        exclude=UNHASHED,
        # A key that a later version adds must not change what an older mapping is.
        exclude_defaults=True,
    )
    if document.contract.columns:
        meaning["contract"] = {"columns": document.contract.columns}
    canonical = json.dumps(meaning, sort_keys=True)
    return Mapping(document, columns, areas, hashlib.sha256(canonical.encode()).hexdigest())


def _add_undecided(mistakes: _Mistakes, tree: CommentedMap) -> None:
    """What `pgtandem new` has marked: a key or a column that somebody has to decide."""
    if tree.get("key") == []:
        mistakes.add(("key",), "key: still to be decided (TODO): the columns that identify a row")
    columns = tree.get("columns")
    for name, value in columns.items() if isinstance(columns, CommentedMap) else ():
        if value is None:
            mistakes.add(
                ("columns", name),
                f"columns.{name}: still to be decided (TODO): a source column, an expression with "
                "its way back, or initial; or take the line out, for the column's default",
            )


def _plain(node: Any) -> Any:
    """The tree without ruamel's types; column types may be written without quotes."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return str(node) if type(node).__module__.startswith("ruamel") else node


# What people read in place of a pattern.
PATTERNS = {
    r"(\.\d+)?\s?(ms|s|min|h|d)|": "should be a time above zero, as in 500ms, 0.5s or 1min",
    r"(ms|s|min|h|d)$": "should be a time, as in 500ms, 2s, 5min or 1h",
    r"(kB|MB|GB|TB)$": "should be a size, as in 64MB",
}
# What pydantic calls by the names of Python's types.
KINDS = {
    "string_type": "a text",
    "list_type": "a list, as in [id]",
    "dict_type": "a map, name: value",
    "model_type": "a section of keys",
}


def _add_invalid(
    mistakes: _Mistakes, location: tuple[int | str, ...], kind: str, message: str
) -> None:
    # A union reports its branches as steps of the location; they are not in the file.
    steps = tuple(
        s for s in location if s not in {"ColumnForm", "constrained-str", "dict[str,str]"}
    )
    steps = tuple(s for s in steps if not (isinstance(s, str) and ("[" in s or "literal" in s)))
    name = ".".join(str(step) for step in steps) or "the file"
    if kind == "extra_forbidden":
        model: Any = Document
        for step in steps[:-1]:
            field = model.model_fields.get(str(step)) if model else None
            model = (
                field.annotation if field and hasattr(field.annotation, "model_fields") else None
            )
        valid = [f.alias or n for n, f in (model or ColumnForm).model_fields.items()]
        message = f"there is no such key{nearest(str(steps[-1]), valid)}"
    elif kind == "missing":
        message = "is missing"
    elif "pattern" in kind:
        message = next(
            (words for pattern, words in PATTERNS.items() if pattern in message),
            message.replace("String should match pattern", "should match"),
        )
    elif kind in KINDS:
        message = f"should be {KINDS[kind]}"
    mistakes.add(steps, f"{name}: {message[0].lower()}{message[1:]}")


def _check_names(document: Document, mistakes: _Mistakes) -> None:
    for side in ("source", "target"):
        for name, declared in getattr(document, side).columns.items():
            where = (side, "columns", name)
            if sqltext.fitting(name) != name:
                mistakes.add(
                    where, f'"{name}" is longer than PostgreSQL\'s {sqltext.MAX_NAME} bytes'
                )
            if CONTROL.search(name):
                mistakes.add(where, f"{name!r} has a control character in it")
            if OURS.fullmatch(name):
                mistakes.add(where, f'"{name}" is a variable of the rendered functions; rename it')
            if not TYPE.fullmatch(declared):
                mistakes.add(where, f'"{declared}" is no type, as in varchar(20) or shop.size')
        parts = sqltext.split_name(getattr(document, side).table)
        if parts is None:
            mistakes.add((side, "table"), f"{side}.table: write schema.table, quoted as in SQL")
        elif any(sqltext.fitting(part) != part for part in parts):
            mistakes.add(
                (side, "table"),
                f"{side}.table: a name is longer than {sqltext.MAX_NAME} bytes",
            )
    source, target = (sqltext.split_name(t.table) for t in (document.source, document.target))
    archive = document.contract.archive
    if source and (archive == source[0] or (archive, source[1]) == target):
        mistakes.add(
            ("contract", "archive"),
            f'contract.archive: in "{archive}" stands a table of that name; take another schema',
        )


def _check_indexes(document: Document, mistakes: _Mistakes) -> None:
    for name, index in document.indexes.items():
        where = ("indexes", name)
        if sqltext.fitting(name) != name or CONTROL.search(name):
            mistakes.add(where, f"indexes: {name!r} is no name of an index, or too long")
        if index.query is None and not index.unique:
            mistakes.add(where, f"indexes.{name}: give the query that is to use it")
        for key, text in (("on", index.on), ("where", index.where), ("query", index.query)):
            if text and (flaw := sqltext.flaw(text)):
                mistakes.add((*where, key), f"indexes.{name}.{key}: {flaw}")
        if not index.on.startswith("("):
            mistakes.add((*where, "on"), f"indexes.{name}.on: write it in parentheses")
        if index.query and not re.match(r"(?i)(select|with)\b", index.query):
            mistakes.add((*where, "query"), f"indexes.{name}.query: it is no SELECT")


def _check_trigger(document: Document, mistakes: _Mistakes) -> None:
    if CONTROL.search(document.sync.trigger or ""):
        mistakes.add(("sync", "trigger"), "sync.trigger: a name has a control character in it")


def _check_expressions(document: Document, mistakes: _Mistakes) -> None:
    expressions: list[tuple[tuple[str, ...], str | None]] = [
        (("source", "filter"), document.source.filter)
    ]
    for name, entry in document.columns.items():
        where: tuple[str, ...] = ("columns", name)
        if isinstance(entry, str):
            expressions.append((where, entry if entry not in document.source.columns else None))
            continue
        expressions += [((*where, "from"), entry.from_), ((*where, "initial"), entry.initial)]
        expressions.append(((*where, "unset"), entry.unset))
        if isinstance(entry.back, dict):
            expressions += [((*where, "back", key), value) for key, value in entry.back.items()]
    for name, join in document.joins.items():
        where = ("joins", name)
        expressions += [((*where, "filter"), join.filter), ((*where, "first"), join.first)]
        computed = {k: value for k, value in join.touches.items() if value not in join.columns}
        expressions += [((*where, "touches", key), value) for key, value in computed.items()]
        expressions += [((*where, "values", key), value) for key, value in join.values.items()]
    expressions += [(("rows", name), select) for name, select in document.rows.items()]
    expressions.append((("target", "filter"), document.target.filter))
    expressions += [
        (("contract", "generated", k), v) for k, v in document.contract.generated.items()
    ]
    for where, text in expressions:
        plain = where[-1] != "filter" and text in document.source.columns
        flaw = sqltext.flaw(text) if text is not None and not plain else None
        if flaw:
            mistakes.add(where, f"{'.'.join(where)}: {flaw}")


def _columns(document: Document, mistakes: _Mistakes) -> Iterator[Column]:
    source = document.source.columns
    for name, entry in document.columns.items():
        where = ("columns", name)
        form = (
            entry if isinstance(entry, ColumnForm) else ColumnForm.model_validate({"from": entry})
        )
        if (form.from_ is None) == (form.initial is None):
            mistakes.add(where, f"columns.{name}: give one of from and initial")
            continue
        written = form.from_ if form.from_ is not None else form.initial or ""
        plain = written if written in source else None
        text = plain or sqltext.closed(written)
        reads = (plain,) if plain else tuple(sqltext.mentioned(text, source))
        word = not plain and not reads and re.fullmatch(r"[^\W\d][\w$]*", text)
        if word and text.lower() not in sqltext.RESERVED:  # null, true, current_date
            mistakes.add(where, f'the source has no column "{text}"{nearest(text, source)}')
            continue
        place = _place(document, name, form, plain, mistakes)
        if place is None:
            continue
        column_, path, declared = place
        back: dict[str, str] | None = None
        if isinstance(form.back, dict):
            back = {column: sqltext.closed(value) for column, value in form.back.items()}
            for column in back:
                if column not in source:
                    mistakes.add(
                        (*where, "back", column),
                        f'the source has no column "{column}"{nearest(column, source)}',
                    )
        elif plain and form.back is None and form.initial is None:
            back = {plain: sqltext.ident(name)}
        if (
            form.from_ is not None
            and not plain
            and form.back is None
            and document.sync.ways == "both"
        ):
            mistakes.add(
                where,
                f"columns.{name}: an expression needs its way back (back: {{source column: "
                "expression}) or back: none, or sync.ways: forward",
            )
        if plain and sqltext.zone_dependent(source[plain], declared):
            mistakes.add(
                where,
                f"columns.{name}: {source[plain]} to {declared} depends on the TimeZone of "
                f"the session; write {plain} AT TIME ZONE 'UTC', or your zone",
            )
        if plain:
            expression = sqltext.ident(plain)
        else:
            expression = text if form.initial is not None else f"({text})"
        yield Column(
            name=name,
            document=column_,
            path=path,
            type=declared,
            expression=expression,
            plain=plain,
            initial=form.initial is not None,
            back=back,
            reads=reads,
            as_text=form.equality == "text",
            unset=sqltext.closed(form.unset) if form.unset else None,
        )


def _place(
    document: Document, name: str, form: ColumnForm, plain: str | None, mistakes: _Mistakes
) -> tuple[str, documents.Path, str] | None:
    """What a name of `columns` stands for: a target's column, the path in it, the value's type."""
    target, where = document.target.columns, ("columns", name)
    if name in target:
        if form.type:
            mistakes.add(where, f"columns.{name}: type is for a path; a column has its own")
        return name, (), target[name]
    column, path = documents.split(name) or (name, ())
    declared = form.type or (document.source.columns[plain] if plain else "")
    mistake = None
    if column not in target:
        mistake = f'the target has no column "{column}"{nearest(column, target)}'
    elif sqltext.base_type(target[column]) != "jsonb":
        mistake = f'columns.{name}: a path needs a jsonb column, "{column}" is {target[column]}'
    elif not declared:
        mistake = f"columns.{name}: the value of an expression needs its type"
    elif not TYPE.fullmatch(declared):
        mistake = f'columns.{name}: "{declared}" is no type, as in varchar(20) or shop.size'
    elif form.equality:
        mistake = f"columns.{name}: equality is not for a path, it compares as JSON"
    elif sqltext.base_type(declared) in {"timestamptz[]", "timetz[]"}:
        mistake = (
            f"columns.{name}: the JSON of {declared} depends on the TimeZone of the session; "
            "write an expression of another type, and its way back"
        )
    if mistake:
        mistakes.add(where, mistake)
        return None
    return column, path, declared


def _check_paths(columns: tuple[Column, ...], mistakes: _Mistakes) -> None:
    """No path may lead through what another entry of `columns` writes."""
    places = {(c.document, *c.path): c.name for c in columns}
    for place, name in places.items():
        for steps in range(1, len(place)):
            if place[:steps] in places:
                mistakes.add(
                    ("columns", name),
                    f'columns.{name}: "{places[place[:steps]]}" is mapped, too; map the whole or '
                    "its parts",
                )
                break


def _check(document: Document, columns: tuple[Column, ...], mistakes: _Mistakes) -> None:
    by_name = {c.name: c for c in columns}
    _check_paths(columns, mistakes)
    for position, name in enumerate(document.key):
        column = by_name.get(name)
        if column is None:
            mistakes.add(
                ("key", position), f'key: "{name}" is no mapped column{nearest(name, by_name)}'
            )
        elif column.path:
            mistakes.add(("key", position), f'key: "{name}" is a path; a key is a column')
        elif column.initial:
            mistakes.add(("key", position), f'key: "{name}" is initial, so it identifies nothing')
        elif not sqltext.identifies(column.type):
            mistakes.add(
                ("key", position),
                f'key: the type {column.type} of "{name}" identifies nothing, as it has no =, or '
                "an = that calls different values equal",
            )
        elif document.sync.ways == "both" and not column.plain:
            mistakes.add(
                ("key", position),
                f'key: "{name}" must be a plain source column for a sync both ways',
            )
    if document.contract.columns:
        _check_leaving(document, columns, mistakes)
    if len(set(document.key)) != len(document.key):
        mistakes.add(("key",), "key: a column stands there twice")
    if not any(not c.initial for c in columns):
        mistakes.add(("columns",), "columns: all are initial, so nothing would be kept equal")
    _check_back(document, columns, mistakes)


def _in_place(document: Document) -> bool:
    return sqltext.split_name(document.source.table) == sqltext.split_name(document.target.table)


def _owners(document: Document, key: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of a key that do not depend on `rows`: all that one source row makes has them."""
    return tuple(c for c in key if not sqltext.mentioned(c.expression, document.rows))


def _check_joins(document: Document, mistakes: _Mistakes) -> None:
    """Each join leads to the source, directly or by way of another one; its columns are there."""
    taken = {"source", "target", *TRIGGERS}
    for name in (*document.joins, *document.rows):
        where = ("joins" if name in document.joins else "rows", name)
        if name in taken:
            mistakes.add(where, f'{where[0]}.{name}: "{name}" is taken')
        taken.add(name)
    for name, join in document.joins.items():
        where = ("joins", name)
        if sqltext.split_name(join.table) is None:
            mistakes.add((*where, "table"), f"joins.{name}.table: write schema.table")
        for column, declared in join.columns.items():
            if not TYPE.fullmatch(declared):
                mistakes.add((*where, "columns", column), f'"{declared}" is no type')
            if sqltext.fitting(column) != column or CONTROL.search(column):
                mistakes.add(
                    (*where, "columns", column), f"{column!r} is no name of a column, or too long"
                )
        if not join.values and not any(
            touched(document, key)[0] == name
            for other in document.joins.values()
            for key in other.touches
        ):
            mistakes.add(
                where, f"joins.{name}: it has no values, and no other join goes through it"
            )
        _check_values(document, name, mistakes)
        ways = {through for through, _ in (touched(document, key) for key in join.touches)}
        if len(ways) > 1:
            mistakes.add((*where, "touches"), f"joins.{name}.touches: it leads two ways at once")
            continue
        _check_touches(document, name, mistakes)
        if _goes_round(document, name):
            mistakes.add((*where, "touches"), f"joins.{name}.touches: it never reaches the source")
        if join.first and not join.values:
            mistakes.add((*where, "first"), f"joins.{name}.first: of what? It has no values")


def _check_touches(document: Document, name: str, mistakes: _Mistakes) -> None:
    """What a row of a joined table belongs to is there, and can be found."""
    join = document.joins[name]
    for key in join.touches:
        through, column = touched(document, key)
        known = document.source.columns
        if through and through not in document.joins:
            mistakes.add(
                ("joins", name, "touches", key),
                f'joins.{name}.touches: no join "{through}"{nearest(through, document.joins)}',
            )
            continue
        known = document.joins[through].columns if through else known
        types = [known.get(column, ""), join.columns.get(join.touches[key], "")]
        for no_key in filter(_is_no_key, types):
            mistakes.add(
                ("joins", name, "touches", key),
                f"joins.{name}.touches: {no_key} is not for finding rows by",
            )
        if column not in known:
            mistakes.add(
                ("joins", name, "touches", key),
                f'joins.{name}.touches: {through or "the source"} has no column "{column}"'
                f"{nearest(column, known)}",
            )


def _is_no_key(declared: str) -> bool:
    base = sqltext.base_type(declared)
    return base in {"json", "jsonb", "xml", "record"} or base.endswith("[]")


def _check_values(document: Document, name: str, mistakes: _Mistakes) -> None:
    """What is read of a joined table: columns with a name, the same whatever the order of rows."""
    join, where = document.joins[name], ("joins", name)
    texts: dict[tuple[str, ...], str | None] = {
        (*where, "filter"): join.filter,
        (*where, "first"): join.first,
        **{(*where, "touches", key): text for key, text in join.touches.items()},
        **{(*where, "values", value): text for value, text in join.values.items()},
    }
    for place, text in texts.items():
        for other, joined in document.joins.items():
            whole = None in sqltext.members(text or "", other)
            if whole and not any(other in j.columns for j in document.joins.values()):
                mistakes.add(
                    place,
                    f'{".".join(place)}: it reads all of a row of "{other}"; name the columns, as '
                    f"only those of joins.{other}.columns are watched",
                )
            for member in sqltext.members(text or "", other):
                if member is not None and member not in joined.columns:
                    mistakes.add(
                        place,
                        f'{".".join(place)}: joins.{other}.columns has no "{member}"'
                        f"{nearest(member, joined.columns)}",
                    )
    for value, text in join.values.items() if not join.first else ():
        ordered = ORDERED.search(text)
        if ordered and not re.search(r"(?i)\border\s+by\b", text):
            mistakes.add(
                (*where, "values", value),
                f"joins.{name}.values.{value}: {ordered[1]} depends on the order of the rows, so "
                "each reading may find another value; write ORDER BY in it",
            )
        floats = [
            column
            for column in sqltext.mentioned(text, join.columns)
            if sqltext.base_type(join.columns[column]) in {"real", "double precision"}
            and not re.search(rf'\b{re.escape(column)}"?::numeric', text)
        ]
        if SUMS.search(text) and floats:
            mistakes.add(
                (*where, "values", value),
                f"joins.{name}.values.{value}: a sum of {join.columns[floats[0]]} depends on the "
                f"order of the rows in its last digits; write {floats[0]}::numeric",
            )


def _check_members(document: Document, mistakes: _Mistakes) -> None:
    """What columns read of a join is one of its values."""
    for name, entry in document.columns.items():
        texts = (entry,) if isinstance(entry, str) else (entry.from_, entry.initial)
        for text in texts:
            for other, join in document.joins.items():
                if text is None or text in document.source.columns:
                    continue
                for member in sqltext.members(text, other):
                    if member in join.values or (
                        member is None and other in document.source.columns
                    ):
                        continue
                    said = (
                        f'joins.{other} has no value "{member}"{nearest(member, join.values)}'
                        if member
                        else f"write {other} with one of its values, as in {other}.value"
                    )
                    mistakes.add(("columns", name), f"columns.{name}: {said}")


def touched(document: Document, key: str) -> tuple[str | None, str]:
    """What an entry of `touches` names: the join that it goes through, if any, and a column."""
    if key in document.source.columns:  # whose name may have a dot in it
        return None, key
    through, dot, column = key.partition(".")
    return (through, column) if dot else (None, key)


def _goes_round(document: Document, name: str) -> bool:
    seen: set[str] = set()
    step: str | None = name
    while step in document.joins:
        if step in seen:
            return True
        seen.add(step)
        step = touched(document, next(iter(document.joins[step].touches)))[0]
    return False


def _check_queued(document: Document, columns: tuple[Column, ...], mistakes: _Mistakes) -> None:
    """What takes mode queued, and what that cannot have."""
    sync, derived = document.sync, [*document.joins, *document.rows]
    if derived and sync.mode != "queued" and sync.ways != "none":
        mistakes.add(
            ("sync", "mode"),
            f"sync.mode: a mapping with {'joins' if document.joins else 'rows'} is synced in mode "
            "queued: a trigger that wrote a target row which several rows share would give the old "
            "application deadlocks that it never had",
        )
    if (derived or sync.mode == "queued") and sync.ways == "both":
        mistakes.add(
            ("sync", "ways"),
            "sync.ways: mode queued and mappings with joins or rows go forward only; write "
            "ways: forward",
        )
    if sync.mode == "queued" and sync.truncate == "follow":
        mistakes.add(("sync", "truncate"), "sync.truncate: in mode queued a TRUNCATE is refused")
    if document.target.filter and not (sync.mode == "queued" or sync.ways == "none"):
        mistakes.add(("target", "filter"), "target.filter: only in mode queued, or ways: none")
    key = tuple(c for name in document.key for c in columns if c.name == name)
    owners = _owners(document, key)
    if not owners or key[: len(owners)] != owners:
        mistakes.add(
            ("key",),
            "key: begin with the columns that all rows of one source row share, those of rows "
            "come after them",
        )
    for column in owners:
        if sqltext.mentioned(column.expression, document.joins):
            mistakes.add(
                ("columns", column.name), f'key: "{column.name}" depends on a join; it must not'
            )
    if derived and document.contract.columns:
        mistakes.add(
            ("contract", "columns"), "contract.columns: not for a mapping with joins or rows"
        )


def _check_in_place(document: Document, columns: tuple[Column, ...], mistakes: _Mistakes) -> None:
    """Where source and target are one table, what it writes is not what it reads."""
    for column in columns:
        if column.unset and not (column.initial and _in_place(document)):
            mistakes.add(
                ("columns", column.name, "unset"),
                f"columns.{column.name}: unset is for initial columns where the target is the "
                "source itself",
            )
    if not _in_place(document):
        return
    if document.rows:
        mistakes.add(("rows",), "rows: not where the target is the source itself")
    if document.contract.columns:
        mistakes.add(
            ("contract", "columns"), "contract.columns: not where the target is the source itself"
        )
    if document.target.filter:
        mistakes.add(("target", "filter"), "target.filter: not where the target is the source")
    written = [c.name for c in columns if c.name not in document.key]
    for column in columns:
        where = ("columns", column.name)
        if column.path:
            mistakes.add(where, f"columns.{column.name}: no path where the target is the source")
        if column.name in document.key and column.plain != column.name:
            mistakes.add(where, f'key: where the target is the source, "{column.name}" is itself')
        own = [r for r in column.reads if r in written]
        if own and document.sync.ways != "none" and column.name not in document.key:
            mistakes.add(
                where,
                f"columns.{column.name}: it reads {own[0]}, which the mapping writes; that is for "
                "sync.ways: none",
            )
    _check_joined_to_itself(document, written, mistakes)
    filtered = sqltext.mentioned(document.source.filter or "", written)
    if filtered and document.sync.ways != "none":
        mistakes.add(
            ("source", "filter"),
            f"source.filter: it reads {filtered[0]}, which the mapping writes; that is for "
            "sync.ways: none",
        )


def _check_joined_to_itself(document: Document, written: list[str], mistakes: _Mistakes) -> None:
    """A join of the table that is its own target reads nothing that the mapping writes."""
    for name, join in document.joins.items():
        same = sqltext.split_name(join.table) == sqltext.split_name(document.source.table)
        texts = [*join.values.values(), *join.touches.values(), join.filter or "", join.first or ""]
        own = [w for w in written if any(sqltext.mentioned(text, [w]) for text in texts)]
        if same and own:
            mistakes.add(
                ("joins", name), f"joins.{name}: it reads {own[0]}, which the mapping writes"
            )


def _check_back(document: Document, columns: tuple[Column, ...], mistakes: _Mistakes) -> None:
    generated = document.contract.generated
    for name in generated:
        if name not in document.source.columns:
            mistakes.add(
                ("contract", "generated", name),
                f'contract.generated: "{name}" is no column of the source'
                f"{nearest(name, document.source.columns)}",
            )
    written: dict[str, str] = {}
    for column in columns if document.sync.ways == "both" else ():
        for back in column.back or {} if not column.initial else ():
            if back in written:
                mistakes.add(
                    ("columns", column.name),
                    f'"{written[back]}" and "{column.name}" both write {back} on the way back; '
                    "give one of them back: none",
                )
            written[back] = column.name
            if back in generated:
                mistakes.add(
                    ("columns", column.name),
                    f'"{column.name}" writes {back} on the way back, which the source generates; '
                    "give it back: none",
                )


def _areas(
    document: Document, columns: tuple[Column, ...], mistakes: _Mistakes
) -> dict[str | None, list[str]]:
    """The columns of each area, as Mapping has them."""
    compared = {c.name: c for c in columns if not c.initial and c.name not in document.key}
    areas: dict[str | None, list[str]] = {}
    taken: dict[str, str] = {}
    for area, patterns in document.areas.items():
        areas[area] = []
        for position, pattern in enumerate(patterns):
            found = [name for name, column in compared.items() if _matches(column, pattern)]
            problems = [
                f'"{name}" is in the area "{taken[name]}" already'
                for name in found
                if name in taken
            ] or ([] if found else [_not_compared(pattern, list(compared), columns)])
            for problem in problems:
                mistakes.add(("areas", area, position), f"areas.{area}: {problem}")
            areas[area] += found
            taken |= dict.fromkeys(found, area)
    rest = [name for name in compared if name not in taken]
    return areas | ({None: rest} if areas and rest else {})


def _matches(column: Column, pattern: str) -> bool:
    """Whether an entry of an area means the column: its name, or a.b.* for what begins so."""
    if not pattern.endswith(".*"):
        return column.name == pattern
    first, path = documents.split(pattern[:-1] + "x") or (pattern, ())
    steps = (first, *path[:-1])
    return bool(column.path) and (column.document, *column.path)[: len(steps)] == steps


def _not_compared(pattern: str, compared: list[str], columns: tuple[Column, ...]) -> str:
    for column in columns:
        if column.name == pattern:
            why = "initial" if column.initial else "of the key"
            return f'"{pattern}" is {why}, so it never differs'
    return f'"{pattern}" is no column of the mapping{nearest(pattern, compared)}'


def _check_leaving(document: Document, columns: tuple[Column, ...], mistakes: _Mistakes) -> None:
    """contract.columns: what is synced leaves, all of it, and the key stays."""
    source, leaving = document.source.columns, document.contract.columns or []
    where = ("contract", "columns")
    key: set[str] = set()
    for column in (c for c in columns if c.name in document.key):
        key.update(column.reads)
        if not column.plain:
            mistakes.add(
                where,
                f'contract.columns: the key "{column.name}" must be a plain source column, by '
                "which the old values are archived",
            )
    for position, name in enumerate(leaving):
        if name not in source:
            mistakes.add(
                (*where, position), f'the source has no column "{name}"{nearest(name, source)}'
            )
        elif name in key:
            mistakes.add((*where, position), f'contract.columns: "{name}" is of the key; it stays')
        elif name in leaving[:position]:
            mistakes.add((*where, position), f'contract.columns: "{name}" stands there twice')
    for column in (c for c in columns if not c.initial):
        for name in dict.fromkeys((*column.reads, *(column.back or {}))):
            if name not in key and name not in leaving:
                mistakes.add(
                    where,
                    f'contract.columns: "{name}" is kept equal by columns.{column.name}, so it '
                    "must leave, too: what stays would no longer be synced",
                )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a mapping file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pgtandem mapping",
        **Document.model_json_schema(by_alias=True),
    }

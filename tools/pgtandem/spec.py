"""The mapping: what the YAML file may say, and every mistake in it told with file and line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from pgtandem import derived, documents, fields, sqltext
from pgtandem.derived import CONTROL, TYPE
from pgtandem.errors import PgtandemError
from pgtandem.mistakes import Mistakes, nearest
from pgtandem.model import Column, ColumnForm, Document, DocumentField

# Sections that say nothing about what a row of the target should be.
UNHASHED = {"areas", "categories", "backfill", "checks", "indexes", "gate", "contract"}
OTHER = "other"  # what rows of no category are called
# Variables of the rendered functions: a column of that name would be read in their place.
OURS = re.compile(
    r"v_(key\d+|old|new|op|was|in|empty|kept|found|depth|state|sqlstate|message|result|rows)"
)


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
        return derived.in_place(self.document)

    @property
    def derived(self) -> bool:
        """Whether its image is made of more than a row of the source, or is several rows."""
        return bool(self.document.joins or self.document.rows)

    @property
    def unit(self) -> int:
        """How many of the key's columns say which rows of the target are settled at once."""
        return len(derived.owners(self.document, self.key_columns))

    @property
    def undo(self) -> bool:
        """Whether a backfill and repairs store what they overwrite."""
        given = self.document.backfill.undo
        return self.overwrites if given is None else given

    @property
    def overwrites(self) -> bool:
        """Whether a backfill is made to change rows that are there already."""
        return self.in_place or self.document.merge is not None

    @property
    def checks(self) -> dict[str, str]:
        """What verify looks for beside: its own, then those that a document section brings."""
        own = {name: sqltext.closed(query) for name, query in self.document.checks.items()}
        return own | fields.given_checks(self.document)

    def settings(self) -> dict[str, Any]:
        """The sections that the database needs, as JSON."""
        sections = {"sync", "merge", "backfill", "gate", "contract"}
        settings = self.document.model_dump(mode="json", include=sections, exclude_none=True)
        settings["backfill"]["undo"] = self.undo
        if self.areas:
            settings["areas"] = [{"area": n, "columns": c} for n, c in self.areas.items()]
        if self.document.categories:
            settings["categories"] = [*self.document.categories, OTHER]
        if self.document.rows:
            settings["unit"] = self.unit
        if self.checks:
            settings["checks"] = list(self.checks)
        return settings


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
    mistakes = Mistakes(path, tree)
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
    _check_categories(document, mistakes)
    _check_expressions(document, mistakes)
    _check_checks(document, mistakes)
    mistakes.stop_if_any()
    own = tuple(_columns(document, mistakes))
    read = tuple(fields.columns(document, mistakes))
    if document.document and not read:  # what the rest would say of them is no news
        mistakes.stop_if_any()
    columns = (*own, *read)
    _check(document, columns, mistakes)
    derived.check_joins(document, mistakes)
    derived.check_members(document, mistakes)
    derived.check_queued(document, columns, mistakes)
    derived.check_in_place(document, columns, mistakes)
    derived.check_merge(document, columns, mistakes)
    areas = _areas(document, columns, mistakes)
    mistakes.stop_if_any()
    return Mapping(document, columns, areas, _hash(document))


def _hash(document: Document) -> str:
    """SHA-256 of what a mapping means, in hex."""
    meaning = document.model_dump(
        mode="json",
        by_alias=True,
        exclude=UNHASHED,
        # A key that a later version adds must not change what an older mapping is.
        exclude_defaults=True,
    )
    if document.contract.columns:
        meaning["contract"] = {"columns": document.contract.columns}
    if document.backfill.undo is not None:  # it has triggers of its own
        meaning["backfill"] = {"undo": document.backfill.undo}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def _add_undecided(mistakes: Mistakes, tree: CommentedMap) -> None:
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
    mistakes: Mistakes, location: tuple[int | str, ...], kind: str, message: str
) -> None:
    # A union reports its branches as steps of the location; they are not in the file.
    steps = tuple(
        s
        for s in location
        if s not in {"ColumnForm", "DocumentField", "constrained-str", "dict[str,str]"}
    )
    steps = tuple(s for s in steps if not (isinstance(s, str) and ("[" in s or "literal" in s)))
    name = ".".join(str(step) for step in steps) or "the file"
    if kind == "extra_forbidden":
        model: Any = Document
        for step in steps[:-1]:
            field = model.model_fields.get(str(step)) if model else None
            model = _section(field.annotation) if field else None
        form = DocumentField if steps[0] == "document" else ColumnForm
        valid = [f.alias or n for n, f in (model or form).model_fields.items()]
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


def _section(annotation: Any) -> Any:
    """The model of a section that may be left out or not; None where it is no section."""
    models = [a for a in (annotation, *get_args(annotation)) if hasattr(a, "model_fields")]
    return models[0] if models else None


def _check_names(document: Document, mistakes: Mistakes) -> None:
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


def _check_indexes(document: Document, mistakes: Mistakes) -> None:
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


def _check_checks(document: Document, mistakes: Mistakes) -> None:
    for name, query in document.checks.items():
        if document.document and name in fields.GIVEN:
            mistakes.add(
                ("checks", name), f"checks.{name}: the document section brings one so named"
            )
        if flaw := sqltext.flaw(query):
            mistakes.add(("checks", name), f"checks.{name}: {flaw}")
        elif not re.match(r"(?i)(select|with)\b", sqltext.closed(query)):
            mistakes.add(("checks", name), f"checks.{name}: it is no SELECT")


def _check_trigger(document: Document, mistakes: Mistakes) -> None:
    if CONTROL.search(document.sync.trigger or ""):
        mistakes.add(("sync", "trigger"), "sync.trigger: a name has a control character in it")


def _check_categories(document: Document, mistakes: Mistakes) -> None:
    for name in document.categories:
        if CONTROL.search(name):
            mistakes.add(("categories", name), f"categories: {name!r} has a control character")
        if name == OTHER:
            mistakes.add(("categories", name), f'categories: "{OTHER}" are the rows of no category')


def _check_expressions(document: Document, mistakes: Mistakes) -> None:
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
    expressions += [(("categories", name), text) for name, text in document.categories.items()]
    expressions += [
        (("contract", "generated", k), v) for k, v in document.contract.generated.items()
    ]
    for where, text in expressions:
        plain = where[-1] != "filter" and text in document.source.columns
        flaw = sqltext.flaw(text) if text is not None and not plain else None
        if flaw:
            mistakes.add(where, f"{'.'.join(where)}: {flaw}")


def _columns(document: Document, mistakes: Mistakes) -> Iterator[Column]:
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
    document: Document, name: str, form: ColumnForm, plain: str | None, mistakes: Mistakes
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


def _check_paths(columns: tuple[Column, ...], mistakes: Mistakes) -> None:
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


def _check(document: Document, columns: tuple[Column, ...], mistakes: Mistakes) -> None:
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


def _check_back(document: Document, columns: tuple[Column, ...], mistakes: Mistakes) -> None:
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
    document: Document, columns: tuple[Column, ...], mistakes: Mistakes
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


def _check_leaving(document: Document, columns: tuple[Column, ...], mistakes: Mistakes) -> None:
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

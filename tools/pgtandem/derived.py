"""The rules of mappings with joins or rows, in mode queued, in place, and of merges."""

from __future__ import annotations

import re

from pgtandem import sqltext
from pgtandem.mistakes import Mistakes, nearest
from pgtandem.model import Column, Document

# Aggregates that say something else for each order of the rows.
ORDERED = re.compile(
    r"(?i)\b(string_agg|array_agg|jsonb?_agg(_strict)?|jsonb?_object_agg(_\w+)?|jsonb?_arrayagg|"
    r"xmlagg|any_value|range_agg)\s*\("
)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Types by which one row is newer than another: not text, whose order depends on its collation.
NEWER = {
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "date", "timestamp",
    "timestamptz",
}  # fmt: skip
TRIGGERS = {"write", "update", "moved", "truncate", "keep"}  # how names of triggers end
SUMS = re.compile(r"(?i)\b(sum|avg|stddev\w*|var\w*)\s*\(")
TYPE = re.compile(r'(\w+|"[^"]+")(\.(\w+|"[^"]+"))?( \w+)*(\([^()\';]*\))?( \w+)*(\[\d*\])*')


def in_place(document: Document) -> bool:
    """Whether the target is the source table itself."""
    return sqltext.split_name(document.source.table) == sqltext.split_name(document.target.table)


def owners(document: Document, key: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of a key that do not depend on `rows`: all that one source row makes has them."""
    return tuple(c for c in key if not sqltext.mentioned(c.expression, document.rows))


def check_joins(document: Document, mistakes: Mistakes) -> None:
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


def _check_touches(document: Document, name: str, mistakes: Mistakes) -> None:
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


def _check_values(document: Document, name: str, mistakes: Mistakes) -> None:
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


def check_members(document: Document, mistakes: Mistakes) -> None:
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


def check_queued(document: Document, columns: tuple[Column, ...], mistakes: Mistakes) -> None:
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
    own = owners(document, key)
    if not own or key[: len(own)] != own:
        mistakes.add(
            ("key",),
            "key: begin with the columns that all rows of one source row share, those of rows "
            "come after them",
        )
    for column in own:
        if sqltext.mentioned(column.expression, document.joins):
            mistakes.add(
                ("columns", column.name), f'key: "{column.name}" depends on a join; it must not'
            )
    if derived and document.contract.columns:
        mistakes.add(
            ("contract", "columns"), "contract.columns: not for a mapping with joins or rows"
        )


def check_in_place(document: Document, columns: tuple[Column, ...], mistakes: Mistakes) -> None:
    """Where source and target are one table, what it writes is not what it reads."""
    for column in columns:
        if column.unset and not (column.initial and in_place(document)):
            mistakes.add(
                ("columns", column.name, "unset"),
                f"columns.{column.name}: unset is for initial columns where the target is the "
                "source itself",
            )
    if not in_place(document):
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


def _check_joined_to_itself(document: Document, written: list[str], mistakes: Mistakes) -> None:
    """A join of the table that is its own target reads nothing that the mapping writes."""
    for name, join in document.joins.items():
        same = sqltext.split_name(join.table) == sqltext.split_name(document.source.table)
        texts = [*join.values.values(), *join.touches.values(), join.filter or "", join.first or ""]
        own = [w for w in written if any(sqltext.mentioned(text, [w]) for text in texts)]
        if same and own:
            mistakes.add(
                ("joins", name), f"joins.{name}: it reads {own[0]}, which the mapping writes"
            )


def check_merge(document: Document, columns: tuple[Column, ...], mistakes: Mistakes) -> None:
    """A merge owns no row of its target, and tells the newer of two rows by one of its columns."""
    merge, sync = document.merge, document.sync
    if merge is None:
        return
    if in_place(document):
        mistakes.add(("merge",), "merge: not where the target is the source itself")
    if document.rows:
        mistakes.add(("merge",), "merge: not with rows, of which some may be gone")
    if sync.mode != "queued" and sync.ways != "none":
        mistakes.add(
            ("merge",),
            f"merge: not in mode {sync.mode}; write sync: {{mode: queued, ways: forward}}, or "
            "sync: {ways: none} for a backfill alone",
        )
    if document.target.filter:
        mistakes.add(
            ("target", "filter"),
            "target.filter: a merge compares and deletes no row of the target's own; take it out",
        )
    if document.contract.columns:
        mistakes.add(
            ("contract", "columns"),
            "contract.columns: not for a merge, whose target does not replace the source",
        )
    if (merge.wins == "newest") != (merge.by is not None):
        mistakes.add(
            ("merge", "by" if merge.by else "wins"),
            "merge.by: it is for wins: newest; take it out"
            if merge.by
            else "merge.wins: newest by which column? Write by: a mapped column of the target",
        )
    elif merge.by is not None:
        _check_by(document, {c.name: c for c in columns}, merge.by, mistakes)


def _check_by(document: Document, columns: dict[str, Column], by: str, mistakes: Mistakes) -> None:
    column = columns.get(by)
    if column is None:
        why = f"is no mapped column{nearest(by, columns)}"
    elif column.path:
        why = "is a path; take a column"
    elif column.initial:
        why = "is initial, so nobody keeps it equal"
    elif by in document.key:
        why = "is of the key, so it never differs"
    elif sqltext.base_type(column.type) not in NEWER:
        why = f"is {column.type}; take a number, a date or a timestamp"
    else:
        return
    mistakes.add(("merge", "by"), f'merge.by: "{by}" {why}')

"""Random statements of the two applications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from properties.shapes import Row, Shape, Side


@dataclass(frozen=True)
class Statement:
    """One statement, and rows for it where it is a COPY.

    Attributes:
        sql: with %s for each parameter.
        parameters: their values.
        rows: what a COPY reads.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()

    def __repr__(self) -> str:
        def short(value: Any) -> str:
            text = repr(str(value)) if value is not None else "NULL"
            return text if len(text) < 40 else f"{text[:12]}... ({len(text) - 2} characters)"

        values = [short(v) for v in self.parameters]
        values += ["(" + ", ".join(map(short, row)) + ")" for row in self.rows]
        return self.sql.replace("%%", "%") + (f" -- {', '.join(values)}" if values else "")


def _name(name: str) -> str:
    """A name in a query with parameters."""
    return name.replace("%", "%%")


def _names(names: tuple[str, ...]) -> str:
    return _name(", ".join(names))


def rows(side: Side, min_size: int = 1, max_size: int = 3) -> st.SearchStrategy[list[Row]]:
    """Rows with different keys."""
    one = st.tuples(
        st.sampled_from(side.keys),
        *(st.sampled_from(v) for v in (*side.values.values(), *side.own.values())),
    ).map(lambda drawn: dict(zip(side.columns, (*drawn[0], *drawn[1:]), strict=True)))
    return st.lists(
        one, min_size=min_size, max_size=max_size, unique_by=lambda row: key_of(side, row)
    )


def key_of(side: Side, row: Row) -> tuple[Any, ...]:
    """The key of a row."""
    return tuple(row[name] for name in side.key)


def _places(row: Row) -> str:
    return "(" + ", ".join(["%s"] * len(row)) + ")"


def _has_key(side: Side, count: int) -> str:
    one = "(" + ", ".join(["%s"] * len(side.key)) + ")"
    return f"({_names(side.key)}) IN ({', '.join([one] * count)})"


def insert(side: Side, new: list[Row], end: str = "") -> Statement:
    """INSERT of some rows; `end` follows the values."""
    values = ", ".join(_places(row) for row in new)
    return Statement(
        f"INSERT INTO {_name(side.table)} ({_names(side.columns)}) VALUES {values}{_name(end)}",
        tuple(row[c] for row in new for c in side.columns),
    )


def _inserts(side: Side) -> st.SearchStrategy[Statement]:
    return rows(side).map(lambda new: insert(side, new))


def _upserts(side: Side) -> st.SearchStrategy[Statement]:
    name = next(iter(side.values))
    if side.deferrable:
        return _inserts(side)
    replace = ", ".join(f"{c} = excluded.{c}" for c in (*side.values, *side.own))
    ends = (
        f" ON CONFLICT ({', '.join(side.key)}) DO UPDATE SET {replace}",
        f" ON CONFLICT ({', '.join(side.key)}) DO UPDATE SET {name} = excluded.{name}",
        " ON CONFLICT DO NOTHING",
    )
    return st.builds(lambda new, end: insert(side, new, end), rows(side), st.sampled_from(ends))


def _copies(side: Side) -> st.SearchStrategy[Statement]:
    return rows(side).map(
        lambda new: Statement(
            f"COPY {side.table} ({', '.join(side.columns)}) FROM STDIN",
            rows=tuple(tuple(row[c] for c in side.columns) for row in new),
        )
    )


def _some_keys(side: Side) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.sampled_from(side.keys), min_size=1, max_size=3, unique=True)


def _where(side: Side, keys: list[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
    return _has_key(side, len(keys)), tuple(value for key in keys for value in key)


@st.composite
def _updates(draw: st.DrawFn, side: Side, own: bool = False) -> Statement:
    columns = side.own if own else {**side.values, **side.own}
    names = draw(st.lists(st.sampled_from(sorted(columns)), min_size=1, max_size=3, unique=True))
    values = tuple(draw(st.sampled_from(columns[name])) for name in names)
    assign = ", ".join(f"{_name(name)} = %s" for name in names)
    if draw(st.integers(0, 2)) == 0:
        return Statement(f"UPDATE {_name(side.table)} SET {assign}", values)
    where, keys = _where(side, draw(_some_keys(side)))
    return Statement(f"UPDATE {_name(side.table)} SET {assign} WHERE {where}", values + keys)


@st.composite
def _key_changes(draw: st.DrawFn, side: Side) -> Statement:
    one, other = draw(st.lists(st.sampled_from(side.keys), min_size=2, max_size=2, unique=True))
    table = _name(side.table)
    where, keys = _where(side, [one, other])
    only, its_key = _where(side, [one])
    if side.deferrable and draw(st.booleans()):
        places = ", ".join(["%s"] * len(side.key))
        sets = ", ".join(
            f"{_name(column)} = CASE WHEN ({_names(side.key)}) = ({places}) THEN %s ELSE %s END"
            for column in side.key
        )
        values = tuple(v for n in range(len(side.key)) for v in (*one, other[n], one[n]))
        return Statement(f"UPDATE {table} SET {sets} WHERE {where}", values + keys)
    sets = ", ".join(f"{_name(column)} = %s" for column in side.key)
    return Statement(f"UPDATE {table} SET {sets} WHERE {only}", other + its_key)


@st.composite
def _deletes(draw: st.DrawFn, side: Side) -> Statement:
    where, keys = _where(side, draw(_some_keys(side)))
    return Statement(f"DELETE FROM {_name(side.table)} WHERE {where}", keys)


@st.composite
def _reinserts(draw: st.DrawFn, side: Side) -> Statement:
    """Delete and insert again what was there, in one statement, with one column changed."""
    where, keys = _where(side, draw(_some_keys(side)))
    name = draw(st.sampled_from(sorted(side.values)))
    value = draw(st.sampled_from(side.values[name]))
    source = ", ".join("%s" if c == name else _name(c) for c in side.columns)
    table, columns = _name(side.table), _names(side.columns)
    return Statement(
        f"WITH gone AS (DELETE FROM {table} WHERE {where} RETURNING *) "
        f"INSERT INTO {table} ({columns}) SELECT {source} FROM gone",
        (*keys, value),
    )


def writes(side: Side, cascades: tuple[str, ...] = ()) -> st.SearchStrategy[Statement]:
    """Any write of one application."""
    kinds = [
        _inserts(side), _upserts(side), _copies(side), _updates(side), _updates(side),
        _updates(side, own=True), _key_changes(side), _deletes(side), _reinserts(side),
    ]  # fmt: skip
    if cascades:
        kinds.append(st.sampled_from(cascades).map(lambda sql: Statement(_name(sql))))
    return st.one_of(kinds)


def old(shape: Shape) -> st.SearchStrategy[Statement]:
    """Any write of the old application."""
    return writes(shape.source, shape.cascades)


def new(shape: Shape) -> st.SearchStrategy[Statement]:
    """Any write of the new application."""
    return writes(shape.target)


def triggers(side: Side) -> dict[str, str]:
    """Triggers of the application itself that write the same table again: name to SQL."""
    key_is_new = " AND ".join(f"t.{k} = NEW.{k}" for k in side.key)
    first = " AND ".join(
        f"t.{k} = {_literal(v)}" for k, v in zip(side.key, side.keys[0], strict=True)
    )
    bodies = {
        "same": ("INSERT OR UPDATE", (f"UPDATE {side.table} AS t SET {side.noted} = 'same' "
                 f"WHERE {key_is_new} AND t.{side.noted} IS DISTINCT FROM 'same'")),
        "other": ("INSERT OR UPDATE", (f"UPDATE {side.table} AS t SET {side.noted} = 'other' "
                  f"WHERE {first} AND t.{side.noted} IS DISTINCT FROM 'other'")),
        "delete": ("UPDATE", (f"DELETE FROM {side.table} AS t "
                   f"WHERE {key_is_new} AND NEW.{side.noted} = 'a'")),
        "after": ("DELETE", f"DELETE FROM {side.table} AS t WHERE {first}"),
    }  # fmt: skip
    made = {}
    for name, (events, body) in bodies.items():
        for order in ("aa", "zz"):  # before and after ours, which fire in the order of their names
            trigger = f"{order}_{name}"
            made[trigger] = (
                f"CREATE FUNCTION {_schema(side)}.{trigger}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$t$ BEGIN IF pg_trigger_depth() < 3 THEN {body}; END IF; RETURN NULL; END $t$; "
                f"CREATE TRIGGER {trigger} AFTER {events} ON {side.table} FOR EACH ROW "
                f"EXECUTE FUNCTION {_schema(side)}.{trigger}();"
            )
    return made


def _schema(side: Side) -> str:
    quoted = side.table.startswith('"')
    return side.table[: side.table.index('".') + 1] if quoted else side.table.partition(".")[0]


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"

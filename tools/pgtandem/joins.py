"""The SQL of `joins` and `rows`: other tables that an image reads, and one row to several."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from pgtandem import sqltext
from pgtandem.derived import touched
from pgtandem.model import Document, Join


@dataclass(frozen=True)
class Touch:
    """How a row of a joined table finds what it belongs to.

    Attributes:
        column: SQL: a column of the source, or of another join.
        expression: SQL over a row of the joined table.
        plain: the table's column, where it is just that.
        queued: the type of what goes into the queue: that of the table's column, else of `column`.
        same: whether that is what `column` holds, too.
    """

    column: str
    expression: str
    plain: str | None
    queued: str
    same: bool


@dataclass(frozen=True)
class SqlJoin:
    """A joined table as the templates see it; all but `raw`, `types` and `names` is SQL.

    Attributes:
        raw: its name in the mapping.
        name: the same, quoted where it must be.
        table: schema and table.
        through: the join by way of which it reaches the source; None: it does so itself.
        touches: what a row of it belongs to.
        reads: the columns whose change may change an image.
        types: the type of each column, by its SQL name.
        names: of its columns.
        touched_names: of the columns of the source, or of `through`, that it touches.
    """

    raw: str
    name: str
    table: str
    through: SqlJoin | None
    touches: list[Touch]
    reads: list[str]
    types: dict[str, str]
    names: list[str]
    touched_names: list[str]

    @property
    def read_names(self) -> list[str]:
        """The names of the columns that an image may depend on."""
        return [name for name in self.names if sqltext.ident(name) in self.reads]

    @property
    def looked_up(self) -> str | None:
        """The columns by which its rows are found, as an array; None where expressions do."""
        plain = [t.plain for t in self.touches]
        names = [name for name in self.names if sqltext.ident(name) in plain]
        return sqltext.text_array(names) if None not in plain else None

    @property
    def chain(self) -> list[SqlJoin]:
        """It, then those that lead to the source."""
        return [self, *(self.through.chain if self.through else ())]

    def over(self, expression: str, row: str) -> str:
        """An expression over a row of it that is in a variable of PL/pgSQL."""
        return f"(SELECT {expression} FROM (SELECT {row}.*) AS {self.name})"  # noqa: S608

    @property
    def may_fail(self) -> bool:
        """Whether what a row touches is computed."""
        return any(not t.plain for t in self.touches)

    def touch(self, row: str) -> str:
        """What a row in a variable touches, as a JSON array."""
        values = [
            _keyed(f"{row}.{t.plain}", t.queued)
            if t.plain
            else _keyed(self.over(_cast(t.expression, t.queued), row), t.queued)
            for t in self.touches
        ]
        return f"jsonb_build_array({', '.join(values)})"

    def touched_is(self, key: str) -> str:
        """A condition over the column it touches: that which a JSON array holds."""
        return " AND ".join(
            f"{t.column} = {_cast(f'({key} ->> {n})', t.queued)}"
            for n, t in enumerate(self.touches)
        )

    @property
    def touched_array(self) -> str:
        """The names of the columns that it touches, as an array."""
        return sqltext.text_array(self.touched_names)

    @property
    def orders(self) -> dict[str, str]:
        """How its columns are sorted where nothing else decides, by their names."""
        return {
            name: _sorted(f"{self.name}.{sqltext.ident(name)}", self.types[sqltext.ident(name)])
            for name in self.names
        }

    def changed(self, separator: str) -> str:
        """A condition over OLD and NEW: something that an image may read changed."""
        return separator.join(
            sqltext.differ(f"OLD.{column}", f"NEW.{column}", self.types[column])
            for column in self.reads
        )


def _keyed(value: str, declared: str) -> str:
    return value if sqltext.same_json_everywhere(declared) else f"pgtandem.key_value({value})"


def _cast(expression: str, declared: str) -> str:
    """A cast that keeps the value; what is padded with blanks keeps the type that ignores them."""
    if sqltext.base_type(declared) == "bpchar":
        return f"{expression}::bpchar"
    return sqltext.cast(expression, declared)


def _sorted(column: str, declared: str) -> str:
    """A column in ORDER BY: by all of its value, whatever its type."""
    base = sqltext.base_type(declared)
    if base in sqltext.TEXTS:
        return f'{column} COLLATE "C"'
    if "." in declared or base.removesuffix("[]") in sqltext.AS_TEXT:
        return f'{column}::text COLLATE "C"'
    return column


def sql_joins(document: Document) -> dict[str, SqlJoin]:
    """The joins of a mapping by their names."""
    return {name: _sql_join(document, name) for name in document.joins}


def _sql_join(document: Document, name: str) -> SqlJoin:
    join = document.joins[name]
    touches: list[Touch] = []
    through: str | None = None
    for key, expression in join.touches.items():
        through, column = touched(document, key)
        columns = document.joins[through].columns if through else document.source.columns
        plain = sqltext.ident(expression) if expression in join.columns else None
        touches.append(
            Touch(
                column=f"{sqltext.ident(through or 'source')}.{sqltext.ident(column)}",
                expression=f"{sqltext.ident(name)}.{plain}"
                if plain
                else f"({sqltext.closed(expression)})",
                plain=plain,
                queued=join.columns[expression] if plain else columns[column],
                same=not plain or not sqltext.needs_cast(join.columns[expression], columns[column]),
            )
        )
    return SqlJoin(
        raw=name,
        name=sqltext.ident(name),
        table=sqltext.qualified(join.table),
        through=_sql_join(document, through) if through else None,
        touches=touches,
        reads=[sqltext.ident(c) for c in _read(document, name)],
        types={sqltext.ident(c): declared for c, declared in join.columns.items()},
        names=list(join.columns),
        touched_names=[touched(document, key)[1] for key in join.touches],
    )


def _read(document: Document, name: str) -> list[str]:
    """The columns of a joined table that an image may depend on."""
    columns = document.joins[name].columns
    names = list(document.joins[name].touches.values())
    texts = [text for text in names if text not in columns]
    for other, join in document.joins.items():
        ways = [touched(document, key) for key in join.touches]
        names += [column for through, column in ways if through == name]
        if other == name or name in _steps(document, other):
            texts += [*join.values.values(), join.filter or "", join.first or ""]
    read = set(names)
    for text in texts:
        read.update(sqltext.mentioned(text, columns))
    return [column for column in columns if column in read]


def _steps(document: Document, name: str) -> list[str]:
    """The joins by way of which a join reaches the source."""
    through = touched(document, next(iter(document.joins[name].touches)))[0]
    return [through, *_steps(document, through)] if through else []


@dataclass(frozen=True)
class From:
    """What an image is made from, besides the source: to be put behind `FROM ... AS source`.

    Attributes:
        all_rows: for many rows at once: each joined table is read as a whole, or by one key.
        few_rows: for the rows of a chunk: each joined table is read by index, row by row.
    """

    all_rows: str
    few_rows: str


def sql_from(document: Document) -> From:
    """The joins with values, then `rows`."""
    joins = sql_joins(document)
    grouped, lateral = "", ""
    for name, join in document.joins.items():
        if join.values:
            grouped += _grouped(join, joins[name])
            lateral += _lateral(join, joins[name])
    rows = "".join(
        f"\nCROSS JOIN LATERAL ({sqltext.closed(select)}) AS {sqltext.ident(name)}"
        for name, select in document.rows.items()
    )
    return From(grouped + rows, lateral + rows)


def _tables(made: SqlJoin) -> str:
    """The joined table and those that lead to the source."""
    chain = made.chain
    text = f"{made.table} AS {made.name}"
    for one, other in pairwise(chain):
        text += f"\n    JOIN {other.table} AS {other.name} ON " + " AND ".join(
            f"{t.column} = {t.expression}" for t in one.touches
        )
    return text


def _conditions(join: Join, more: list[str]) -> str:
    conditions = [*more, *([f"({sqltext.closed(join.filter)})"] if join.filter else [])]
    return "\n    WHERE " + "\n      AND ".join(conditions) if conditions else ""


def _names(made: SqlJoin, join: Join, first: list[str]) -> str:
    return f"{made.name} ({', '.join([*first, *(sqltext.ident(v) for v in join.values)])})"


def _values(join: Join) -> list[str]:
    return [f"({sqltext.closed(text)})" for text in join.values.values()]


def _tie_break(join: Join, made: SqlJoin) -> str:
    """What `first` leaves open is decided by the columns, lest two reads see different rows."""
    read = [
        order
        for one in made.chain
        for name, order in one.orders.items()
        if any(sqltext.mentioned(value, [name]) for value in join.values.values())
    ]
    return ", ".join([sqltext.closed(join.first or ""), *read])


def _grouped(join: Join, made: SqlJoin) -> str:
    outermost = made.chain[-1]
    by = [t.expression for t in outermost.touches]
    numbers = [str(n) for n in range(1, len(by) + 1)]
    names = [f"pgtandem_{n}" for n in numbers]
    on = " AND ".join(
        f"{made.name}.{name} = {t.column}" for name, t in zip(names, outermost.touches, strict=True)
    )
    selected = ", ".join([*by, *_values(join)])
    if join.first:
        selected = f"DISTINCT ON ({', '.join(by)}) {selected}"
        end = f"ORDER BY {', '.join(by)}, {_tie_break(join, made)}"
    else:
        end = f"GROUP BY {', '.join(numbers)}"
    query = f"SELECT {selected}\n    FROM {_tables(made)}{_conditions(join, [])}\n    {end}"  # noqa: S608
    return f"\nLEFT JOIN (\n    {query}\n) AS {_names(made, join, names)} ON {on}"


def _lateral(join: Join, made: SqlJoin) -> str:
    outermost = made.chain[-1]
    meets = [f"{t.column} = {t.expression}" for t in outermost.touches]
    if join.first:
        end = f"ORDER BY {_tie_break(join, made)}\n    LIMIT 1"
    else:
        end = f"GROUP BY {', '.join(t.expression for t in outermost.touches)}"
    selected, conditions = ", ".join(_values(join)), _conditions(join, meets)
    query = f"SELECT {selected}\n    FROM {_tables(made)}{conditions}\n    {end}"  # noqa: S608
    return f"\nLEFT JOIN LATERAL (\n    {query}\n) AS {_names(made, join, [])} ON true"

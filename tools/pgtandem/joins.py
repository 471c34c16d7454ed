"""The SQL of `joins` and `rows`: other tables that an image reads, and one row to several."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from pgtandem import sqltext
from pgtandem.spec import Document, Join, touched


@dataclass(frozen=True)
class Touch:
    """How a row of a joined table finds what it belongs to.

    Attributes:
        column: SQL: a column of the source, or of another join.
        type: of that column.
        expression: SQL over a row of the joined table.
        plain: the table's column, where it is just that.
    """

    column: str
    type: str
    expression: str
    plain: str | None


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
    """

    raw: str
    name: str
    table: str
    through: SqlJoin | None
    touches: list[Touch]
    reads: list[str]
    types: dict[str, str]
    names: list[str]

    @property
    def reads_array(self) -> str:
        """The names of the columns that it reads, as an array."""
        return sqltext.text_array(
            [name for name in self.names if sqltext.ident(name) in self.reads]
        )

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

    def touch(self, row: str) -> list[str]:
        """What a row in a variable touches, as elements of a JSON array."""
        return [
            _keyed(f"{row}.{t.plain}" if t.plain else self.over(t.expression, row), t.type)
            for t in self.touches
        ]

    def touched_is(self, key: str) -> str:
        """A condition over the column it touches: that which a JSON array holds."""
        return " AND ".join(
            f"{t.column} = {sqltext.cast(f'({key} ->> {n})', t.type)}"
            for n, t in enumerate(self.touches)
        )

    def changed(self, separator: str) -> str:
        """A condition over OLD and NEW: something that an image may read changed."""
        return separator.join(
            sqltext.differ(f"OLD.{column}", f"NEW.{column}", self.types[column])
            for column in self.reads
        )


def _keyed(value: str, declared: str) -> str:
    return value if sqltext.same_json_everywhere(declared) else f"pgtandem.key_value({value})"


def sql_joins(document: Document) -> dict[str, SqlJoin]:
    """The joins of a mapping by their names."""
    return {name: _sql_join(document, name) for name in document.joins}


def _sql_join(document: Document, name: str) -> SqlJoin:
    join = document.joins[name]
    touches: list[Touch] = []
    through: str | None = None
    for key, expression in join.touches.items():
        through, column = touched(key)
        columns = document.joins[through].columns if through else document.source.columns
        plain = sqltext.ident(expression) if expression in join.columns else None
        touches.append(
            Touch(
                column=f"{sqltext.ident(through or 'source')}.{sqltext.ident(column)}",
                type=columns[column],
                expression=f"{sqltext.ident(name)}.{plain}"
                if plain
                else f"({sqltext.closed(expression)})",
                plain=plain,
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
    )


def _read(document: Document, name: str) -> list[str]:
    """The columns of a joined table that an image may depend on."""
    columns = document.joins[name].columns
    texts = [*document.joins[name].touches.values()]
    for other, join in document.joins.items():
        texts += [key for key in join.touches if touched(key)[0] == name]
        if other == name or name in _steps(document, other):
            texts += [*join.values.values(), join.filter or "", join.first or ""]
    read = set()
    for text in texts:
        read.update(sqltext.mentioned(text, columns))
    return [column for column in columns if column in read]


def _steps(document: Document, name: str) -> list[str]:
    """The joins by way of which a join reaches the source."""
    through = touched(next(iter(document.joins[name].touches)))[0]
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


def _tie_break(join: Join) -> str:
    """What `first` leaves open is decided by the columns, lest two reads see different rows."""
    read = [c for c in join.columns if any(sqltext.mentioned(v, [c]) for v in join.values.values())]
    orderable = [
        f"{sqltext.ident(c)}::text"
        if "." in join.columns[c] or sqltext.base_type(join.columns[c]) in sqltext.AS_TEXT
        else sqltext.ident(c)
        for c in read
    ]
    return ", ".join([sqltext.closed(join.first or ""), *orderable])


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
        end = f"ORDER BY {', '.join(by)}, {_tie_break(join)}"
    else:
        end = f"GROUP BY {', '.join(numbers)}"
    query = f"SELECT {selected}\n    FROM {_tables(made)}{_conditions(join, [])}\n    {end}"  # noqa: S608
    return f"\nLEFT JOIN (\n    {query}\n) AS {_names(made, join, names)} ON {on}"


def _lateral(join: Join, made: SqlJoin) -> str:
    meets = [f"{t.column} = {t.expression}" for t in made.chain[-1].touches]
    end = f"ORDER BY {_tie_break(join)}\n    LIMIT 1" if join.first else "HAVING count(*) > 0"
    selected, conditions = ", ".join(_values(join)), _conditions(join, meets)
    query = f"SELECT {selected}\n    FROM {_tables(made)}{conditions}\n    {end}"  # noqa: S608
    return f"\nLEFT JOIN LATERAL (\n    {query}\n) AS {_names(made, join, [])} ON true"

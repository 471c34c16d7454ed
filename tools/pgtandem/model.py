"""What a mapping file may hold: its sections and their keys, as the published schema has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pgtandem import documents

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


class Merge(Strict):
    """The target lives: it may hold rows of its own, and those that the source has, too."""

    wins: Literal["source", "target", "newest"] = Field(
        description="What stands in a row of the target that is there already: source: the image. "
        "target: what it holds. newest: the image where it is the newer by a column."
    )
    by: Name | None = Field(
        None, description="The target's column by which newest is told: the greater is the newer."
    )


class Backfill(Strict):
    """How fast the copy may go."""

    chunk_time: Limit = Field("200ms", description="Aim for one transaction.")
    pause: Duration | None = Field(
        None,
        description="Between two chunks; if not given, a tenth of the time of the last one where "
        "the source has more than a million rows, else none.",
    )
    max_lag: Size = Field("64MB", description="Replication lag above which it waits.")
    max_slot: Size = Field("4GB", description="WAL retained by a slot above which it waits.")
    max_wal_rate: Size | None = Field(None, description="WAL in a second.")
    undo: bool | None = Field(
        None,
        description="Whether it, and repairs, store what they overwrite, for pgtandem undo; by "
        "default where the target is the source itself, and of a merge.",
    )
    undo_limit: Size = Field("10GB", description="Stored pre-images above which it stops.")


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


class DocumentField(Strict):
    """A value in a document of the source, in full."""

    path: Name = Field(description="Where it stands, as a.b.c; quote a step that has a dot in it.")
    bson: (
        Literal[
            "string", "objectId", "boolean", "number", "decimal", "date", "uuid", "binary", "json"
        ]
        | None
    ) = Field(
        None, description="What it is in the document; without it, what the column's type is."
    )
    default: Name | None = Field(
        None, description="SQL expression over a row of the source, for documents that lack it."
    )
    default_where: Literal["missing", "null", "empty"] = Field(
        "missing",
        description="When the default applies: missing; also null; also the empty string.",
    )


class SourceDocument(Strict):
    """Documents of MongoDB in a column of the source, as `pgtandem import mongo` stores them."""

    column: Name = Field("document", description="The jsonb column that holds the document.")
    id: Name = Field("_id", description="The column that holds its _id, as text.")
    fields: dict[Name, Name | DocumentField] = Field(
        min_length=1,
        description="Target column: the path of its value in the document, or the full form.",
    )
    ignored: list[Name] = Field(
        default_factory=list,
        description="Paths that nobody needs, or that expressions under columns read.",
    )
    view: Name | None = Field(
        None, description="Schema and name of a view of the target in the shape of the documents."
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
    document: SourceDocument | None = Field(
        None, description="Columns of the target that stand in a document of the source."
    )
    checks: dict[RowName, Name] = Field(
        default_factory=dict,
        description="What must hold beside, each under a name: a SELECT whose rows are what is "
        "wrong. verify runs them.",
    )
    areas: dict[Name, Annotated[list[Name], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Columns that belong together, under a name that comparisons report by; a.b.* "
        "stands for every path that begins so.",
    )
    categories: dict[Name, Name] = Field(
        default_factory=dict,
        description="Rows that are counted apart by plan and verify: a name, and a SQL condition "
        "over a source row. The first that holds counts.",
    )
    sync: Sync = Field(default_factory=lambda: Sync.model_validate({}))
    merge: Merge | None = Field(
        None, description="Into a table that lives, whose own rows are left alone."
    )
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


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a mapping file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pgtandem mapping",
        **Document.model_json_schema(by_alias=True),
    }

"""The consistency report: a comparison as a JSON file whose form is published."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pgtandem import __version__, compare
from pgtandem.errors import PgtandemError

VERSION = 1  # of the form; a new one where a field goes or changes its meaning


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Area(_Part):
    """Columns that belong together in the mapping."""

    area: str | None = Field(description="Its name; null: the columns that are in none.")
    columns: list[str] = Field(description="Columns of the target.")
    changed: int = Field(ge=0, description="Rows that differ in one of them.")
    equal: bool = Field(description="Whether none does.")


class Category(_Part):
    """Rows that the mapping counts apart."""

    category: str = Field(description="Its name; other: the rows of none.")
    rows: int = Field(ge=0, description="Rows of the image.")
    missing: int = Field(ge=0, description="Those that the target lacks.")
    changed: int = Field(ge=0, description="Those that differ in a column.")


class Difference(_Part):
    """What differs in a key: a whole row, or one column of it."""

    key: list[Any] = Field(description="Values of the key, in the mapping's order.")
    kind: Literal["missing", "extra", "changed"] = Field(
        description="missing in the target, extra in the target, or changed."
    )
    area: str | None = Field(description="Of the column; null: none, or the whole row.")
    column: str | None = Field(description="Of the target; null: the whole row.")
    old: str | None = Field(
        description="What the target should hold, as text, cut after 1,000 characters."
    )
    new: str | None = Field(description="What it holds, likewise.")
    is_json: bool = Field(description="Whether both are the text of JSON.")


class Check(_Part):
    """What must hold beside, by a query of the mapping."""

    check: str = Field(description="Its name.")
    found: int = Field(ge=0, description="How many things are wrong.")
    examples: list[dict[str, Any]] = Field(description="The first 20, as rows of its query.")


class Report(_Part):
    """The result of a comparison on one snapshot."""

    version: Literal[1] = Field(description="Of this form.")
    pgtandem: str = Field(description="The version that wrote it.")
    mapping: str = Field(description="Its name.")
    hash: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the deployed mapping.")
    comparison: int | None = Field(
        description="Its number in pgtandem.comparison; null: made on a standby."
    )
    scope: Literal["full", "sample"] = Field(description="Every row, or some.")
    equal: bool = Field(description="Whether no key differs.")
    source_rows: int = Field(ge=0, description="Rows of the image that were compared.")
    target_rows: int = Field(ge=0, description="Rows of the target that were compared.")
    missing: int = Field(ge=0, description="Images that the target lacks.")
    extra: int = Field(ge=0, description="Rows of the target without an image.")
    changed: int = Field(ge=0, description="Rows that differ in a column.")
    queued: int = Field(ge=0, description="Keys among the differences that were in the queue.")
    areas: list[Area] = Field(description="The same by areas; empty where the mapping has none.")
    checks: list[Check] = Field(
        default_factory=list, description="Of the mapping; empty where none were run."
    )
    started_at: datetime = Field(description="A time before the snapshot.")
    snapshot: str = Field(description="PostgreSQL's name of it.")
    seconds: float = Field(ge=0, description="What it took.")
    complete: bool = Field(description="Whether `differences` has all that differ.")
    differences: list[Difference] = Field(description="The first 10,000, or those of one area.")
    categories: list[Category] | None = Field(
        None, description="The same by categories; left out where the mapping has none."
    )

    def form(self) -> dict[str, Any]:
        """As JSON has it."""
        without = {"categories"} if self.categories is None else set()
        return self.model_dump(mode="json", exclude=without)


def report(comparison: compare.Comparison, area: str | None) -> Report:
    """The report of a comparison whose differences are those of one area, or all."""
    keys = {each.key for each in comparison.shown}
    return Report(
        version=VERSION,
        pgtandem=__version__,
        mapping=comparison.mapping,
        hash=comparison.hash,
        comparison=comparison.stored,
        scope=comparison.scope,
        equal=not comparison.differing,
        source_rows=comparison.source_rows,
        target_rows=comparison.target_rows,
        missing=comparison.missing,
        extra=comparison.extra,
        changed=comparison.changed,
        queued=comparison.queued,
        areas=[
            Area(area=each.area, columns=each.columns, changed=each.changed, equal=not each.changed)
            for each in comparison.areas
        ],
        checks=[Check(**vars(each)) for each in comparison.checks],
        started_at=comparison.started_at,
        snapshot=comparison.snapshot,
        seconds=round(comparison.seconds, 3),
        complete=area is None
        and len(keys) == comparison.differing
        and len(comparison.shown) < compare.STORED,
        differences=[
            Difference(**vars(each) | {"key": json.loads(each.key)}) for each in comparison.shown
        ],
        categories=[Category(**vars(each)) for each in comparison.categories] or None,
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pgtandem consistency report",
        **{
            key: value
            for key, value in Report.model_json_schema(mode="serialization").items()
            if key != "title"
        },
    }


def require_new(path: Path, force: bool) -> None:
    """Raise before any work is done where the file could not be written.

    Raises:
        PgtandemError: where it exists and is not to be replaced, or its directory does not.
    """
    if not path.parent.is_dir():
        raise PgtandemError(
            f"There is no directory {path.parent}.",
            detail=f"The report was to be written to {path}.",
            hint=f"mkdir -p '{path.parent}'",
        )
    if path.is_dir():
        raise PgtandemError(f"{path} is a directory.", hint=f"--report '{path / 'report.json'}'")
    if path.exists() and not force:
        raise _exists(path)


def _exists(path: Path) -> PgtandemError:
    return PgtandemError(
        f"{path} exists already.",
        detail="It may be the report of another day.",
        hint="Name another file, or let --force replace it.",
    )


def write(path: Path, document: Report | Sequence[Report], force: bool) -> None:
    """Write the report so that nobody ever sees a part of it, and none is replaced unasked.

    Raises:
        PgtandemError: where the file has come into being meanwhile.
        OSError: where it cannot be written.
    """
    made = document.form() if isinstance(document, Report) else [each.form() for each in document]
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # as any other file; mkstemp lets nobody else read
        if force:
            Path(name).replace(path)
        else:
            try:
                os.link(name, path)  # unlike a rename, it fails where the name is taken
            except FileExistsError as error:
                raise _exists(path) from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()

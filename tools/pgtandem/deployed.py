"""What the database knows of a mapping."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from pgtandem import db, project, sessions
from pgtandem.errors import PgtandemError
from pgtandem.sessions import Connection

T = TypeVar("T")


@dataclass(frozen=True)
class Mapping:
    """A deployed mapping.

    Attributes:
        name: as in the mapping file.
        hash: SHA-256 of the mapping file that the deployed scripts were rendered from.
        phase: expand, sync, backfill or contract.
        copy_state: none, open or complete.
        mode: strict, record or queued.
        source: the old table, as SQL writes its name.
        target: the new one.
        has_source: whether the old table still exists.
        has_target: whether the new one does.
        routines: names of the routines rendered from it.
        is_standby: whether the database is a standby, which cannot be written.
    """

    name: str
    hash: str
    phase: str
    copy_state: str
    mode: str
    source: str
    target: str
    has_source: bool
    has_target: bool
    routines: list[str]
    is_standby: bool

    @property
    def next_step(self) -> str:
        """What comes next, as one would type it."""
        return next_step(self.name, self.phase, self.copy_state)

    @property
    def schema(self) -> sql.Identifier:
        """The schema of its rendered objects."""
        return sql.Identifier(f"pgtandem_{self.name}")

    def require_primary(self) -> None:
        """Raise on a standby, where nothing can be written and pgtandem.worker cannot be read."""
        if self.is_standby:
            raise PgtandemError(
                "This is a standby, which only pgtandem verify can work with.",
                hint="Connect to the primary.",
            )

    def require(self, *routines: str) -> None:
        """Raise unless both tables and these rendered routines are there."""
        for side, exists in (("source", self.has_source), ("target", self.has_target)):
            if not exists:
                raise PgtandemError(
                    f'The {side} of mapping "{self.name}" no longer exists.',
                    detail="It was dropped, and what was rendered for it with it.",
                    hint="Restore it from a backup, or from the other side.",
                )
        if missing := [name for name in routines if name not in self.routines]:
            raise PgtandemError(
                f'Mapping "{self.name}" lacks {", ".join(missing)} in its schema.',
                detail=f"It is in phase {self.phase}. Either a later phase makes it, or it was"
                " dropped, or rendered by an older pgtandem.",
                hint="sqitch verify; sqitch deploy",
            )


def next_step(name: str, phase: str, copy_state: str) -> str:
    """What comes next for a mapping on its road, as one would type it."""
    if phase == "expand":
        return f"sqitch deploy --to {name}_sync"
    if phase == "sync" and copy_state == "open":
        return f"pgtandem backfill {name}"
    if phase == "sync":
        return f"sqitch deploy --to {name}_backfill"
    if phase == "backfill" and copy_state != "complete":
        return f"pgtandem backfill {name}"
    if phase == "backfill":
        return f"pgtandem verify {name}; pgtandem gate {name} --contract"
    return f"nothing; sqitch revert --to {name}_backfill takes contract back"


def all_mappings(connection: Connection) -> list[Mapping]:
    """Every mapping of the database, by name.

    Raises:
        PgtandemError: where the engine is missing.
    """
    with engine_errors(connection):
        rows = connection.execute(db.load_query("mappings")).fetchall()
    return [Mapping(**row) for row in rows]


@contextmanager
def engine_errors(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Say it where the engine is missing, lacks a change, or is not for this role."""
    try:
        yield
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
    ) as error:
        raise PgtandemError(
            f'The engine is not in the database "{connection.info.dbname}", or lacks a part.',
            detail=error.diag.message_primary,
            hint="pgtandem init deploys it; --dsn or --target name another database.",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgtandemError(
            f'The role "{connection.info.user}" may not use the engine.',
            detail=error.diag.message_primary,
            hint="Connect as the role that deployed it, or as a member of that role.",
            sqlstate=error.sqlstate,
        ) from error


def find(connection: Connection, name: str, on_standby: bool = False) -> Mapping:
    """The mapping of that name; on a standby only where it is said to do.

    Raises:
        PgtandemError: where the engine is missing, no mapping has the name, or on a standby.
    """
    known = {mapping.name: mapping for mapping in all_mappings(connection)}
    if name in known:
        if not on_standby:
            known[name].require_primary()
        return known[name]
    raise unknown(connection, name, list(known))


@dataclass(frozen=True)
class Meant:
    """What a name stands for.

    Attributes:
        mappings: a mapping, or all that a Sqitch project has deployed, in the project's order.
        alone: whether it is the name of a mapping.
    """

    mappings: list[Mapping]
    alone: bool

    @property
    def in_use(self) -> list[Mapping]:
        """Those of a project that are not contracted; all, where that leaves none."""
        left = [each for each in self.mappings if self.alone or each.phase != "contract"]
        return left or self.mappings

    def form(self, documents: Sequence[T]) -> T | Sequence[T]:
        """One document for each mapping as JSON has it: of a mapping that, of a project all."""
        return documents[0] if self.alone else documents


def meant(target: db.Target, name: str, directory: Path) -> Meant:
    """What a name stands for.

    Args:
        target: the database.
        name: of a mapping; else of the project in the directory.
        directory: where the project would be.

    Raises:
        PgtandemError: where it is neither, or nothing of the project is deployed.
    """
    with sessions.connect(target) as connection:
        known = {mapping.name: mapping for mapping in all_mappings(connection)}
        if name in known:
            return Meant([known[name]], alone=True)
        if name != project.name_of(directory):
            raise unknown(connection, name, list(known))
        changes = project.find(directory).changes()
        expands = [change.removesuffix("_expand") for change in dict.fromkeys(changes)]
        if found := [known[each] for each in expands if each in known]:
            return Meant(found, alone=False)
        raise PgtandemError(
            f'No mapping of the project "{name}" is deployed in the database'
            f' "{connection.info.dbname}".',
            detail=f"Deployed: {', '.join(known) or 'none'}.",
            hint="Deploy its expand changes: sqitch deploy",
            sqlstate="TD001",
        )


def unknown(connection: psycopg.Connection[Any], name: str, known: Sequence[str]) -> PgtandemError:
    """The error for a name that no deployed mapping has."""
    near = difflib.get_close_matches(name, known, n=1)
    return PgtandemError(
        f'No mapping named "{name}" is deployed in the database "{connection.info.dbname}".',
        detail=f"Deployed: {', '.join(known) or 'none'}.",
        hint=f'Did you mean "{near[0]}"?' if near else "Deploy its expand change: sqitch deploy",
        sqlstate="TD001",
    )

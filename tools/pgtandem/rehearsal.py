"""What each step that is still to be deployed locks: by its header, or rehearsed and undone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psycopg
from pydantic import BaseModel, ConfigDict, ValidationError

from pgtandem import db, deployed, project, render, sessions
from pgtandem.errors import PgtandemError

POLL_SECONDS = 0.001
HEADER = re.compile(r"^-- Locks: (.*(?:\n-- .*)*)", re.MULTILINE)
# What Sqitch would skip: comments, and the look whether it is done already.
SKIPPED = re.compile(
    r"--[^\n]*\n|SELECT [^;]*? AS \w+ \\gset\n\\if :\w+\n\s*\\quit\n\\endif\n|\s+", re.DOTALL
)
STRENGTH = (
    "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE",
)  # fmt: skip


class Lock(BaseModel):
    """A lock that others notice."""

    model_config = ConfigDict(extra="ignore")
    table: str
    mode: str


class Step(BaseModel):
    """A change that is still to be deployed, and what it locks.

    Attributes:
        change: its name.
        state: rehearsed; not rehearsed; outside: it commits in between, or runs outside of any
            transaction, so nothing can be undone.
        header: what its script says of locks.
        locks: the strongest of each table of the applications, when it was rehearsed.
        seconds: from the first of them to the end of the script.
        database: where.
        at: when.
        why: why it was not.
    """

    model_config = ConfigDict(extra="ignore")
    change: str
    state: Literal["rehearsed", "not rehearsed", "outside"]
    header: str
    locks: list[Lock] = []
    seconds: float | None = None
    database: str | None = None
    at: datetime | None = None
    why: str | None = None


class Rehearsed(BaseModel):
    """What is read of `pgtandem plan --rehearse --json`."""

    model_config = ConfigDict(extra="ignore")
    mapping: str
    hash: str
    locks: list[Step]


def steps(where: project.Project, mapping: deployed.Mapping, indexes: int) -> list[Step]:
    """The changes of a mapping that are planned and not deployed yet, in their order."""
    done = render.PHASES[: render.PHASES.index(mapping.phase) + 1]
    left = [phase for phase in render.PHASES if phase not in done]
    if "index" in left and indexes:
        left.remove("index")
    planned = set(where.changes())
    found = []
    for change in (f"{mapping.name}_{phase}" for phase in left):
        script = where.script("deploy", change)
        if change not in planned or not script.is_file():
            continue
        text = script.read_text(encoding="utf-8")
        match = HEADER.search(text)
        header = " ".join(match[1].replace("\n-- ", " ").split()) if match else "unknown"
        inside = body(text) is not None
        why = None if inside else "it commits in between, or cannot run in a transaction"
        state: Literal["not rehearsed", "outside"] = "not rehearsed" if inside else "outside"
        found.append(Step(change=change, state=state, header=header, why=why))
    return found


def body(script: str) -> str | None:
    """What stands between BEGIN and COMMIT, where that is all there is to undo; else None.

    The gate of the backfill copies before its BEGIN: where the copy is complete, there is nothing
    to copy, and where it is not, the body says so.
    """
    before, begin, rest = script.partition(f"\n{render.BEGIN}\n")
    inner, commit, after = rest.rpartition("\nCOMMIT;\n")
    if not begin or not commit or SKIPPED.sub("", after):
        return None
    if render.BEGIN in inner or "\nCOMMIT;\n" in inner or re.search(r"(?m)^\s*\\", inner):
        return None
    if SKIPPED.sub("", before + "\n") and "CALL pgtandem.backfill(" not in before:
        return None
    return inner


def rehearse(
    team: sessions.Team, where: project.Project, found: Sequence[Step]
) -> list[Step]:  # fmt: skip
    """Run each step that can be undone, and undo it; its locks are real until then.

    Args:
        team: of two idle sessions.
        where: the project with the scripts.
        found: what `steps` has found.
    """
    made = []
    for step in found:
        text = body(where.script("deploy", step.change).read_text(encoding="utf-8"))
        made.append(step if text is None else _rehearsed(team, step, text))
    return made


def _rehearsed(team: sessions.Team, step: Step, text: str) -> Step:
    actor, watcher = team.sessions
    query = db.load_query("rehearsal_locks")
    pid = {"pid": actor.info.backend_pid}
    actor.autocommit = False
    actor.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    held_since = None
    try:
        began = before = time.monotonic()
        ended: list[float] = []
        work = team.start(actor, _run, text, ended)
        while not work.done():
            if held_since is None and watcher.execute(query, pid).fetchone():
                held_since = before
            before = time.monotonic()
            wait([work], timeout=POLL_SECONDS)
        work.result()
        locks = _strongest(watcher.execute(query, pid).fetchall())
    except psycopg.Error as error:
        if sessions.is_lost(error) or isinstance(error, psycopg.errors.QueryCanceled):
            raise
        return step.model_copy(update={"why": error.diag.message_primary or str(error)})
    finally:
        if not actor.closed:
            actor.rollback()
            actor.isolation_level = None
            actor.autocommit = True
    since = began if held_since is None else held_since
    return step.model_copy(
        update={
            "state": "rehearsed", "locks": locks, "database": actor.info.dbname,
            "seconds": round(ended[0] - since, 4) if locks else 0.0, "at": datetime.now(UTC),
        }
    )  # fmt: skip


def _run(session: sessions.Connection, text: str, ended: list[float]) -> None:
    session.execute(text.encode())
    ended.append(time.monotonic())


def _strongest(rows: Sequence[dict[str, Any]]) -> list[Lock]:
    strongest: dict[str, str] = {}
    for row in rows:
        words = re.findall(r"[A-Z][a-z]+", row["mode"].removesuffix("Lock"))
        mode = " ".join(words).upper()
        known = strongest.get(row["table"])
        if known is None or STRENGTH.index(mode) > STRENGTH.index(known):
            strongest[row["table"]] = mode
    return [Lock(table=table, mode=mode) for table, mode in strongest.items()]


def read(path: Path) -> list[Rehearsed]:
    """The rehearsals in a file.

    Raises:
        PgtandemError: where it is none.
        OSError: where it cannot be read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        parts = document if isinstance(document, list) else [document]
        return [Rehearsed.model_validate(part) for part in parts]
    except (UnicodeDecodeError, ValueError, ValidationError) as error:
        raise PgtandemError(
            f"{path} is no rehearsal.",
            detail=" ".join(str(error).split())[:300],
            hint="On a copy of the database: pgtandem plan NAME --rehearse --json > rehearsal.json",
        ) from error


def joined(found: Sequence[Step], name: str, files: Sequence[Rehearsed]) -> list[Step]:
    """The steps with what earlier rehearsals know of them; of several the last one given."""
    known = {
        step.change: step
        for each in files
        if each.mapping == name
        for step in each.locks
        if step.state == "rehearsed"
    }
    return [known.get(s.change, s) if s.state == "not rehearsed" else s for s in found]

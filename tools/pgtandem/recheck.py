"""The recheck queue of a mapping, as the commands see it."""

from __future__ import annotations

import json
from typing import Any

from pgtandem import db
from pgtandem.sessions import Connection


def drain(session: Connection, name: str, reason: str | None = None) -> None:
    """Work off what is due; says in an INFO what it did. TD006 where the phase has no sync."""
    session.execute(db.load_query("drain"), {"mapping": name, "reason": reason})


def left(session: Connection, name: str) -> dict[str, int]:
    """Entries that are `left`, and how many of them `failed` before."""
    row = session.execute(db.load_query("drain_left"), {"mapping": name}).fetchone()
    assert row
    return row


def failures(session: Connection, name: str, limit: int) -> list[dict[str, Any]]:
    """Keys that failed, with their last error; `key` is the text of a JSON array."""
    query = db.load_query("failures")
    return session.execute(query, {"mapping": name, "limit": limit}).fetchall()


def after_failures(name: str) -> str:
    """What to do about keys that failed."""
    return (
        "They stay in the queue, and are tried again later and later. Mend what the errors name,"
        f" then: pgtandem retry {name}; pgtandem drain {name}"
    )


def log_event(
    session: Connection, name: str, kind: str, detail: dict[str, Any], reason: str | None = None
) -> None:
    """Write an event; the database adds who and when."""
    session.execute(
        db.load_query("log_event"),
        {"mapping": name, "kind": kind, "detail": json.dumps(detail), "reason": reason},
    )

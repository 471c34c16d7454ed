"""Calling a routine of the engine by which a person steers a mapping."""

from __future__ import annotations

from typing import Any

from pgtandem import db, deployed, sessions


def call(target: db.Target, name: str, routine: str, **arguments: str | None) -> Any:
    """Call it and return its result.

    Args:
        target: the database.
        name: the mapping.
        routine: pause, resume, retry or override; a file of queries/.
        arguments: the routine's other arguments.
    """
    with db.postgres_errors(), sessions.connect(target) as session:
        deployed.find(session, name)
        row = session.execute(
            db.load_query(routine), {"mapping": name, **arguments}
        ).fetchone()  # fmt: skip
        assert row
        return row[routine]

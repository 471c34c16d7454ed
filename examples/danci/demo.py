"""danci: a merge into tables that live, a repair in place, both seen before, and undone exactly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from rich.table import Table
from writers import Writer

if TYPE_CHECKING:
    from stage import Stage

ROWS = 3_000  # learners
OWNED = 600  # learners whom the writers share; the others are theirs who look at the undo
MERGED = ("profiles", "words")

Written = dict[Any, Any]
PROFILES = "SELECT user_id, to_jsonb(p)::text FROM danci.user_learning_profiles AS p"
STATES = (
    "SELECT user_id, word_id, to_jsonb(w)::text FROM danci.word_learning_states AS w"
    " WHERE user_id <> ALL (%s)"
)
FAULTY = (
    "SELECT count(*) FROM danci.word_learning_states WHERE next_review_date < now()"
    " OR next_review_date IS NULL AND last_review_date IS NOT NULL"
)


class DanciWriter(Writer):
    """Writes for its own share of the learners, and remembers what it wrote last of each."""

    def __init__(self, side: str, dsn: str, share: int, users: list[UUID]) -> None:
        super().__init__(side, dsn, seed=share, pause=0.008)
        self.own = users

    def learnt(self) -> tuple[float, datetime]:
        """What was learnt of a learner, and when."""
        return self.random.random(), datetime.now(UTC)


class Stable(DanciWriter):
    """The old version: states of AMAS, and answers."""

    def write(self, connection: psycopg.Connection[Any]) -> Written:
        user = self.random.choice(self.own)
        if self.random.random() < 0.5:
            self.answer(connection, user)
            return {("answered", user): None}
        attention, at = self.learnt()
        connection.execute(
            "INSERT INTO danci.amas_user_states (user_id, attention, updated_at)"
            " VALUES (%(user)s, %(attention)s, %(at)s)"
            " ON CONFLICT (user_id) DO UPDATE SET attention = %(attention)s, updated_at = %(at)s",
            {"user": user, "attention": attention, "at": at},
        )
        return {("state", user): (attention, at)}

    def answer(self, connection: psycopg.Connection[Any], user: UUID) -> None:
        """An answer to a word, which the learner may not have begun before."""
        word = self.random.randrange(1, 2000)
        connection.execute(
            "INSERT INTO danci.word_scores (user_id, word_id) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            (user, word),
        )
        connection.execute(
            "INSERT INTO danci.answer_records (id, user_id, word_id, is_correct)"
            " VALUES (%s, %s, %s, %s)",
            (1 << 50 | self.random.getrandbits(50), user, word, self.random.random() < 0.7),
        )


class Canary(DanciWriter):
    """The new version: profiles, and the states of words."""

    def write(self, connection: psycopg.Connection[Any]) -> Written:
        user = self.random.choice(self.own)
        if self.random.random() < 0.3:
            connection.execute(
                "UPDATE danci.word_learning_states SET next_review_date = now() + interval '9 days'"
                " WHERE user_id = %s",
                (user,),
            )
            return {("asked", user): None}
        attention, at = self.learnt()
        connection.execute(
            "INSERT INTO danci.user_learning_profiles AS p (user_id, attention, theta, updated_at)"
            " VALUES (%(user)s, %(attention)s, %(theta)s, %(at)s)"
            " ON CONFLICT (user_id) DO UPDATE"
            " SET attention = %(attention)s, theta = %(theta)s, updated_at = %(at)s",
            {"user": user, "attention": attention, "theta": self.random.gauss(0, 1), "at": at},
        )
        return {("profile", user): (attention, at)}


def play(stage: Stage, rows: int) -> None:
    """The whole road, and back, while the stable version and the canary write."""
    stage.announce(
        "before", "The old system, the new tables that the canary has begun to fill, the engine.",
        "nothing", "nothing to go back from",
    )  # fmt: skip
    stage.quietly("psql -q -f legacy.sql")
    stage.quietly(f"psql -q -v users={rows} -f generate.sql")
    stage.run("pgtandem init --quiet" if False else "pgtandem init")
    users = [row[0] for row in stage.query("SELECT id FROM danci.users ORDER BY id")]
    owned = users[: min(OWNED, len(users) // 2)]
    old: list[DanciWriter] = [
        Stable("old_app", stage.dsn("old_app"), n, owned) for n in range(2)
    ]
    new: list[DanciWriter] = [
        Canary("new_app", stage.dsn("new_app"), n + 2, owned) for n in range(2)
    ]
    stage.start(*old, *new)
    preview(stage)
    before = dict(stage.query(PROFILES))
    merge(stage)
    report(stage)
    undo_profiles(stage, [*old, *new], before)
    repair(stage, owned)
    the_end(stage, old, new)


def preview(stage: Stage) -> None:
    """What would happen, and what would fail; nothing is written."""
    stage.announce(
        "preview", "The view of what the new tables should hold; what a backfill would do.",
        "nothing", "sqitch revert",
    )  # fmt: skip
    for name in (*MERGED, "reviews"):
        stage.quietly(f"sqitch deploy --to-change {name}_expand") if name == "profiles" else None
    stage.run("pgtandem plan profiles", expect=1)
    stage.say("Three learners have an attention that the new table refuses. Mend them first:")
    stage.show("UPDATE danci.amas_user_states SET attention = 1 WHERE attention > 1")
    stage.run("pgtandem plan profiles")

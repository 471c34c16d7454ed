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
    stage.run("pgtandem init")
    users = [row[0] for row in stage.query("SELECT id FROM danci.users ORDER BY id")]
    owned = users[: min(OWNED, len(users) // 2)]
    old: list[DanciWriter] = [
        Stable("old_app", stage.dsn("old_app"), n, owned[n::2]) for n in range(2)
    ]
    new: list[DanciWriter] = [
        Canary("new_app", stage.dsn("new_app"), n + 2, owned[n::2]) for n in range(2)
    ]
    stage.start(*old, *new)
    preview(stage)
    untouched = states(stage, owned)
    merge(stage, old, new)
    undo_merge(stage, owned, untouched)
    repair(stage, owned)
    report(stage, old, new)


def states(stage: Stage, owned: list[UUID]) -> dict[str, Any]:
    """The new tables' rows of learners for whom no application writes."""
    return {name: stage.query(query, owned) for name, query in HELD.items()}


def preview(stage: Stage) -> None:
    """What would happen, and what would fail; nothing is written."""
    stage.announce(
        "preview", "Views of what the new tables should hold; what a backfill would do to them.",
        "nothing", "sqitch revert",
    )  # fmt: skip
    stage.run("sqitch deploy --to-change reviews_expand")
    stage.run("pgtandem plan profiles", expect=1)
    stage.say("Three learners have an attention that the new table refuses. They are mended:")
    stage.show("UPDATE danci.amas_user_states SET attention = 1 WHERE attention > 1")
    stage.run("pgtandem plan profiles")
    stage.run("pgtandem plan words")
    stage.run("pgtandem preflight profiles --backup-at now --free-disk 50GB")


def merge(stage: Stage, old: list[DanciWriter], new: list[DanciWriter]) -> None:
    """States into profiles, answers into states of words, where the newer wins."""
    stage.announce(
        "merge", "What is older than AMAS or the answers say follows them, what is missing comes.",
        "the tables SHARE ROW EXCLUSIVE, an instant", "pgtandem undo, sqitch revert",
    )  # fmt: skip
    stage.run("sqitch deploy --to-change profiles_sync")
    stage.run_along("pgtandem drain profiles --follow --interval 200ms")
    stage.run("pgtandem backfill profiles --max-time 1h")
    stage.run("sqitch deploy --to-change words_sync")
    stage.run_along("pgtandem drain words --follow --interval 200ms")
    stage.run("pgtandem backfill words --max-time 1h --jobs 2")
    stage.run("sqitch deploy --to-change words_backfill")
    time.sleep(1)
    for writer in [*old, *new]:
        writer.pause = 3600.0
    settle(stage)
    stage.say("\nThe decision tree: how many learners does it hurt, in percent?")
    for affected, expect in (("0.4", 0), ("4", 1), ("12", 1)):
        stage.run(f"pgtandem gate profiles --signal affected_percent={affected}", expect=expect)


def settle(stage: Stage) -> None:
    """Both queues run empty, and every row is compared."""
    for name in MERGED:
        stage.run(f"pgtandem drain {name}")
        stage.run(f"pgtandem verify {name} --report consistency-report.json")


def undo_merge(stage: Stage, owned: list[UUID], untouched: dict[str, Any]) -> None:
    """The words as they were before; what an application has changed since stays."""
    stage.announce(
        "undo", "Every row that the backfill of the words touched is what it was before.",
        "a chunk of rows at a time, a tenth of a second", "pgtandem backfill words",
    )  # fmt: skip

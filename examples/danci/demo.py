"""danci: a merge into tables that live, a repair in place, both seen before, and undone exactly."""

from __future__ import annotations

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
HELD = {
    "profiles": "SELECT user_id, to_jsonb(p)::text FROM danci.user_learning_profiles AS p"
    " WHERE user_id <> ALL (%s) ORDER BY user_id",
    "words": "SELECT user_id, word_id, to_jsonb(w)::text FROM danci.word_learning_states AS w"
    " WHERE user_id <> ALL (%s) ORDER BY user_id, word_id",
}
FAULTY = (
    "SELECT count(*) FROM danci.word_learning_states WHERE user_id <> ALL (%s)"
    " AND (next_review_date < now() OR next_review_date IS NULL AND last_review_date IS NOT NULL)"
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
            return {}
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
            return {}
        attention, at = self.learnt()
        done = connection.execute(
            "INSERT INTO danci.user_learning_profiles AS p (user_id, attention, theta, updated_at)"
            " VALUES (%(user)s, %(attention)s, %(theta)s, %(at)s)"
            " ON CONFLICT (user_id) DO UPDATE"
            " SET attention = %(attention)s, theta = %(theta)s, updated_at = %(at)s"
            " WHERE p.updated_at < %(at)s",
            {"user": user, "attention": attention, "theta": self.random.gauss(0, 1), "at": at},
        )
        return {("profile", user): (attention, at)} if done.rowcount else {}


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
    merge(stage)
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
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H:00:00Z}"
    stage.run(f"pgtandem preflight profiles --backup-at {hour} --free-disk 50GB", expect=None)


def merge(stage: Stage) -> None:
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
    stage.run("pgtandem verify profiles", expect=None)
    stage.run("pgtandem verify words", expect=None)
    stage.say("\nThe decision tree: how many learners does it hurt, in percent?")
    for affected, expect in (("0.4", 0), ("4", 1), ("12", 1)):
        stage.run(f"pgtandem gate profiles --signal affected_percent={affected}", expect=expect)


def settle(stage: Stage) -> None:
    """Both queues run empty, and every row is compared."""
    for name in MERGED:
        stage.run(f"pgtandem drain {name}")
        stage.run(f"pgtandem verify {name} --report {name}.json --force")


def undo_merge(stage: Stage, owned: list[UUID], before: dict[str, Any]) -> None:
    """The words as they were before; what an application has changed since stays."""
    stage.announce(
        "undo", "Every row that the backfill of the words touched is what it was before.",
        "some rows at a time, a tenth of a second at most", "pgtandem backfill words",
    )  # fmt: skip
    stage.say("Somebody corrects words meanwhile, which the undo has to leave:")
    held = {row[:2] for row in before["words"]}
    made = [
        row
        for row in stage.query(
            "SELECT user_id, word_id FROM danci.word_scores WHERE user_id <> ALL (%s)"
            " ORDER BY user_id, word_id",
            owned,
        )
        if row not in held
    ]
    user = made[0][0]
    words = ", ".join(str(word) for owner, word in made[:2] if owner == user)
    stage.show(
        "UPDATE danci.word_learning_states SET interval_days = 3650"
        f" WHERE user_id = '{user}' AND word_id IN ({words})"
    )
    stage.run("pgtandem undo words --yes", expect=1)
    now = states(stage, owned)
    corrected = {row for row in now["words"] if '"interval_days": 3650' in row[2]}
    stage.check("the undo took a correction back", len(corrected) > 0)
    keys = {row[:2] for row in corrected}
    stage.check(
        "the undo did not restore every other word",
        {row for row in now["words"] if row[:2] not in keys}
        == {row for row in before["words"] if row[:2] not in keys},
    )
    stage.run("pgtandem undo words --yes --force-changed")
    stage.check(
        "a forced undo left something", set(states(stage, owned)["words"]) == set(before["words"])
    )
    stage.say("\nAnd there again:")
    stage.run("pgtandem backfill words --jobs 2")
    stage.run("pgtandem undo words --drop")


def repair(stage: Stage, owned: list[UUID]) -> None:
    """The dates of the next review, by category; undone, and done."""
    stage.announce(
        "repair", "Dates of the next review that are missing, or in the past.",
        "its rows, chunk by chunk", "pgtandem undo",
    )  # fmt: skip
    before = states(stage, owned)
    stage.run("pgtandem plan reviews")
    stage.run("sqitch deploy --to-change reviews_sync")
    stage.run("pgtandem backfill reviews")
    stage.run("sqitch deploy")
    stage.run("pgtandem verify reviews")
    stage.check("faulty dates are left", stage.query(FAULTY, owned) == [(0,)])
    stage.say("What the canary has written since stays; of other learners, nothing is left:")
    stage.run("pgtandem undo reviews --yes", expect=None)
    stage.check("the undo of the repair left something", states(stage, owned) == before)
    stage.run("pgtandem backfill reviews")


def report(stage: Stage, old: list[Any], new: list[Any]) -> None:
    """What both applications wrote is there, or something newer; every row is compared."""
    for writer in [*old, *new]:
        writer.stop()
    stage.end_along()
    stage.announce(
        "the end", "Both applications are still; the queues run empty.", "nothing", "nothing to do"
    )
    settle(stage)
    stage.run("pgtandem verify reviews")
    for name in MERGED:
        (stage.project / f"{name}.json").unlink()
    table = Table(title="both applications, from beginning to end")
    for column in ("", "writes", "failed", "tried again", "longest wait"):
        table.add_column(column, justify="right" if column else "left")
    for side in (old, new):
        table.add_row(
            side[0].side,
            f"{sum(w.writes for w in side):,}",
            str(sum(w.failed for w in side)),
            str(sum(w.retried for w in side)),
            f"{max(w.longest for w in side) * 1000:.0f} ms",
        )
        for line in [line for w in side for line in w.errors][:5]:
            stage.say(f"[red]{line}[/red]")
    compared, differences = stage.query(
        "SELECT sum(source_rows), sum(missing + extra + changed) FROM pgtandem.comparison"
        " WHERE id IN (SELECT max(id) FROM pgtandem.comparison WHERE scope = 'full'"
        " GROUP BY mapping)"
    )[0]
    gone = lost(stage, [*old, *new])
    table.add_section()
    table.add_row("rows compared", f"{compared:,}")
    table.add_row("differences", str(differences))
    table.add_row("lost writes", str(gone))
    stage.console.print()
    stage.console.print(table)
    stage.check("rows differ", differences == 0)
    stage.check("a write was lost", gone == 0)
    stage.check("an application's write failed", not any(w.failed for w in [*old, *new]))


def lost(stage: Stage, writers: list[DanciWriter]) -> int:
    """How many learners have a profile that is not what was learnt last, on either side."""
    latest: dict[UUID, tuple[datetime, float]] = {}
    for writer in writers:
        for (_, user), (attention, at) in writer.ledger.items():
            latest[user] = max(latest.get(user, (at, attention)), (at, attention))
    held = {
        user: (at, attention)
        for user, attention, at in stage.query(
            "SELECT user_id, attention, updated_at FROM danci.user_learning_profiles"
        )
    }
    return sum(held.get(user) != told for user, told in latest.items())

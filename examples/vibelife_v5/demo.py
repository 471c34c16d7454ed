"""vibelife_v5: new data computed from old, while versions 4 and 5 write; rolled back, and again."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
from rich.table import Table
from writers import Writer

if TYPE_CHECKING:
    from stage import Stage

ROWS = 5_000  # users; there are ten times as many messages
OWNED = 1_500  # users whom the writers share; the others are spoilt, removed and counted
MAPPINGS = ("journey", "entitlements", "dimensions")
FLAGS = ("v5_rituals", "v5_memory", "v5_prism", "v5_journey", "v5_subscription")
STAGES = ("understanding", "trust", "dependence", "symbiosis")
TEXTS = ("今天运势如何？", "What will the day bring?", "O'Neill \\ said", "", "🔮", "null")
ROUNDS = 15  # of the measurement

Written = dict[Any, Any]


class VibeWriter(Writer):
    """Writes for its own share of the users, so that it knows what must be there in the end.

    The ledger goes by kind and id; an entry is the user and the value, None if it is deleted.
    """

    def __init__(self, side: str, dsn: str, share: int, users: list[UUID]) -> None:
        super().__init__(side, dsn, seed=share, pause=0.008)
        self.share = share
        self.own = users

    def text(self) -> str:
        """A text that tells each write from every other."""
        return f"{self.random.choice(TEXTS)} {self.share}-{self.random.getrandbits(40):x}"

    def write(self, connection: psycopg.Connection[Any]) -> Written:
        kinds, weights = zip(*self.kinds(), strict=True)
        write: Callable[[psycopg.Connection[Any], UUID], Written]
        write = self.random.choices(kinds, weights)[0]
        return write(connection, self.random.choice(self.own))

    def kinds(self) -> Iterator[tuple[Callable[[psycopg.Connection[Any], UUID], Written], int]]:
        """What it writes, and how often of a hundred times."""
        raise NotImplementedError


class Version4(VibeWriter):
    """The old application: accounts, chat, billing, and the fortune tellers' documents."""

    def __init__(self, side: str, dsn: str, share: int, users: list[UUID]) -> None:
        super().__init__(side, dsn, share, users)
        self.payments: list[UUID] = []
        self.subscriptions: list[UUID] = []

    def kinds(self) -> Iterator[tuple[Callable[[psycopg.Connection[Any], UUID], Written], int]]:
        yield self.sign_up, 8
        yield self.talk, 40
        yield self.pay, 12
        yield self.refund, 8
        yield self.subscribe, 8
        yield self.change, 8
        yield self.fill_in, 12
        yield self.take_back, 1
        yield self.leave, 3

    def sign_up(self, connection: psycopg.Connection[Any], _: UUID) -> Written:
        user, email = uuid4(), f"{uuid4()}@demo.invalid"
        connection.execute(
            "INSERT INTO vibelife.vibe_users (vibe_id, email) VALUES (%s, %s)", (user, email)
        )
        self.own.append(user)
        return {("user", user): (user, email)}

    def talk(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        talk, message, text = uuid4(), uuid4(), self.text()
        done = connection.execute(
            "INSERT INTO vibelife.conversations (id, user_id)"
            " SELECT %s, vibe_id FROM vibelife.vibe_users WHERE vibe_id = %s",
            (talk, user),
        )
        if not done.rowcount:
            return {}
        connection.execute(
            "INSERT INTO vibelife.messages (id, conversation_id, role, content)"
            " VALUES (%s, %s, 'user', %s), (gen_random_uuid(), %s, 'assistant', 'Wait.')",
            (message, talk, text, talk),
        )
        return {("message", message): (user, text)}

    def pay(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        payment = uuid4()
        done = connection.execute(
            "INSERT INTO vibelife.payments (id, user_id, amount, status, completed_at)"
            " SELECT %s, vibe_id, 28, 'completed', now() FROM vibelife.vibe_users"
            " WHERE vibe_id = %s",
            (payment, user),
        )
        if not done.rowcount:
            return {}
        self.payments.append(payment)
        return {("payment", payment): (user, "completed")}

    def refund(self, connection: psycopg.Connection[Any], _: UUID) -> Written:
        if not self.payments:
            return {}
        payment = self.random.choice(self.payments)
        done = connection.execute(
            "UPDATE vibelife.payments SET status = 'refunded' WHERE id = %s RETURNING user_id",
            (payment,),
        ).fetchone()
        return {("payment", payment): (done[0], "refunded")} if done else {}

    def subscribe(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        subscription, plan = uuid4(), self.random.choice(("monthly", "yearly"))
        done = connection.execute(
            "INSERT INTO vibelife.subscriptions (id, user_id, plan_type, expires_at)"
            " SELECT %s, vibe_id, %s, now() + interval '1 month' FROM vibelife.vibe_users"
            " WHERE vibe_id = %s",
            (subscription, plan, user),
        )
        if not done.rowcount:
            return {}
        self.subscriptions.append(subscription)
        return {("subscription", subscription): (user, f"{plan} active")}

    def change(self, connection: psycopg.Connection[Any], _: UUID) -> Written:
        if not self.subscriptions:
            return {}
        subscription = self.random.choice(self.subscriptions)
        plan = self.random.choice(("monthly", "yearly"))
        status = self.random.choice(("active", "cancelled", "expired"))
        done = connection.execute(
            "UPDATE vibelife.subscriptions SET plan_type = %s, status = %s WHERE id = %s"
            " RETURNING user_id",
            (plan, status, subscription),
        ).fetchone()
        return {("subscription", subscription): (done[0], f"{plan} {status}")} if done else {}

    def fill_in(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        said = {self.random.choice(("bazi", "zodiac", "tarot")): {"said": self.text()}}
        done = connection.execute(
            "INSERT INTO vibelife.user_profiles AS p (user_id, profile_data)"
            " SELECT vibe_id, %s FROM vibelife.vibe_users WHERE vibe_id = %s"
            " ON CONFLICT (user_id) DO UPDATE SET profile_data ="
            " CASE jsonb_typeof(p.profile_data) WHEN 'object' THEN p.profile_data ELSE '{}' END"
            " || excluded.profile_data RETURNING profile_data",
            (json.dumps(said), user),
        ).fetchone()
        return {("profile", user): (user, done[0])} if done else {}

    def take_back(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        done = connection.execute(
            "UPDATE vibelife.user_profiles SET profile_data = profile_data - %s::text"
            " WHERE user_id = %s AND jsonb_typeof(profile_data) = 'object' RETURNING profile_data",
            (self.random.choice(("bazi", "zodiac")), user),
        ).fetchone()
        return {("profile", user): (user, done[0])} if done else {}

    def leave(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        connection.execute("DELETE FROM vibelife.vibe_users WHERE vibe_id = %s", (user,))
        self.own.remove(user)
        return {("user", user): (user, None)}


class Version5(VibeWriter):
    """The new application: sets stages, counts what is used, adds dimensions of its own."""

    def kinds(self) -> Iterator[tuple[Callable[[psycopg.Connection[Any], UUID], Written], int]]:
        yield self.advance, 40
        yield self.use, 40
        yield self.add, 20

    def advance(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        stage = self.random.choice(STAGES)
        done = connection.execute(
            "UPDATE vibelife.vibe_users SET journey_stage = %s WHERE vibe_id = %s", (stage, user)
        )
        return {("stage", user): (user, stage)} if done.rowcount else {}

    def use(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        used = self.random.randrange(1, 10**6)
        done = connection.execute(
            "UPDATE vibelife.user_entitlements SET daily_conversations_used = %s"
            " WHERE user_id = %s",
            (used, user),
        )
        return {("used", user): (user, used)} if done.rowcount else {}

    def add(self, connection: psycopg.Connection[Any], user: UUID) -> Written:
        """Where the flag is on for this user."""
        asked = connection.execute(
            "SELECT has_schema_privilege('pgtandem', 'USAGE')"
        ).fetchone() == (True,) and connection.execute(
            "SELECT pgtandem.enabled('v5_prism', %s)", (user,)
        ).fetchone() == (True,)
        if not asked:
            return {}
        said = {"said": self.text()}
        done = connection.execute(
            "INSERT INTO vibelife.dimension_profiles (user_id, dimension_type, raw_data)"
            " SELECT vibe_id, 'mbti', %s FROM vibelife.vibe_users WHERE vibe_id = %s"
            " FOR KEY SHARE"
            " ON CONFLICT (user_id, dimension_type) DO UPDATE SET raw_data = excluded.raw_data",
            (json.dumps(said), user),
        )
        return {("mbti", user): (user, said)} if done.rowcount else {}


HELD = {
    "user": "SELECT vibe_id, email FROM vibelife.vibe_users",
    "message": "SELECT id, content FROM vibelife.messages",
    "payment": "SELECT id, status FROM vibelife.payments",
    "subscription": "SELECT id, plan_type || ' ' || status FROM vibelife.subscriptions",
    "profile": "SELECT user_id, profile_data FROM vibelife.user_profiles",
    "stage": "SELECT vibe_id, journey_stage FROM vibelife.vibe_users",
    "used": "SELECT user_id, daily_conversations_used FROM vibelife.user_entitlements",
    "mbti": "SELECT user_id, raw_data FROM vibelife.dimension_profiles"
    " WHERE dimension_type = 'mbti'",
}


def play(stage: Stage, rows: int) -> None:
    """The whole road, back, and there again."""
    stage.say(
        f"[bold]vibelife_v5[/bold]: {rows:,} users, whose journey, entitlements and dimensions"
        " are computed from\nwhat they wrote and paid. Three sessions of version 4 and two of"
        " version 5 write\nthroughout; each remembers what it wrote."
    )
    stage.needs_vector()
    stage.quietly("psql -q -v ON_ERROR_STOP=1 -f legacy.sql")
    stage.quietly(
        f"psql -q -v ON_ERROR_STOP=1 -v users={rows} -v messages={10 * rows} -f generate.sql"
    )
    users = [key for (key,) in stage.query("SELECT vibe_id FROM vibelife.vibe_users ORDER BY 1")]
    owned, others = users[: min(OWNED, len(users) // 2)], users[min(OWNED, len(users) // 2) :]
    old = [
        Version4("version 4", stage.dsn("old_app"), n, owned[n::3]) for n in range(3)
    ]  # fmt: skip
    stage.start(*old)

    stage.announce(
        "1 tables and columns", "The engine, eight empty tables, twelve columns.",
        "four old tables, ACCESS EXCLUSIVE, some milliseconds; nothing is rewritten",
        "sqitch revert",
    )  # fmt: skip
    stage.run("pgtandem init")
    stage.run("sqitch deploy --to-change v5_columns")
    new = version_5(stage, owned, 3)

    for number, name in enumerate(MAPPINGS, 2):
        carry_over(stage, number, name)

    stage.announce(
        "5 foreign keys and flags", "What belongs to a user goes with the user.",
        "vibe_users and the new tables, SHARE ROW EXCLUSIVE, some milliseconds",
        "sqitch revert: the keys stay, and go with the tables",
    )  # fmt: skip
    stage.run("sqitch deploy")

    stage.announce(
        "6 verify", "Every row on one snapshot, while everybody writes.", "nothing", "nothing to do"
    )
    verify(stage)
    measure(stage)
    spoil_and_refuse(stage, others[0])

    stage.announce(
        "7 rollout", "The flags, by stages and cohorts; version 5 asks them for each user.",
        "nothing", "pgtandem rollout set FLAG off: at once, without a restart",
    )  # fmt: skip
    roll_out(stage)

    new += roll_back_and_deploy_again(stage, new, owned, others[1:])
    time.sleep(1)
    report(stage, old, new)
    if stage.keep:
        stage.leave(
            "phase backfill: everything computed and compared, all flags off but one",
            "pgtandem status journey",
            "pgtandem report vibelife_v5",
            "psql -c 'SELECT * FROM pgtandem_entitlements.image LIMIT 5'",
            "pgtandem rollout status",
        )


def version_5(stage: Stage, users: list[UUID], seed: int) -> list[VibeWriter]:
    """Two sessions of the new application begin to write."""
    new: list[VibeWriter] = [
        Version5("version 5", stage.dsn("new_app"), seed + n, users[n::2]) for n in (0, 1)
    ]
    stage.start(*new)
    return new


def carry_over(stage: Stage, number: int, name: str) -> None:
    """Sync, the worker of its queue, and what was there before."""
    tables = {
        "journey": "users, conversations, messages, payments",
        "entitlements": "users, subscriptions, payments",
        "dimensions": "user_profiles, dimension_profiles",
    }
    stage.announce(
        f"{number} {name}",
        "Triggers that queue what a write touches, a worker, and the backfill.",
        f"{tables[name]}: SHARE ROW EXCLUSIVE, some milliseconds",
        f"sqitch revert --to-change {name}_expand",
    )
    stage.run(f"sqitch deploy --to-change {name}_sync")
    stage.run_along(f"pgtandem drain {name} --follow --interval 200ms")
    stage.run(f"pgtandem backfill {name} --jobs 2")
    stage.run(f"sqitch deploy --to-change {name}_backfill")


def verify(stage: Stage) -> None:
    """Compare; what differs may be on its way in the queue, and is looked at again, by key."""
    for name in MAPPINGS:
        if stage.run(f"pgtandem verify {name} --jobs 2 --limit 0", expect=None) == 0:
            continue
        keys = [key for (key,) in stage.query(
            "SELECT key FROM pgtandem.difference WHERE comparison ="
            " (SELECT max(id) FROM pgtandem.comparison WHERE mapping = %s)", name
        )]  # fmt: skip
        begun = time.monotonic()
        # A key that the applications go on writing may be queued again; sooner or later it is not.
        while keys and time.monotonic() < begun + 20:
            time.sleep(0.1)
            keys = [key for (key,) in stage.query(
                f"SELECT key FROM pgtandem_{name}.compared_keys(%s)"
                " WHERE changed OR in_source <> in_target", json.dumps(keys)
            )]  # fmt: skip
        stage.say(
            f"[dim]They were in the queue; each was equal {time.monotonic() - begun:.1f} s"
            " later.[/dim]"
        )
        stage.check(f"{name} differs by what is not in the queue", not keys)


def measure(stage: Stage) -> None:
    """From the commit of version 4 until the other side says so, for a user of our own."""
    user, talk = uuid4(), uuid4()
    taken: dict[str, list[float]] = {name: [] for name in MAPPINGS}
    with (
        psycopg.connect(stage.dsn("old_app"), autocommit=True) as old,
        psycopg.connect(stage.dsn(), autocommit=True) as look,
    ):
        old.execute("INSERT INTO vibelife.vibe_users (vibe_id) VALUES (%s)", (user,))
        old.execute(
            "INSERT INTO vibelife.conversations (id, user_id) VALUES (%s, %s)", (talk, user)
        )
        old.execute("INSERT INTO vibelife.user_profiles (user_id) VALUES (%s)", (user,))
        old.execute(
            "INSERT INTO vibelife.payments (user_id, amount, status) VALUES (%s, 28, 'pending')",
            (user,),
        )
        for number in range(ROUNDS):
            begun: dict[str, float] = {}
            for name, statement in CHANGES.items():
                old.execute(statement, {"user": user, "talk": talk, "n": number})
                begun[name] = time.monotonic()
            while begun:
                now = time.monotonic()
                if now > min(begun.values()) + 30:
                    stage.check("a write of version 4 did not arrive within 30 s", False)
                    return
                seen = look.execute(ARRIVED, {"user": user, "n": number}).fetchone()
                assert seen
                for name, there in zip(MAPPINGS, seen, strict=True):
                    if there and name in begun:
                        taken[name].append(now - begun.pop(name))
                time.sleep(0.005)
            time.sleep(0.05)
    table = Table(title=f"delay of the queue, of {ROUNDS} writes each")
    for column in ("from the commit until it is there", "p50", "max"):
        table.add_column(column, justify="right" if len(column) < 4 else "left")
    for name, each in taken.items():
        table.add_row(
            name, f"{statistics.median(each) * 1000:.0f} ms", f"{max(each) * 1000:.0f} ms"
        )
    stage.console.print(table)


CHANGES = {
    "journey": "INSERT INTO vibelife.messages (conversation_id, role, content, created_at)"
    " VALUES (%(talk)s, 'user', '', timestamp '2027-01-01' + %(n)s * interval '1 day')",
    "entitlements": "UPDATE vibelife.payments SET status = CASE WHEN %(n)s %% 2 = 0"
    " THEN 'completed' ELSE 'refunded' END WHERE user_id = %(user)s",
    "dimensions": "UPDATE vibelife.user_profiles SET profile_data ="
    " jsonb_build_object('bazi', %(n)s::integer) WHERE user_id = %(user)s",
}
ARRIVED = """
SELECT (SELECT last_active_at = timestamp '2027-01-01' + %(n)s * interval '1 day'
          FROM vibelife.vibe_users WHERE vibe_id = %(user)s),
       (SELECT current_tier = CASE WHEN %(n)s %% 2 = 0 THEN 'L1' ELSE 'L0' END
          FROM vibelife.user_entitlements WHERE user_id = %(user)s),
       (SELECT raw_data = to_jsonb(%(n)s::integer) FROM vibelife.dimension_profiles
         WHERE user_id = %(user)s AND dimension_type = 'bazi')
"""


def spoil_and_refuse(stage: Stage, user: UUID) -> None:
    """An entitlement spoilt on purpose is found, reported and repaired."""
    stage.say("\nAn entitlement is spoilt on purpose, as version 5 should never do:")
    stage.show(
        f"UPDATE vibelife.user_entitlements SET current_tier = 'L9' WHERE user_id = '{user}'"
    )
    stage.run("pgtandem verify entitlements --jobs 2 --limit 0", expect=1)
    success_table(stage, "entitlements", expect=1)
    stage.run("pgtandem repair entitlements --yes", expect=None)
    stage.check(
        "the spoilt entitlement was not repaired",
        stage.query(
            "SELECT current_tier <> 'L9' FROM vibelife.user_entitlements WHERE user_id = %s", user
        )
        == [(True,)],
    )


def success_table(stage: Stage, name: str, *, expect: int = 0) -> None:
    """What `pgtandem report` says, on a page of 80 columns."""
    told = json.loads(stage.read(f"pgtandem report {name} --json", expect=expect))
    table = Table()
    for column in ("", "mapping", "figure", "measured", "target"):
        table.add_column(column, justify="right" if column in ("measured", "target") else "left")
    for each in told["figures"]:
        table.add_row(
            each["verdict"], each["mapping"], each["figure"].replace("_", " "),
            "-" if each["measured"] is None else f"{each['measured']} {each['unit']}".strip(),
            f"{each['relation']} {each['target']} {each['unit']}".strip(),
        )  # fmt: skip
    stage.console.print(table)


def roll_out(stage: Stage) -> None:
    """All five flags at their first stage, one of them further, with cohorts."""
    for flag in FLAGS:
        stage.run(f"pgtandem rollout next {flag}")
    stage.run("pgtandem rollout cohort v5_memory vibelife.has_paid")
    stage.run("pgtandem rollout set v5_prism 100 --reason 'a quiet day'")
    stage.run("pgtandem rollout status v5_memory")
    time.sleep(2)
    stage.check(
        "version 5 added no dimension of its own",
        stage.query(
            "SELECT count(*) > 0 FROM vibelife.dimension_profiles WHERE dimension_type = 'mbti'"
        )
        == [(True,)],
    )


def roll_back_and_deploy_again(
    stage: Stage, new: list[VibeWriter], owned: list[UUID], others: list[UUID]
) -> list[VibeWriter]:
    """The plan's 7.2, and the way back to where it was; version 4 writes throughout."""
    stage.announce(
        "back", "Version 5 leaves. Its columns are archived, its tables stay.",
        "old and new tables ACCESS EXCLUSIVE, some milliseconds at a time", "sqitch deploy",
    )  # fmt: skip
    for writer in new:
        writer.stop()
    stage.end_along()
    stage.run("sqitch revert -y --to-change v5_tables")
    stage.say("[dim]Version 4 goes on alone. One of its users takes something back:[/dim]")
    gone = stage.query(
        "SELECT user_id FROM vibelife.dimension_profiles WHERE dimension_type = 'bazi'"
        " AND user_id = ANY (%s) LIMIT 1", others
    )[0][0]  # fmt: skip
    stage.query(
        "UPDATE vibelife.user_profiles SET profile_data = profile_data - 'bazi'"
        " WHERE user_id = %s", gone, user="old_app",
    )  # fmt: skip
    time.sleep(1)

    stage.announce(
        "and there again", "The values come back, what happened meanwhile is computed.",
        "as before", "as before",
    )  # fmt: skip
    stage.say("Nobody has seen what was removed meanwhile, so the deploy stops and asks:")
    stage.run("sqitch deploy", expect=2)
    for name in MAPPINGS:
        stage.run_along(f"pgtandem drain {name} --follow --interval 200ms")
    stage.run("pgtandem repair dimensions --yes", expect=None)
    stage.run("sqitch deploy")
    stage.run("pgtandem rollout set v5_prism on --reason 'again'")
    return version_5(stage, owned, 5)


def lost(stage: Stage, writers: list[VibeWriter]) -> int:
    """How many of the committed writes are not there; what was of a deleted user may not be."""
    held = {kind: dict(stage.query(query)) for kind, query in HELD.items()}
    ledger: Written = {}
    for writer in writers:
        ledger |= writer.ledger
    gone = {user for (kind, _), (user, value) in ledger.items() if kind == "user" and value is None}
    missing = object()
    return sum(
        held[kind].get(key, missing) != (missing if user in gone else value)
        for (kind, key), (user, value) in ledger.items()
    )


def report(stage: Stage, old: list[Any], new: list[VibeWriter]) -> None:
    """The success table, and the one at the end."""
    for writer in [*old, *new]:
        writer.stop()
    stage.end_along()
    stage.announce(
        "the end", "Both applications are still; the queues run empty.", "nothing", "nothing to do"
    )
    for name in MAPPINGS:
        stage.run(f"pgtandem drain {name}")
        stage.run(f"pgtandem verify {name} --jobs 2")
    success_table(stage, "vibelife_v5")
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

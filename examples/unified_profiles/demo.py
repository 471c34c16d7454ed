"""unified_profiles: columns into a JSON document that others write too, and back."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
from rich.table import Table
from writers import Writer

if TYPE_CHECKING:
    from stage import Stage

ROWS = 5_000
FEWEST_FOR_INDEXES = 2_000  # users
NAMES = ("小雨", "Ana", "Chloé", "🔮 oracle", "O'Neill", "", " space ", "null", '"quoted"')
STAY = "id, vibe_id, status, tier, daily_quota, billing_summary, created_at, updated_at"


class UserWriter(Writer):
    """Writes its own share of the users, so that it knows what must be there in the end."""

    def __init__(self, side: str, dsn: str, share: int, keys: list[UUID]) -> None:
        super().__init__(side, dsn, seed=share)
        self.share = share
        self.own = keys

    def text(self) -> str:
        """A name that tells each write from every other."""
        return f"{self.random.choice(NAMES)} {self.share}-{self.random.getrandbits(40):x}"

    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        dice, name = self.random.random(), self.text()
        key = self.random.choice(self.own)
        if dice < 0.1:
            key = uuid4()
            self.register(connection, key, name)
            self.own.append(key)
            return {key: name}
        if dice < 0.15:
            connection.execute("DELETE FROM vibelife.vibe_users WHERE id = %s", (key,))
            self.own.remove(key)
            return {key: None}
        if dice < 0.35:
            self.look(connection, key)
            return {}
        self.rename(connection, key, name)
        return {key: name}

    def register(self, connection: psycopg.Connection[Any], key: UUID, name: str) -> None:
        """A new account."""
        raise NotImplementedError

    def rename(self, connection: psycopg.Connection[Any], key: UUID, name: str) -> None:
        """The account page is saved."""
        raise NotImplementedError

    def look(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        """A request that is only noted."""
        raise NotImplementedError


class OldApplication(UserWriter):
    """Knows the columns of vibe_users and nothing else."""

    def register(self, connection: psycopg.Connection[Any], key: UUID, name: str) -> None:
        connection.execute(
            "INSERT INTO vibelife.vibe_users (id, vibe_id, display_name, email, birth_date)"
            " VALUES (%s, %s, %s, %s, current_date)",
            (key, key.hex, name, f"{key.hex}@example.net"),
        )

    def rename(self, connection: psycopg.Connection[Any], key: UUID, name: str) -> None:
        connection.execute(
            "UPDATE vibelife.vibe_users SET display_name = %s, interests = %s,"
            " birth_rectification = %s, deletion_requested_at = CASE WHEN %s THEN now() END"
            " WHERE id = %s",
            (name, [name, ""], self.random.random(), self.random.random() < 0.1, key),
        )

    def look(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        connection.execute(
            "UPDATE vibelife.vibe_users SET last_seen_at = now() WHERE id = %s", (key,)
        )


class NewApplication(UserWriter):
    """Knows the account of vibe_users and the document."""

    def register(self, connection: psycopg.Connection[Any], key: UUID, name: str) -> None:
        connection.execute(
            "INSERT INTO vibelife.vibe_users (id, vibe_id) VALUES (%s, %s)", (key, key.hex)
        )
        self.rename(connection, key, name)

    def rename(self, connection: psycopg.Connection[Any], key: UUID, name: str) -> None:
        account = {"display_name": name, "email_verified": self.random.random() < 0.5}
        preferences = {"language": self.random.choice(["zh-CN", "en"]), "interests": [name, None]}
        connection.execute(
            "INSERT INTO vibelife.unified_profiles AS p (user_id, profile)"
            " VALUES (%(key)s, jsonb_build_object('account', %(account)s::jsonb,"
            " 'preferences', %(preferences)s::jsonb))"
            " ON CONFLICT (user_id) DO UPDATE SET updated_at = now(), profile = p.profile"
            " || jsonb_build_object("
            "  'account', coalesce(nullif(p.profile -> 'account', 'null'), '{}')"
            "   || %(account)s::jsonb,"
            "  'preferences', coalesce(nullif(p.profile -> 'preferences', 'null'), '{}')"
            "   || %(preferences)s::jsonb)",
            {
                "key": key,
                "account": json.dumps(account),
                "preferences": json.dumps(preferences),
            },
        )

    def look(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        connection.execute(
            "UPDATE vibelife.unified_profiles SET updated_at = now() WHERE user_id = %s", (key,)
        )


class Skills(Writer):
    """Other services: they write skill_data and life_context of everybody's document."""

    def __init__(self, dsn: str, keys: list[UUID]) -> None:
        super().__init__("skills", dsn, seed=99)
        self.keys = keys

    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        key, draw = self.random.choice(self.keys), f"{self.random.getrandbits(40):x}"
        done = connection.execute(
            "UPDATE vibelife.unified_profiles SET profile = jsonb_set(profile"
            " || jsonb_build_object('skill_data', coalesce(profile -> 'skill_data', '{}')),"
            " '{skill_data,draw}', to_jsonb(%s::text)) WHERE user_id = %s",
            (draw, key),
        )
        return {key: draw} if done.rowcount else {}


def play(stage: Stage, rows: int) -> None:
    """The whole road."""
    stage.say(
        f"[bold]unified_profiles[/bold]: 27 columns of vibelife.vibe_users ({rows:,} users) leave;"
        "\n26 become paths of unified_profiles.profile, a document in which other services write."
        "\nTwo old and one new application session write throughout, and the skills write the same"
        " documents; each remembers what it wrote."
    )
    stage.quietly("psql -q -v ON_ERROR_STOP=1 -f legacy.sql")
    stage.quietly(f"psql -q -v ON_ERROR_STOP=1 -v users={rows} -f generate.sql")
    keys = [key for (key,) in stage.query("SELECT id FROM vibelife.vibe_users LIMIT 8000")]
    old: list[Writer] = old_applications(stage, [keys[0::4], keys[1::4]])
    new: list[Writer] = [NewApplication("new application", stage.dsn("new_app"), 2, keys[2::4])]
    skills = Skills(stage.dsn("new_app"), keys)
    stage.start(*old, skills)

    stage.announce(
        "1 expand", "The engine, and a view of what the documents should hold.",
        "nothing that an application uses", "sqitch revert",
    )  # fmt: skip
    stage.run("pgtandem init")
    stage.run("sqitch deploy --to-change unified_profiles_expand")

    stage.announce(
        "2 sync (021)", "Triggers, both ways, in place of migration 019's: typed, path by path.",
        "both tables for some milliseconds: writers wait, readers do not",
        "sqitch revert --to-change unified_profiles_expand",
    )  # fmt: skip
    stage.run("sqitch deploy --to-change retire_019")
    stage.start(*new)

    stage.announce(
        "3 backfill (021)", "Everybody gets a profile; what others keep in it stays.",
        "the row in flight, for 0.2 s at most", "sqitch revert --to-change retire_019",
    )  # fmt: skip
    stage.run("pgtandem backfill unified_profiles --jobs 2")
    stage.run("sqitch deploy --to-change unified_profiles_backfill")

    stage.announce(
        "4 verify", "Every user, every path, on one snapshot, by area.", "nothing", "nothing to do"
    )
    stage.compare()
    spoil_and_repair(stage, [key for writer in (*old, *new) for key in writer.own])

    stage.announce(
        "5 index (021)", "Four indexes on paths, CONCURRENTLY, each with its query.",
        "no row; waits for older transactions",
        "sqitch revert --to-change unified_profiles_backfill",
    )  # fmt: skip
    stage.run("sqitch deploy --to-change unified_profiles_index")
    show_indexes(stage)

    stage.announce(
        "6 contract (022)", "The columns leave vibe_users; their values go to the archive by key.",
        "both tables ACCESS EXCLUSIVE for some milliseconds",
        "sqitch revert --to-change unified_profiles_index",
    )  # fmt: skip
    stage.say("The support desk's view and the old application are in the way, and are named:")
    stage.run("pgtandem gate unified_profiles --contract", expect=1)
    stage.run("sqitch deploy --to-change user_directory")
    for writer in old:
        writer.stop()
    stage.say("[dim]The old application has been shut down.[/dim]")
    stage.contract()
    stage.show(
        "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'vibelife.vibe_users'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    time.sleep(2)

    stage.announce(
        "back", "022 is reverted: the columns come back, with all that was written since.",
        "both tables ACCESS EXCLUSIVE for some milliseconds", "deploy again",
    )  # fmt: skip
    stage.run("sqitch revert -y --to-change user_directory")
    again = old_applications(stage, [writer.own for writer in old])
    stage.start(*again)
    old += again
    time.sleep(1)
    stage.run("pgtandem drain unified_profiles")
    stage.compare()
    for writer in (*new, skills):
        writer.stop()
    report(stage, old, new, skills)

    stage.announce(
        "back to the start", "021 is reverted; migration 019 is back.",
        "both tables ACCESS EXCLUSIVE for some milliseconds", "deploy again",
    )  # fmt: skip
    stage.run("sqitch revert -y")
    for writer in old:
        writer.stop()
    stage.check("the columns lost a write", not lost(ledger(old, new), in_columns(stage)))
    stage.check("an old application's write failed", not any(writer.failed for writer in old))


def old_applications(stage: Stage, shares: Sequence[list[UUID]]) -> list[Any]:
    """Two sessions of the old application, with a share of the users each."""
    dsn = stage.dsn("old_app")
    return [OldApplication("old application", dsn, n, keys) for n, keys in enumerate(shares)]


def spoil_and_repair(stage: Stage, busy: list[UUID]) -> None:
    """A path spoilt behind the triggers' back is found by area, and mended."""
    stage.say("\nA document spoilt on purpose, behind the triggers' back:")
    stage.query(
        "UPDATE vibelife.unified_profiles"
        " SET profile = jsonb_set(profile, '{birth_info,birth_date}', '\"2000-01-01\"')"
        " WHERE user_id = (SELECT user_id FROM vibelife.unified_profiles"
        " WHERE user_id <> ALL (%s) ORDER BY user_id LIMIT 1)",
        busy,
        options="-c pgtandem_unified_profiles.depth=0",
    )
    stage.run("pgtandem verify unified_profiles --jobs 2", expect=1)
    stage.run("pgtandem repair unified_profiles --yes")


def show_indexes(stage: Stage) -> None:
    """Each query's plan, with the planner left alone."""
    users = stage.query("SELECT count(*) FROM vibelife.unified_profiles")[0][0]
    stage.query("VACUUM ANALYZE vibelife.unified_profiles")  # as autovacuum will, sooner or later
    for name, query in stage.query("SELECT name, query FROM pgtandem.target_index ORDER BY name"):
        plan = "\n".join(line for (line,) in stage.query(f"EXPLAIN (COSTS OFF) {query}"))
        stage.say(f"[bold]{name}[/bold]\n[dim]{plan}[/dim]")
        # A table of a few hundred rows is read whole, and rightly so.
        stage.check(f"{name} is not used", name in plan or users < FEWEST_FOR_INDEXES)


def ledger(*sides: Sequence[Writer]) -> dict[UUID, Any]:
    """What all writers know to be committed, the later of one share last."""
    return {key: name for side in sides for writer in side for key, name in writer.ledger.items()}


def lost(written: dict[UUID, Any], held: dict[UUID, Any]) -> int:
    """How many of the committed writes are not held."""
    gone = object()
    return sum(
        held.get(key, gone) != (gone if name is None else name) for key, name in written.items()
    )


def in_columns(stage: Stage) -> dict[UUID, Any]:
    """The names as the old application sees them."""
    return dict(stage.query("SELECT id, display_name FROM vibelife.vibe_users"))


def report(stage: Stage, old: list[Writer], new: list[Writer], skills: Writer) -> None:
    """The table at the end."""
    table = Table(title="all applications, from beginning to end")
    for name in ("", "writes", "failed", "tried again", "longest wait"):
        table.add_column(name, justify="left" if not name else "right")
    everybody = [old, new, [skills]]
    for side in everybody:
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
        "SELECT source_rows, missing + extra + changed FROM pgtandem.comparison"
        " WHERE scope = 'full' ORDER BY id DESC LIMIT 1"
    )[0]
    documents = dict(
        stage.query(
            "SELECT user_id, profile #>> '{skill_data,draw}' FROM vibelife.unified_profiles"
        )
    )
    drawn = {key: draw for key, draw in skills.ledger.items() if key in documents}
    gone = lost(ledger(new), in_columns(stage)) + lost(drawn, documents)
    table.add_section()
    table.add_row("users compared", f"{compared:,}")
    table.add_row("differences", str(differences))
    table.add_row("lost writes", str(gone))
    stage.console.print()
    stage.console.print(table)
    stage.check("rows differ", differences == 0)
    stage.check("a write was lost", gone == 0)
    failed = [writer for side in everybody for writer in side if writer.failed]
    stage.check("an application's write failed", not failed)

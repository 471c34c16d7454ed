"""gear from its old shape to its new one and back, while both applications write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
from rich.table import Table
from writers import Writer

if TYPE_CHECKING:
    from stage import Stage

ROWS = 10_000
NAMES = ("rope", "tent", "stove", "étrier", "绳索", "🧗 harness", "ice axe", "", " map ")


class GearWriter(Writer):
    """Writes its own share of the items, so that it knows what must be there in the end."""

    shares = 4
    table: str
    kind: str

    def __init__(
        self, side: str, dsn: str, share: int, keys: list[UUID], users: list[UUID]
    ) -> None:
        super().__init__(side, dsn, seed=share)
        self.share = share
        self.own = keys[share :: self.shares]
        self.users = users

    def text(self) -> str:
        """A name that tells each write from every other."""
        return f"{self.random.choice(NAMES)} {self.share}-{self.random.getrandbits(40):x}"

    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        dice, name = self.random.random(), self.text()
        key = self.random.choice(self.own)
        if dice < 0.15:
            key = uuid4()
            connection.execute(
                f"INSERT INTO {self.table} (id, user_id, name, {self.kind})"
                " VALUES (%s, %s, %s, %s)",
                (key, self.random.choice(self.users), name, "new"),
            )
            self.also(connection, key)
            self.own.append(key)
            return {key: name}
        if dice < 0.25:
            done = connection.execute(f"DELETE FROM {self.table} WHERE id = %s", (key,))
            if not done.rowcount:
                return {}  # not copied yet
            self.own.remove(key)
            return {key: None}
        if dice < 0.4:
            self.look(connection, key)
            return {}
        done = connection.execute(
            f"UPDATE {self.table} SET name = %s, {self.kind} = %s WHERE id = %s",
            (name, name[:20] or None, key),
        )
        return {key: name} if done.rowcount else {}

    def look(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        """A read, with what the application writes on each of them."""

    def also(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        """What the application writes along with a new item."""


class OldApplication(GearWriter):
    """GET and POST /equipment."""

    table, kind = "user_core.old_equipment", "type"

    def look(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        connection.execute(
            "UPDATE user_core.old_equipment SET last_viewed_at = now() WHERE id = %s", (key,)
        )


class NewApplication(GearWriter):
    """The gear operations service."""

    table, kind = "gear_ops.gear_items", "category"

    def look(self, connection: psycopg.Connection[Any], key: UUID) -> None:
        connection.execute(
            "UPDATE gear_ops.gear_items SET status = 'active', updated_at = now() WHERE id = %s",
            (key,),
        )


def play(stage: Stage, rows: int) -> None:
    """The whole road."""
    stage.say(
        f"[bold]gear[/bold]: user_core.old_equipment ({rows:,} items) becomes "
        "gear_ops.gear_items, and goes back.\nTwo old and two new application sessions write "
        "throughout; each remembers what it wrote."
    )
    stage.quietly("psql -q -v ON_ERROR_STOP=1 -f legacy.sql")
    users = max(100, min(rows * 3 // 10, 100_000))
    stage.quietly(f"psql -q -v ON_ERROR_STOP=1 -v users={users} -v items={rows} -f generate.sql")
    keys = [key for (key,) in stage.query("SELECT id FROM user_core.old_equipment LIMIT 8000")]
    who = [key for (key,) in stage.query("SELECT id FROM user_core.users LIMIT 500")]
    old = [OldApplication("old application", stage.dsn("old_app"), n, keys, who) for n in (0, 1)]
    new = [NewApplication("new application", stage.dsn("new_app"), n, keys, who) for n in (2, 3)]
    stage.start(*old)

    stage.announce(
        "1 expand", "The engine, the new tables, and a view of what they should hold.",
        "nothing that the old application uses", "sqitch revert",
    )  # fmt: skip
    stage.run("pgtandem init")
    stage.run("sqitch deploy --to-change gear_expand")

    stage.announce(
        "2 sync", "Triggers, both ways: every write of one side reaches the other.",
        "both tables SHARE ROW EXCLUSIVE for some milliseconds: writers wait, readers do not",
        "sqitch revert --to-change gear_expand",
    )  # fmt: skip
    stage.run("sqitch deploy --to-change gear_sync")
    stage.start(*new)

    stage.announce(
        "3 backfill", "What was there before the triggers, by ranges of blocks, two workers.",
        "no row of the old table", "sqitch revert --to-change gear_sync",
    )  # fmt: skip
    stage.run("pgtandem backfill gear --jobs 2")
    stage.run("sqitch deploy --to-change gear_items_user_fkey")

    fail_and_repair(stage)

    stage.announce(
        "4 verify", "Every row on one snapshot, while everybody writes.", "nothing", "nothing to do"
    )
    stage.compare()
    corrupt_and_refuse(stage)

    stage.announce(
        "5 cutover", "The gate, from the thresholds of the plan and what the load balancer says.",
        "nothing", "send the traffic back",
    )  # fmt: skip
    stage.run("pgtandem gate gear --signal error_rate=0.4 --signal p99_ms=730", expect=1)
    stage.run("pgtandem gate gear --signal error_rate=0.4 --signal p99_ms=430")

    stage.announce(
        "6 contract", "The old table becomes an archive; a writable view takes its name.",
        "both tables ACCESS EXCLUSIVE for some milliseconds",
        "sqitch revert --to-change gear_items_user_fkey",
    )  # fmt: skip
    stage.say("A report still reads the old table, and the gate sees it:")
    read_the_old_table(stage)
    stage.run("pgtandem gate gear --contract", expect=1)
    stage.say("It is pointed to the new table; then compared once more:")
    stage.contract()
    stage.say("[dim]The old application goes on, on the view.[/dim]")
    time.sleep(2)

    stage.announce(
        "back", "Contract is reverted: what was written since goes back into the old table.",
        "tables and view ACCESS EXCLUSIVE for the last few keys", "deploy again",
    )  # fmt: skip
    stage.run("sqitch revert -y --to-change gear_items_user_fkey")
    time.sleep(1)
    stage.run("pgtandem drain gear")
    stage.compare()
    report(stage, old, new)
    if stage.keep:
        stage.leave("phase backfill: synced both ways, every row copied and compared")
        return

    stage.announce(
        "back to the start", "The new application has left; the old table has all it wrote.",
        "both tables ACCESS EXCLUSIVE for some milliseconds", "deploy again",
    )  # fmt: skip
    stage.run("sqitch revert -y --to-change gear_tables")
    for writer in old:
        writer.stop()
    stage.check(
        "the old table lost a write", lost(stage, [*old, *new], "user_core.old_equipment") == 0
    )
    stage.check("an old application's write failed", not any(writer.failed for writer in old))


def fail_and_repair(stage: Stage) -> None:
    """A failure on the new side, which the old application does not notice."""
    stage.say("\nA failure on the new side, injected: a constraint that a write breaks.")
    stage.show(
        "ALTER TABLE gear_ops.gear_items ADD CONSTRAINT injected CHECK (name <> 'cursed') NOT VALID"
    )
    key = stage.query(
        "INSERT INTO user_core.old_equipment (user_id, name, brand)"
        " SELECT id, 'cursed', 'Ünal & Søn \"Outdoor\"' FROM user_core.users LIMIT 1 RETURNING id",
        user="old_app",
    )[0][0]
    stage.say("[dim]The old application wrote it and was told nothing. It is recorded:[/dim]")
    stage.show("SELECT key, sqlstate, message FROM pgtandem.failures")
    stage.check(
        "the failure was not recorded",
        stage.query(
            "SELECT count(*) FROM pgtandem.failures WHERE key = jsonb_build_array(%s::uuid)", key
        )[0]
        == (1,),
    )
    stage.show("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT injected")
    stage.quietly("pgtandem retry gear")
    stage.run("pgtandem drain gear")
    stage.check(
        "the failure was not repaired",
        stage.query("SELECT name FROM gear_ops.gear_items WHERE id = %s", key) == [("cursed",)],
    )


def corrupt_and_refuse(stage: Stage) -> None:
    """A row spoilt behind the triggers' back is found, and keeps contract closed.

    It is the cursed one, which no writer owns and so none mends meanwhile.
    """
    stage.say("\nA row spoilt on purpose, behind the triggers' back:")
    key = stage.query(
        "UPDATE gear_ops.gear_items SET brand = 'spoilt' WHERE name = 'cursed' RETURNING id",
        options="-c pgtandem_gear.depth=0",
    )[0][0]
    stage.say(f"   {key}")
    stage.run("pgtandem verify gear --jobs 2", expect=1)
    stage.say("Contract is refused, on data:")
    stage.run("sqitch deploy --to-change gear_contract", expect=2)
    stage.run("pgtandem repair gear --yes")
    stage.compare()


def read_the_old_table(stage: Stage) -> None:
    """Three thousand reads by key in a session of their own, whose counters count when it ends."""
    with psycopg.connect(stage.dsn("old_app"), autocommit=True) as report:
        for key in stage.query("SELECT id FROM user_core.old_equipment LIMIT 3000"):
            report.execute("SELECT name FROM user_core.old_equipment WHERE id = %s", key)


def lost(stage: Stage, writers: list[Any], table: str) -> int:
    """How many of the committed writes a table does not show."""
    held: dict[UUID, str] = dict(stage.query(f"SELECT id, name FROM {table}"))
    missing = object()
    return sum(
        held.get(key, missing) != (missing if name is None else name)
        for writer in writers
        for key, name in writer.ledger.items()
    )


def report(stage: Stage, old: list[Any], new: list[Any]) -> None:
    """The table at the end."""
    for writer in new:
        writer.stop()
    time.sleep(0.2)
    table = Table(title="both applications, from beginning to end")
    for name in ("", "writes", "failed", "tried again", "longest wait"):
        table.add_column(name, justify="left" if not name else "right")
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
        "SELECT source_rows, missing + extra + changed FROM pgtandem.comparison"
        " WHERE scope = 'full' ORDER BY id DESC LIMIT 1"
    )[0]
    table.add_section()
    table.add_row("rows compared", f"{compared:,}")
    table.add_row("differences", str(differences))
    gone = lost(stage, new, "user_core.old_equipment")
    table.add_row("lost writes", str(gone))
    stage.console.print()
    stage.console.print(table)
    stage.check("rows differ", differences == 0)
    stage.check("a write was lost", gone == 0)
    stage.check("an application's write failed", not any(w.failed for w in [*old, *new]))

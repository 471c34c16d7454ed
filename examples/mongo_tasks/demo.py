"""mongo_tasks: three exports of MongoDB become three tables, converge, and take over."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from rich.table import Table
from writers import Writer

if TYPE_CHECKING:
    from stage import Stage

ROWS = 5_000
MAPPINGS = {"users": "users", "tasks": "tasks", "subtasks": "dramatiq_tasks"}
# What a document says and the view of documents does not, both in one form. Where a document lacks
# a field, or it was empty, the view has the default: the new table does not know any more.
UNLIKE = """
SELECT count(*)
FROM staging.{0} AS s
JOIN app.{0}_documents AS d USING (_id)
CROSS JOIN LATERAL jsonb_each(pgtandem.mongo_json(s.document)) AS e
WHERE d.document ? e.key AND d.document -> e.key IS DISTINCT FROM e.value
  AND NOT (e.key = 'id' AND e.value IN ('null', '""'))
"""


class Rater(Writer):
    """The new application, before the switch: it rates subtasks, and nothing else is its own."""

    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        rating = self.random.randrange(1, 6)
        row = connection.execute(
            "UPDATE app.subtasks SET rating = %s, evaluate = %s WHERE id = ("
            "SELECT id FROM app.subtasks WHERE id >= %s ORDER BY id LIMIT 1) RETURNING id",
            (rating, f"{rating} 🌟", uuid4()),
        ).fetchone()
        return {("rating", row[0]): rating} if row else {}


class NewApplication(Writer):
    """The same after the switch: it writes tasks, too."""

    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        name = f"new {self.random.getrandbits(40):x}"
        if self.random.random() < 0.5:
            row = connection.execute(
                "INSERT INTO app.tasks (task_name) VALUES (%s) RETURNING id", (name,)
            ).fetchone()
        else:
            row = connection.execute(
                "UPDATE app.tasks SET task_name = %s, updated_at = now() WHERE id = ("
                "SELECT id FROM app.tasks WHERE id >= %s ORDER BY id LIMIT 1) RETURNING id",
                (name, uuid4()),
            ).fetchone()
        return {("task", row[0]): name} if row else {}


class OldReader(Writer):
    """Whoever still reads documents: a report, a search."""

    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        connection.execute(
            "SELECT document FROM app.tasks_documents WHERE document @> %s",
            (f'{{"priority": {self.random.randrange(1, 11)}}}',),
        ).fetchall()
        return {}


def play(stage: Stage, rows: int) -> None:
    """The whole road, and back."""
    stage.say(
        f"[bold]mongo_tasks[/bold]: about {rows:,} documents of three collections, exported three"
        " times:\nall of them, what was written since, and all of them again. A session of the new"
        " application\nrates subtasks meanwhile, which no export knows of."
    )
    with tempfile.TemporaryDirectory(prefix="mongo_tasks-") as folder:
        move(stage, rows, Path(folder))


def move(stage: Stage, rows: int, folder: Path) -> None:
    """From the first export to the switch and back, with the files in a folder."""
    stage.announce(
        "1 import", "The first export, canonical Extended JSON; bad documents are set aside.",
        "nothing that exists", "DROP SCHEMA staging",
    )  # fmt: skip
    stage.run("pgtandem init")
    export(stage, folder, rows, "first", "canonical")
    stage.show("SELECT line, reason, left(encode(raw, 'escape'), 60) FROM pgtandem.import_bad")

    stage.announce(
        "2 tables, sync, backfill", "Three tables, three mappings over the documents.",
        "the staging tables, some milliseconds", "sqitch revert",
    )  # fmt: skip
    for name in MAPPINGS:
        stage.run(f"sqitch deploy --to-change {name}_sync")
        stage.run(f"pgtandem backfill {name} --jobs 2")
        stage.run(f"sqitch deploy --to-change {name}_backfill")
    rater = Rater("new application", stage.dsn("new_app"), 1)
    stage.start(rater)

    stage.announce(
        "3 verify", "Every row against its document; then the checks of the mapping.",
        "nothing", "nothing to do",
    )  # fmt: skip
    for name in MAPPINGS:
        stage.run(f"pgtandem verify {name}", expect=1)

    stage.announce(
        "4 the second export", "What was written since, in another spelling of Extended JSON.",
        "each row for its own write", "nothing to do: it is the same as at a first import",
    )  # fmt: skip
    export(stage, folder, rows, "second", "v1")
    for name in MAPPINGS:
        stage.run(f"pgtandem drain {name}")
        stage.run(f"pgtandem verify {name}")

    stage.announce(
        "5 the full export", "All there is; what it lacks is deleted. Nothing is found any more.",
        "each row for its own write", "nothing to do",
    )  # fmt: skip
    export(stage, folder, rows, "full", "relaxed")
    for name in MAPPINGS:
        stage.run(f"pgtandem drain {name}")
        stage.run(f"pgtandem verify {name}")
    spoil_and_repair(stage)

    if stage.keep:
        stage.leave(
            "before the switch: three exports imported and compared",
            "pgtandem status users",
            "psql -c 'SELECT document FROM app.tasks_documents LIMIT 3'",
            "psql -c 'SELECT * FROM pgtandem_subtasks.image LIMIT 3'",
            "sqitch deploy                     # the switch; sqitch revert takes it back",
        )
        return
    switch(stage, folder, rater)


def export(stage: Stage, folder: Path, rows: int, which: str, form: str) -> None:
    """Write three files as mongoexport does, and import them."""
    where = folder / which
    stage.run(f"python3 generate.py {which} --documents {rows} --form {form} --into {where}")
    full = " --full" if which == "full" else ""
    for name, collection in MAPPINGS.items():
        stage.run(
            f"pgtandem import mongo {where}/{collection}.json --into staging.{name}{full}",
            expect=1 if which == "first" and name == "users" else 0,
        )


def spoil_and_repair(stage: Stage) -> None:
    """A value spoilt behind the import's back."""
    stage.say(
        "\nA row spoilt on purpose, which no import would mend, as its document is as it was:"
    )
    stage.query("UPDATE app.users SET email = 'spoilt' WHERE id = (SELECT min(id::text)::uuid"
                " FROM app.users)")  # fmt: skip
    stage.run("pgtandem verify users", expect=1)
    stage.run("pgtandem repair users --yes")
    stage.run("pgtandem verify users")


def switch(stage: Stage, folder: Path, rater: Rater) -> None:
    """The new application takes over; whoever reads documents reads the views."""
    stage.announce(
        "6 switch", "The new application writes; no import may write any more.",
        "the staging tables, some milliseconds", "sqitch revert --to-change subtasks_backfill",
    )  # fmt: skip
    stage.run("sqitch deploy")
    for name in MAPPINGS:
        unlike = stage.query(UNLIKE.format(name))[0][0]
        stage.check(f"the view of {name} is not what came in", unlike == 0)
    stage.show("SELECT document FROM app.tasks_documents ORDER BY _id LIMIT 1")
    new = NewApplication("new application", stage.dsn("new_app"), 2)
    reader = OldReader("old readers", stage.dsn("old_app"), 3, pause=0.02)
    stage.start(new, reader)
    stage.say("\nAn import by mistake, after the switch:")
    stage.run(f"pgtandem import mongo {folder}/first/tasks.json --into staging.tasks", expect=2)
    time.sleep(2)
    for writer in (rater, new, reader):
        writer.stop()
    report(stage, [rater, new, reader])

    stage.announce(
        "back", "The switch is taken back: the documents count again.",
        "the staging tables, some milliseconds", "deploy again",
    )  # fmt: skip
    stage.run("sqitch revert -y --to-change subtasks_backfill")
    stage.say("What the new application has written meanwhile is named, and not lost unasked:")
    stage.run("pgtandem verify tasks --limit 3", expect=1)
    stage.run("sqitch revert -y", expect=2)


def report(stage: Stage, writers: list[Writer]) -> None:
    """The table at the end."""
    table = Table(title="all applications, from beginning to end")
    for name in ("", "transactions", "failed", "tried again", "longest wait"):
        table.add_column(name, justify="left" if not name else "right")
    for writer, side in zip(writers, ("ratings", "tasks", "old readers"), strict=True):
        table.add_row(side, f"{writer.writes:,}", str(writer.failed), str(writer.retried),
                      f"{writer.longest * 1000:.0f} ms")  # fmt: skip
        for line in writer.errors[:5]:
            stage.say(f"[red]{line}[/red]")
    compared, differences = stage.query(
        "SELECT sum(source_rows), sum(missing + extra + changed) FROM pgtandem.comparison"
        " WHERE id IN (SELECT max(id) FROM pgtandem.comparison WHERE scope = 'full'"
        " GROUP BY mapping)"
    )[0]
    held = {
        ("rating", key): rating
        for key, rating in stage.query("SELECT id, rating FROM app.subtasks")
    } | {("task", key): name for key, name in stage.query("SELECT id, task_name FROM app.tasks")}
    # Subtasks whose document is gone went with it.
    written = {
        key: value
        for writer in writers
        for key, value in writer.ledger.items()
        if key in held or key[0] == "task"
    }
    gone = sum(held.get(key) != value for key, value in written.items())
    table.add_section()
    table.add_row("documents compared", f"{compared:,}")
    table.add_row("differences", str(differences))
    table.add_row("lost writes", str(gone))
    stage.console.print()
    stage.console.print(table)
    stage.check("rows differ", differences == 0)
    stage.check("a write was lost", gone == 0)
    stage.check("an application's transaction failed", not any(w.failed for w in writers))

"""What every demo stands on: a server, commands that are shown as they run, checks that count."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psycopg
from psycopg import sql
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from writers import Writer

from pgtandem.server import Server

ROOT = Path(__file__).resolve().parent.parent.parent
OWNER = "pgtandem_owner"
SQITCH_NAMES = ("SQITCH_FULLNAME", "SQITCH_EMAIL")
TRIES = 5


class DemoFailedError(Exception):
    """Something was not as announced."""


class Stage:
    """A server with one database, owned by a role that is no superuser, and the writers on it."""

    def __init__(self, name: str, *, keep: bool) -> None:
        self.name = name
        self.project = ROOT / "examples" / name
        self.keep = keep
        self.console = Console(highlight=False)
        self.started = time.monotonic()
        self.writers: list[Writer] = []
        self.failures: list[str] = []
        self.background: list[tuple[str, subprocess.Popen[bytes], IO[bytes]]] = []
        self.state = ""
        self.look: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self.server = Server.start(settings={"max_connections": "60", "shared_buffers": "512MB"})
        try:
            with psycopg.connect(self.server.dsn(), autocommit=True) as admin:
                for role in (OWNER, "old_app", "new_app"):
                    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
                admin.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(OWNER)))
                admin.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(self.name), sql.Identifier(OWNER)
                    )
                )
        except BaseException:
            self.server.stop()
            raise
        return self

    def needs_vector(self) -> None:
        """What a superuser does before vibelife_v5: the extension pgvector, in this database."""
        with psycopg.connect(self.server.dsn(self.name), autocommit=True) as admin:
            admin.execute("CREATE EXTENSION vector SCHEMA public")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for writer in self.writers:
            writer.stop()
        for _, process, _ in self.background:
            process.kill()
            process.wait()
        if self.keep and kind is None:
            self.server.keep()
        else:
            self.server.stop()

    def dsn(self, user: str = OWNER) -> str:
        """A connection string to the demo's database."""
        return self.server.dsn(self.name, user)

    def environment(self) -> dict[str, str]:
        """The variables with which psql, Sqitch and pgtandem find the database, and no other."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "SQITCH_")) and name != "DATABASE_URL"
        }
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PGHOST": str(self.server.socket_dir),
            "PGPORT": str(self.server.port),
            "PGUSER": OWNER,
            "PGDATABASE": self.name,
            "PGOPTIONS": "-c client_min_messages=warning",
            "SQITCH_FULLNAME": "demo",
            "SQITCH_EMAIL": "demo@pgtandem.invalid",
        }

    def say(self, text: str) -> None:
        """A line for the person who watches."""
        self.console.print(text)

    def announce(self, title: str, does: str, locks: str, back: str) -> None:
        """The beginning of a phase: what it does, what it locks, how to go back."""
        elapsed = time.monotonic() - self.started
        body = f"{does}\n[dim]locks[/dim]  {locks}\n[dim]back[/dim]   {back}"
        self.console.print()
        self.console.print(
            Panel(
                body, title=f"[bold]{title}[/bold]", subtitle=f"{elapsed:.0f} s",
                title_align="left", subtitle_align="right", border_style="cyan",
            )
        )  # fmt: skip

    def run(self, command: str, *, expect: int | None = 0) -> int:
        """Show a command and run it in the example's folder; it must exit as expected.

        Returns its exit status; with None, 0 and 1 are both right.
        """
        status = self._show_run(command)
        if status not in ((0, 1) if expect is None else (expect,)):
            raise DemoFailedError(f"{command}: exit status {status}, expected {expect}")
        if expect:
            self.console.print(f"[yellow]exit status {expect}, as it should be[/yellow]")
        return status

    def read(self, command: str, *, expect: int = 0) -> str:
        """Show a command, run it, and return what it says instead of showing it."""
        self.console.print(f"[bold green]$[/bold green] [bold]{command}[/bold]")
        done = subprocess.run(
            shlex.split(command), cwd=self.project, env=self.environment(), check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode != expect:
            raise DemoFailedError(f"{command}: exit status {done.returncode}, expected {expect}")
        return done.stdout

    def run_along(self, command: str) -> None:
        """Show a command and let it run beside the rest, until `end_along` or the end."""
        self.console.print(f"[bold green]$[/bold green] [bold]{command} &[/bold]")
        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end_along
        process = subprocess.Popen(
            shlex.split(command), cwd=self.project, env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
        self.background.append((command, process, said))

    def end_along(self) -> None:
        """End all that runs beside, as Ctrl-C does; whatever ended badly has failed."""
        for _, process, _ in self.background:
            process.terminate()
        for command, process, said in self.background:
            if process.wait(timeout=30) not in (0, 1):
                said.seek(0)
                raise DemoFailedError(f"{command}: {said.read().decode()}")
            said.close()
        self.background.clear()

    def _show_run(self, command: str) -> int:
        self.console.print(f"[bold green]$[/bold green] [bold]{command}[/bold]")
        return subprocess.run(
            shlex.split(command), cwd=self.project, env=self.environment(), check=False,
            stdin=subprocess.DEVNULL,
        ).returncode  # fmt: skip

    def compare(self) -> None:
        """Verify until both sides are equal, draining in between what is no more than queued.

        On a busy machine a write may give way to another, as it should: its key is queued then.
        """
        verify = f"pgtandem verify {self.name} --jobs 2"
        for _ in range(TRIES):
            if self._show_run(verify) == 0:
                return
            if not self._differs_by_queue():
                break
            self.say("[dim]A write had to give way, and its key was queued:[/dim]")
            self.run(f"pgtandem drain {self.name}")
        raise DemoFailedError(f"{verify}: both sides differ")

    def contract(self) -> None:
        """Drain, compare and deploy contract; again, where a key was queued just before it."""
        deploy = f"sqitch deploy --to-change {self.name}_contract"
        for _ in range(TRIES):
            self.run(f"pgtandem drain {self.name}")
            self.compare()
            if self._show_run(deploy) == 0:
                return
            if not self.query("SELECT FROM pgtandem.recheck WHERE side = 'target'"):
                break
            self.say("[dim]A write had to give way just now, and contract saw it:[/dim]")
        raise DemoFailedError(f"{deploy}: it failed")

    def _differs_by_queue(self) -> bool:
        """Whether each key that the last comparison found to differ is in the queue."""
        return self.query(
            "SELECT count(*) > 0 AND bool_and(EXISTS (SELECT FROM pgtandem.recheck AS r"
            " WHERE r.mapping = c.mapping AND r.side = 'target' AND r.key = d.key))"
            " FROM pgtandem.comparison AS c JOIN pgtandem.difference AS d ON d.comparison = c.id"
            " WHERE c.id = (SELECT max(id) FROM pgtandem.comparison)"
        ) == [(True,)]

    def quietly(self, command: str, **variables: str) -> None:
        """Run a command that is no part of the show."""
        done = subprocess.run(
            shlex.split(command), cwd=self.project, env=self.environment() | variables, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise DemoFailedError(f"{command}: {done.stderr}")

    def query(
        self, statement: str, *parameters: Any, user: str = OWNER, options: str = ""
    ) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows, if it has any; `options` as in PGOPTIONS."""
        with psycopg.connect(self.dsn(user), autocommit=True, options=options) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def show(self, statement: str, *parameters: Any) -> None:
        """Show a statement and run it."""
        self.console.print(f"[bold green]=>[/bold green] [bold]{statement}[/bold]")
        for row in self.query(statement, *parameters):
            self.console.print(Padding("  ".join(str(value) for value in row), (0, 0, 0, 3)))

    def check(self, what: str, good: bool) -> None:
        """Something that must be true at the end."""
        if not good:
            self.failures.append(what)

    def start(self, *writers: Writer) -> None:
        """Let writers write until `stop` or the end."""
        self.writers.extend(writers)
        for writer in writers:
            writer.start()

    def finish(self) -> None:
        """Say how it went; a failed check is a failed demo."""
        if self.failures:
            raise DemoFailedError("; ".join(self.failures))
        elapsed = time.monotonic() - self.started
        self.console.print(f"\n[bold green]All of it held.[/bold green] {elapsed:.0f} seconds.")
        if self.keep:
            self.console.print(self.invitation(), soft_wrap=True, markup=False)

    def leave(self, state: str, *look: str) -> None:
        """End here, in a state worth looking at; the applications leave.

        `look`: commands to look at it, each with a comment; those for a contract if none are given.
        """
        self.state = state
        self.look = look or (
            f"pgtandem status {self.name}              # where it is, and what happened",
            f"pgtandem gate {self.name} --contract     # what contract waits for",
            f"psql -c 'SELECT * FROM pgtandem_{self.name}.image LIMIT 5'",
            "sqitch deploy                     # contract; sqitch revert takes it back",
        )
        for writer in self.writers:
            writer.stop()

    def invitation(self) -> str:
        """What to type to look around on a server that stays up."""
        name, ours = self.name, self.environment()
        names = ("PATH", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", *SQITCH_NAMES)
        values = {each: shlex.quote(ours[each]) for each in names}
        values["PATH"] = f"{shlex.quote(str(Path(sys.executable).parent))}:$PATH"
        exports = "".join(f"  export {each}={value}\n" for each, value in values.items())
        return (
            f"\nThe server stays up, {name} in {self.state}. To look around:\n\n"
            f"{exports}  cd {shlex.quote(str(self.project))}\n\n"
            + "".join(f"  {line}\n" for line in self.look)
            + "\nStop it and remove its data:\n\n"
            f"  kill {self.server.keeper_pid}"
        )

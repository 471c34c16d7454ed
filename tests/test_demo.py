"""The demo tells the truth, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers import ROOT

DEMO = [sys.executable, str(ROOT / "tools" / "demo"), "gear"]
NAMES = sorted(path.parent.name for path in ROOT.glob("examples/*/demo.py"))


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"ROWS": "500", "KEEP": ""} | variables


def family(pid: int) -> list[psutil.Process]:
    """A process with all that it started; the server's keeper is among them."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def all_gone(processes: list[psutil.Process], within: float = 20) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within)
    return not alive


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_whole_road_holds(name: str) -> None:
    done = subprocess.run(
        [*DEMO[:2], name], env=environment(), capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it held." in done.stdout
    assert re.search(r"differences +│ +0 │", done.stdout)
    assert re.search(r"lost writes +│ +0 │", done.stdout)
    refused = "it is not proven|not met|stay: changed since|are closed"
    assert re.search(refused, done.stdout + done.stderr)


# What each has begun by then: both applications write, and a worker runs along.
BEGUN = {"gear": "gear_sync .. ok", "vibelife_v5": "--follow"}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("gear", signal.SIGINT),
        ("gear", signal.SIGTERM),
        ("gear", signal.SIGKILL),
        ("vibelife_v5", signal.SIGKILL),
    ],
)
def test_nothing_is_left_behind(name: str, how: signal.Signals) -> None:
    demo = subprocess.Popen(
        [*DEMO[:2], name], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert demo.stdout
    for line in demo.stdout:
        if BEGUN[name] in line:
            break
    running = family(demo.pid)
    assert any("postgres" in process.name() for process in running)
    demo.send_signal(how)
    demo.stdout.read()
    assert demo.wait(timeout=30) == (130 if how is not signal.SIGKILL else -signal.SIGKILL)
    assert all_gone(running)


@pytest.mark.parametrize("rows", ["many", "-5", "1e6", "7"])
def test_a_number_of_rows_that_is_none(rows: str) -> None:
    done = subprocess.run(
        DEMO, env=environment(ROWS=rows), capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ROWS={rows} is no number of rows; write 100 or more.\n"


def test_a_failing_step_is_a_failing_demo(tmp_path: Path) -> None:
    (tmp_path / "sqitch").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "sqitch").chmod(0o755)
    done = subprocess.run(
        DEMO, env=environment(PATH=f"{tmp_path}:{os.environ['PATH']}"),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "DEMO FAILED" in done.stderr


@pytest.mark.slow
def test_keep_leaves_the_server_up_and_says_how_to_end_it() -> None:
    done = subprocess.run(
        DEMO, env=environment(KEEP="1"), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    invitation = done.stdout.partition("The server stays up, ")[2]
    assert invitation.startswith("gear in phase backfill: synced both ways, every row copied")
    keeper = re.search(r"^  kill (\d+)$", invitation, re.MULTILINE)[1]  # type: ignore[index]
    host = re.search(r"^  export PGHOST=(\S+)$", invitation, re.MULTILINE)[1]  # type: ignore[index]
    typed = "".join(
        f"{line}\n"
        for line in invitation.splitlines()
        if line.startswith("  ") and "kill" not in line
    )
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        # What it says to type works as it stands, in a shell that knows nothing.
        seen = subprocess.run(
            ["bash", "-e", "-c", typed], env=clean, capture_output=True, text=True, check=False,
            cwd="/", timeout=60,
        )  # fmt: skip
        assert seen.returncode in {0, 1}, seen.stderr
        assert re.search(r"^copy +complete$", seen.stdout, re.MULTILINE), seen
        assert re.search(r"^differences +0$", seen.stdout, re.MULTILINE), seen
        assert "copy_complete" in seen.stdout
    finally:
        running = family(int(keeper))
        os.kill(int(keeper), signal.SIGTERM)
    assert all_gone(running)
    time.sleep(0.1)
    assert not Path(host).exists()

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
import psycopg
import pytest

from helpers import ROOT

DEMO = [sys.executable, str(ROOT / "tools" / "demo"), "gear"]


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
def test_the_whole_road_holds() -> None:
    done = subprocess.run(
        DEMO, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it held." in done.stdout
    assert re.search(r"differences +│ +0 │", done.stdout)
    assert re.search(r"lost writes +│ +0 │", done.stdout)
    assert "it is not proven" in done.stdout + done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(how: signal.Signals) -> None:
    demo = subprocess.Popen(
        DEMO, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert demo.stdout
    for line in demo.stdout:
        if "gear_sync .. ok" in line:  # both applications write by now
            break
    running = family(demo.pid)
    assert any("postgres" in process.name() for process in running)
    demo.send_signal(how)
    demo.stdout.read()
    assert demo.wait(timeout=30) == (130 if how is not signal.SIGKILL else -signal.SIGKILL)
    assert all_gone(running)


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
    told = " ".join(done.stdout.split())
    found = re.search(r"psql -h (\S+) -p (\d+) .* kill (\d+)", told)
    assert found, told
    host, port, keeper = found.groups()
    try:
        with psycopg.connect(f"host={host} port={port} user=pgtandem_owner dbname=gear") as db:
            row = db.execute("SELECT count(*) FROM pgtandem.event").fetchone()
            assert row
            assert row[0] > 10
    finally:
        running = family(int(keeper))
        os.kill(int(keeper), signal.SIGTERM)
    assert all_gone(running)
    time.sleep(0.1)
    assert not Path(host).exists()

"""tools/bootstrap on machines that lack things, acted by stand-ins for the system's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import ROOT

PACKAGES = [
    "sqitch", "libdbd-pg-perl", "postgresql-client-15", "postgresql-15-pgtap",
    "libtap-parser-sourcehandler-pgtap-perl", "postgresql-15", "postgresql-15-plpgsql-check",
]  # fmt: skip


class Machine:
    """A PATH with stand-ins first; commands that would change something are only printed."""

    def __init__(self, path: Path) -> None:
        self.bin = path / "bin"
        self.bin.mkdir()
        self.release = path / "os-release"
        self.system(codename="bookworm", packages=PACKAGES, user=0, sudo=False)
        self.program("promtool", "exit 99\n")

    def program(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text("#!/bin/sh\n" + text)
        file.chmod(0o755)

    def system(self, codename: str, packages: list[str], user: int, sudo: bool) -> None:
        self.release.write_text(f"VERSION_CODENAME={codename}\n")
        listed = " | ".join(packages) or "none"
        self.program("dpkg-query", f'case "$3" in {listed}) echo installed ;; *) exit 1 ;; esac\n')
        self.program("id", f"echo {user}\n")
        self.program("sudo", f'[ "$1" = -n ] && exit {0 if sudo else 1}\nexit 99\n')

    def bootstrap(self, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [checkout / "tools" / "bootstrap"],
            env=os.environ | {
                "PATH": f"{self.bin}:{os.environ['PATH']}", "BOOTSTRAP_DRY_RUN": "1",
                "OS_RELEASE": str(self.release),
            },
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_where_all_is_there_nothing_is_run(machine):
    done = machine.bootstrap()
    assert done.returncode == 0
    assert "apt-get" not in done.stdout
    assert "Debian" not in done.stderr


def test_root_installs_what_is_missing_without_a_cluster(machine):
    machine.system("bookworm", PACKAGES[2:5], user=0, sudo=False)
    done = machine.bootstrap()
    assert done.returncode == 0
    commands = done.stdout.splitlines()
    assert "apt-get -qq update" in commands[0]
    assert "create_main_cluster = false" in commands[2]
    assert commands[3].endswith(
        "--no-upgrade sqitch libdbd-pg-perl postgresql-15 postgresql-15-plpgsql-check"
    )
    assert "rm -f" in commands[4]
    assert "deploys, verifies and reverts every change" in done.stderr


def test_a_user_with_sudo_uses_it(machine):
    machine.system("bookworm", [], user=1000, sudo=True)
    done = machine.bootstrap()
    assert done.returncode == 0
    assert all(line.startswith("would run: sudo ") for line in done.stdout.splitlines()[:5])


def test_a_user_without_sudo_is_given_the_line(machine):
    machine.system("bookworm", PACKAGES[1:], user=1000, sudo=False)
    done = machine.bootstrap()
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        "apt-get update && apt-get install -y --no-install-recommends sqitch"
    )


def test_another_debian_gets_its_own_postgresql(machine):
    machine.system("trixie", [], user=0, sudo=False)
    assert "postgresql-17 postgresql-17-plpgsql-check" in machine.bootstrap().stdout


def test_another_system_is_sent_to_the_readme(machine):
    machine.system("nonesuch", [], user=0, sudo=False)
    machine.program("bash", 'exec /bin/bash "$@"\n')
    for name in ("dirname", "python3", "cat", "cksum"):
        machine.program(name, f'exec {shutil.which(name)} "$@"\n')
    done = subprocess.run(
        ["/bin/bash", ROOT / "tools" / "bootstrap"],
        env={"PATH": str(machine.bin), "OS_RELEASE": str(machine.release)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "README.md" in done.stderr


def test_promtool_is_taken_out_of_its_package(machine, tmp_path):
    if shutil.which("promtool"):
        pytest.skip("this machine has one of its own")
    (machine.bin / "promtool").unlink()
    elsewhere = tmp_path / "checkout"
    (elsewhere / "tools").mkdir(parents=True)
    for name in ("tools/bootstrap", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, elsewhere / name)
    done = machine.bootstrap(elsewhere)
    assert done.returncode == 0, done.stderr
    assert "promtool, which tests monitoring/*.yml, into .cache." in done.stderr
    assert "download prometheus" in done.stdout
    assert "install" not in done.stdout.partition("-m venv")[0]  # it would start a server

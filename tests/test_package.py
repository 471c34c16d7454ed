"""The wheel: what `pip install .` gives to somebody who has no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers import ROOT, planned


def python(*arguments: str | Path, **options: object) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", place, ROOT)
    return next(place.glob("*.whl"))


def test_the_engine_and_the_templates_are_in_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for change in planned(ROOT):
        for folder in ("deploy", "revert", "verify"):
            assert f"pgtandem/_project/{folder}/{change}.sql" in names
    travelling = [
        *(path for path in (ROOT / "triggers").rglob("*") if path.is_file()),
        *(ROOT / "tools" / "pgtandem" / "templates").rglob("*.j2"),
        *(ROOT / "tools" / "pgtandem" / "queries").glob("*.sql"),
    ]
    for path in travelling:
        inside = str(path.relative_to(ROOT)).replace("tools/pgtandem/", "pgtandem/")
        inside = inside.replace("triggers/", "pgtandem/_project/triggers/")
        assert inside in names
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_an_installed_command_finds_them(wheel, tmp_path):
    python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", tmp_path, wheel)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    program = "from pgtandem import paths, sqitch; print(paths.project(), *sqitch.plan().values())"
    project, *changes = python("-c", program, env=environment, cwd=tmp_path).split()
    assert project == str(tmp_path / "pgtandem" / "_project")
    assert changes == planned(ROOT)
    said = python("-m", "pgtandem", "--version", env=environment, cwd=tmp_path)
    assert said.startswith("pgtandem ")

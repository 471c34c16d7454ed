"""Every change has its four files under one stem, and no file is left without a change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import ROOT, planned

PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("examples/*/sqitch.plan"))]


def stems(folder: Path) -> set[str]:
    """The changes that a folder has scripts for; `change@tag` is an older form of a change."""
    return {path.stem.split("@")[0] for path in folder.glob("*.sql")}


def folder_of_tests(project: Path) -> Path:
    return project / "tests" / "sql" if project == ROOT else project / "tests"


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
@pytest.mark.parametrize("folder", ["deploy", "revert", "verify", "tests"])
def test_each_change_has_its_file_and_each_file_its_change(project, folder):
    where = folder_of_tests(project) if folder == "tests" else project / folder
    changes = set(planned(project))
    assert changes, "the plan is empty"
    assert stems(where) - changes == set(), f"{folder}/ has files that no change in the plan has"
    assert changes - stems(where) == set(), f"{folder}/ lacks the files of these changes"


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_no_two_deploy_scripts_are_the_same(project):
    scripts = list((project / "deploy").glob("*.sql"))
    assert len({script.read_text() for script in scripts}) == len(scripts)


@pytest.mark.parametrize("change", planned(ROOT))
def test_each_public_routine_of_the_engine_is_tested(change):
    created = re.findall(
        r"^CREATE (FUNCTION|PROCEDURE) pgtandem\.([a-z]\w*)",
        (ROOT / "deploy" / f"{change}.sql").read_text(),
        re.MULTILINE,
    )
    # Procedures commit, so pgTAP cannot call them.
    in_sql = (folder_of_tests(ROOT) / f"{change}.sql").read_text()
    in_python = (ROOT / "tests" / "test_routines.py").read_text()
    untested = [
        name
        for kind, name in created
        if not re.search(rf"\b{name}\b", in_sql + (in_python if kind == "PROCEDURE" else ""))
    ]
    assert untested == []


def test_the_lock_names_no_index_and_no_path():
    lock = (ROOT / "requirements.lock").read_text()
    for word in ("http:", "https:", "file:/", "--index", "--extra-index", "--find-links", " @ "):
        assert word not in lock

"""The house style, as far as it can be checked by reading the scripts (CONTRIBUTING.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import ROOT, planned
from pgtandem.fold import WIDTH, spans
from pgtandem.render import PHASES

MAPPINGS = sorted(ROOT.glob("examples/*/mappings/*.yml"))
KINDS = ("deploy", "revert", "verify")
SCRIPTS = [
    *(path for kind in KINDS for path in sorted((ROOT / kind).glob("*.sql"))),
    *sorted((ROOT / "examples").rglob("*.sql")),
    *sorted((ROOT / "tests").glob("*.sql")),
    *sorted((ROOT / "tests" / "sql").glob("*.sql")),
]
ROUTINE = re.compile(r"^AS (\$\w*\$)\n(.*?)^\1", re.MULTILINE | re.DOTALL)
LOWER = re.compile(
    r"\b(select|insert into|update|delete from|where|order by|group by|create|drop|alter|begin|"
    r"commit|returns|language (?:sql|plpgsql)|raise|perform|end if|end loop|elsif)\b"
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(path: Path) -> str:
    """A script with its comments, literals and quoted names blanked out."""
    text = path.read_text()
    for span in spans(text, ""):
        text = text[: span.start] + " " * (span.end - span.start) + text[span.end :]
    return text


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_lines_are_short_and_clean(path):
    for number, line in enumerate(path.read_text().split("\n"), 1):
        assert len(line) <= WIDTH, f"line {number} has {len(line)} columns"
        assert line == line.rstrip(), f"line {number} ends with white space"
        assert "\t" not in line, f"line {number} has a tab"


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_keywords_are_upper_case(path):
    assert LOWER.findall(code(path)) == []


# A rendered routine grows with the columns of its mapping; gear's show that a template is short.
WIDE = [
    *(ROOT / "examples" / "unified_profiles").glob("*/unified_profiles_*.sql"),
    *(ROOT / "examples" / "mongo_tasks").glob("*/*_sync.sql"),
    *(ROOT / "examples" / "mongo_tasks").glob("*/*_expand.sql"),
]


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path not in WIDE], ids=relative)
def test_no_routine_is_longer_than_150_lines(path):
    for _, body in ROUTINE.findall(path.read_text()):
        assert body.count("\n") < 150


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", planned(ROOT))
def test_scripts_of_the_engine_say_what_they_are(kind, change):
    word = {"deploy": "Deploy", "revert": "Revert", "verify": "Verify"}[kind]
    preposition = {"deploy": "to", "revert": "from", "verify": "on"}[kind]
    script = (ROOT / kind / f"{change}.sql").read_text()
    assert script.startswith(f"-- {word} pgtandem:{change} {preposition} pg\n")
    head = script.partition("\nBEGIN")[0]
    if kind == "deploy":
        assert "\n-- Locks " in head
        plan = (ROOT / "sqitch.plan").read_text()
        needs = re.search(rf"^{change} \[([^]]*)\]", plan, re.MULTILINE)
        assert re.findall(r"^-- requires: (\w+)$", head, re.MULTILINE) == (
            needs[1].split() if needs else []
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.stem)
def test_rendered_scripts_have_a_header(kind, mapping):
    project = mapping.parent.parent
    phases = {f"{mapping.stem}_{phase}" for phase in PHASES}
    rendered = [change for change in planned(project) if change in phases]
    assert len(rendered) >= 3
    for change in rendered:
        check_header(kind, project, mapping.stem, change)


def check_header(kind: str, project: Path, name: str, change: str) -> None:
    script = (project / kind / f"{change}.sql").read_text()
    head = [line for line in script.split("\n\n")[0].splitlines() if line != "--"]
    assert re.match(rf"-- {kind.capitalize()} {project.name}:{change} (to|from|on) pg$", head[0])
    text = "\n".join(head)
    assert f'-- Rendered by pgtandem 0.1.0 from the mapping "{name}", SHA-256 ' in text
    assert '-- Change the mapping and render again, not this file: "pgtandem render' in text
    assert re.search(r"^-- Locks: .", text, re.MULTILINE)


@pytest.mark.parametrize("path", sorted(ROOT.glob("deploy/*.sql")), ids=relative)
def test_a_file_of_the_engine_is_one_family(path):
    assert path.read_text().count("\n") <= 400

"""What the documentation says is so: error codes, links, settings."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from helpers import ROOT
from pgtandem import model, render, spec
from pgtandem.cli import cli

CODE = re.compile(r"\bTD\d{3}\b")
FOLDERS = ("deploy", "triggers", "tools/pgtandem/templates", "examples")
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *ROOT.glob("examples/*/*.md"),
    *ROOT.glob("monitoring/*.md"),
]


def raised() -> set[str]:
    """The codes that stand in a script or template as a SQLSTATE, not only in a comment."""
    found: set[str] = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.sql*"):
            found.update(re.findall(r"(?:ERRCODE = |ELSE )'(TD\d{3})'", path.read_text()))
    return found


def test_the_page_of_errors_lists_exactly_the_codes_that_are_raised():
    listed = re.findall(r"^\| (TD\d{3}) \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed)), "a code is listed twice"
    assert set(listed) == raised()


def test_no_script_and_no_page_speaks_of_a_code_that_is_never_raised():
    known = raised() | {"TD900"}
    scripts = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.sql*")]
    python = (ROOT / "tools").rglob("*.py")
    for path in [*scripts, *python, *PAGES]:
        unknown = set(CODE.findall(path.read_text())) - known
        assert unknown == set(), path.relative_to(ROOT)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        where = (page.parent / name).resolve() if name else page
        assert where.exists(), link
        if anchor:
            assert anchor in anchors(where), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    known = set(cli.list_commands(click.Context(cli)))
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for command in re.findall(r"^\$ .*?\bpgtandem (\w+)", block, re.MULTILINE):
            assert command in known, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_exist(page):
    context = click.Context(cli)
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            for words in re.findall(r"\bpgtandem ([a-z][^;&|#]*)", line):
                command, *arguments = words.split()
                found = cli.get_command(context, command)
                if isinstance(found, click.Group):
                    found = found.get_command(context, arguments[0])
                assert found, words
                known = {name for each in found.get_params(context) for name in each.opts}
                used = {each.partition("=")[0] for each in arguments if each.startswith("--")}
                assert used <= known, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_whole_mappings_are_valid(page, tmp_path):
    for block in re.findall(
        r"^```yaml\n(mapping: .*?)^```", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        path = tmp_path / "mapping.yml"
        path.write_text(block)
        assert render.scripts(spec.load(path), "docs")


def test_every_key_of_a_mapping_is_explained():
    text = (ROOT / "docs/mapping.md").read_text()
    schema = model.Document.model_json_schema(by_alias=True)
    parts = [schema, *schema["$defs"].values()]
    keys = {key for part in parts for key in part.get("properties", {})}
    assert {key for key in keys if f"`{key}" not in text and f"## {key}" not in text} == set()

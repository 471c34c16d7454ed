"""Rendered scripts are folded to 100 columns without a change of what they say."""

from __future__ import annotations

import re

import pytest

import mappings
from helpers import ROOT
from pgtandem import fold, render, spec


def words(script: str) -> str:
    """A script without white space and the marks of remarks, cut literals put together again."""
    return re.sub(r"\s+|--", "", re.sub(r"'\s*\n\s*'", "", script))


EXAMPLES = sorted(ROOT.glob("examples/*/mappings/*.yml"))


@pytest.mark.parametrize(
    "path", [*EXAMPLES, mappings.NASTY / "mapping.yml"], ids=lambda path: path.parent.parent.name
)
def test_a_rendered_script_says_the_same_when_folded(path, monkeypatch):
    mapping = spec.load(path)
    folded = render.scripts(mapping, "testing")
    monkeypatch.setattr(render, "fold", lambda script, foreign: script)
    for name, script in render.scripts(mapping, "testing").items():
        assert words(folded[name]) == words(script), name
    text = mapping.document.model_dump_json(by_alias=True)
    for script in folded.values():
        assert fold.fold(script, text) == script, "folding twice changes something"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_line_of_an_example_is_too_long(path):
    for script in render.scripts(spec.load(path), path.stem).values():
        assert max(map(len, script.splitlines())) <= fold.WIDTH


LONG = "x" * 30


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("short, line", ["short, line"]),
        (
            f"    SELECT {LONG}, {LONG}, {LONG}, {LONG}",
            [f"    SELECT {LONG}, {LONG},", f"        {LONG}, {LONG}"],
        ),
        (
            f"    PERFORM f({LONG}, {LONG}, {LONG}, {LONG})",
            [f"    PERFORM f({LONG}, {LONG},", f"              {LONG}, {LONG})"],
        ),
        (
            f"WHERE {LONG} = {LONG} AND {LONG} = {LONG}",
            [f"WHERE {LONG} = {LONG}", f"    AND {LONG} = {LONG}"],
        ),
        # ... before IS DISTINCT FROM as a whole, not at the second argument of nullif ...
        (
            f"    OR nullif({LONG}, 'null') IS DISTINCT FROM nullif({LONG}, 'null')",
            [f"    OR nullif({LONG}, 'null')", f"        IS DISTINCT FROM nullif({LONG}, 'null')"],
        ),
        # ... and where there is neither comma nor keyword, at any space.
        (f"    {LONG} || {LONG} || {LONG}+", [f"    {LONG} || {LONG} ||", f"        {LONG}+"]),
        # A literal, a name, a comment and a foreign dollar quote stay in one piece ...
        (f"'{LONG},' || '{LONG}, {LONG}, {LONG}, {LONG}'", None),
        (f'SELECT "{LONG}, {LONG}, {LONG}, {LONG}"', None),
        (f"SELECT $x${LONG}, {LONG}, {LONG}, {LONG}$x$", None),
        (f"SELECT  E'{LONG}, \\', {LONG}, {LONG}, {LONG}'", None),
        # ... but a literal that alone is too long is cut at a space.
        (
            f"    '{LONG} it''s {LONG} {LONG} {LONG}'",
            [f"    '{LONG} it''s {LONG} '", f"    '{LONG} {LONG}'"],
        ),
    ],
)
def test_where_a_line_is_broken(line, folded):
    lines = fold.fold(line, "$x$").split("\n")
    if folded is None:
        assert words("\n".join(lines)) == words(line)
        assert not any(re.fullmatch(rf"\s*{LONG}.*", each) for each in lines)
    else:
        assert lines == folded


def test_a_foreign_literal_over_several_lines_is_left_alone():
    script = f"SELECT 'a\n{LONG}, {LONG}, {LONG}, {LONG}\nb', 1"
    assert fold.fold(script) == script


def test_a_comment_is_filled_anew():
    script = f"COMMENT ON x IS\n    '{LONG} {LONG} {LONG} {LONG} '\n    'and more.';\n"
    assert fold.fold(script) == (
        f"COMMENT ON x IS\n    '{LONG} {LONG} {LONG} '\n    '{LONG} and more.';\n"
    )


def test_a_remark_is_filled_from_its_long_line_on():
    script = f"-- a\n--\n  -- b\n  -- {LONG} {LONG} {LONG} {LONG}\n  -- c\n  -- d\n\n-- e\n"
    assert fold.fold(script) == (
        f"-- a\n--\n  -- b\n  -- {LONG} {LONG} {LONG}\n  -- {LONG} c\n  -- d\n\n-- e\n"
    )


def test_a_literal_that_looks_like_a_remark_is_left_alone():
    script = f"SELECT '\n-- {LONG} {LONG} {LONG} {LONG}\n'"
    assert fold.fold(script) == script

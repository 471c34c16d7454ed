"""How results look: whole keys on a narrow terminal, a line for each row on a wide one."""

from __future__ import annotations

import os
import re
import subprocess
from io import StringIO

import click
import psycopg
import pytest
from click.testing import CliRunner
from rich.console import Console

from command_line import PGTANDEM, Gear, pgtandem
from helpers import ROOT, environment
from pgtandem import cli, output

KEY = '["000085a4-5e6a-4c61-8a4e-1d7e5b0f2c33"]'
HEADINGS = ("key", "differs", "column", "old", "new")
ROW = (KEY, "changed", "brand", '"Ünal & Søn"', "NULL")


def shown(width: int, *rows: tuple[object, ...]) -> list[str]:
    console = Console(width=width, file=StringIO())
    console.print(output.Listing(HEADINGS, rows))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_rows_are_a_table_where_there_is_room():
    assert shown(100, ROW, ROW) == [
        f"{'key':40}  differs  column  old           new",
        f'{KEY}  changed  brand   "Ünal & Søn"  NULL',
        f'{KEY}  changed  brand   "Ünal & Søn"  NULL',
    ]


def test_rows_are_a_line_for_each_value_where_there_is_none():
    row = ("", "", "missing", "", "")  # what is empty takes no line
    assert shown(20, row) == ["column  missing"]
    record = [
        f"key      {KEY}", "differs  changed", "column   brand", 'old      "Ünal & Søn"',
        "new      NULL",
    ]  # fmt: skip
    assert shown(60, ROW, ROW) == [*record, "", *record]


def test_text_of_the_database_is_shown_as_it_is(capsys):
    output.say("[bold]:x: https://x.invalid/[/bold]")
    assert capsys.readouterr().out == "[bold]:x: https://x.invalid/[/bold]\n"


def test_no_line_is_filled_with_spaces(capsys):
    output.print_table(HEADINGS, [ROW, ("", "", "", "", "")])
    output.print_to_do([("engine", "pgtandem init")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert lines[-2:] == ["To do:", "  engine  pgtandem init"]


def test_only_the_last_column_is_wrapped():
    console = Console(width=40, file=StringIO())
    console.print(output.Listing(("", ""), [("condition", "one two three four five six seven")]))
    assert isinstance(console.file, StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == [
        "condition  one two three four five six", "           seven",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 160])
def test_progress_keeps_name_percent_and_reason(width):
    console = Console(width=width, file=StringIO(), force_terminal=True, no_color=True)
    name = "backfill " + 41 * "m"
    words = "123,456,789 rows, 54,736/s, 1:02:03 to go, 16 workers, waits for 3 older transactions"
    with output.Meter(console, name) as meter:
        meter.show(43.2, words)
        meter._progress.refresh()
    text = click.unstyle(console.file.getvalue())
    shown = next(line for line in re.split(r"[\r\n]+", text) if "43.2 %" in line)
    assert name in shown
    assert "━" in shown
    assert len(shown) <= width
    assert words in " ".join(text.split())


@pytest.mark.parametrize("name", cli.cli.list_commands(click.Context(cli.cli)))
def test_no_description_is_cut_in_80_columns(name):
    text = CliRunner().invoke(cli.cli, ["--help"], terminal_width=78).output
    line = next(line for line in text.splitlines() if line.split()[:1] == [name])
    assert line.endswith("."), line
    assert not line.endswith("...")


def in_a_terminal(width: int, *arguments: str, dsn: str) -> list[str]:
    """What a command shows on a terminal of so many columns, without its colours."""
    ours, theirs = os.openpty()
    done = subprocess.Popen(
        [PGTANDEM, *arguments, "--dsn", dsn], cwd=ROOT, stdout=theirs, stderr=subprocess.DEVNULL,
        env=environment(dsn) | {"COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    pieces = []
    try:
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    except OSError:  # as Linux reports the end of a terminal
        pass
    os.close(ours)
    done.wait()
    text = b"".join(pieces).decode()
    return [line.rstrip() for line in click.unstyle(text).replace("\r", "").splitlines()]


@pytest.fixture
def damaged(filled_dsn):
    """gear, copied, with a row that differs and a key that failed; the connection string."""
    with psycopg.connect(filled_dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.backfill('gear')")
    Gear(filled_dsn).unseen(
        "UPDATE gear_ops.gear_items SET brand = repeat('spoilt ', 5)"
        " WHERE id = (SELECT min(id::text)::uuid FROM gear_ops.gear_items)"
    )
    pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    return filled_dsn


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize(
    "arguments",
    [
        ("status",), ("status", "gear"), ("verify", "gear"), ("repair", "gear", "--dry-run"),
        ("gate", "gear"), ("gate", "gear", "--contract"), ("doctor",),
    ],
)  # fmt: skip
def test_nothing_is_cut_and_no_line_is_wider(damaged, arguments, width):
    lines = in_a_terminal(width, *arguments, dsn=damaged)
    found = in_a_terminal(10_000, *arguments, dsn=damaged)
    key = Gear(damaged).value("SELECT '[\"' || min(id::text) || '\"]' FROM gear_ops.gear_items")
    for line in lines:
        assert len(line) <= width, line
    # Every word is there, whole; a value of more than the width has no spaces to be wrapped at.
    words = {word for line in lines for word in line.split()}
    wanted = {word for line in found for word in line.split() if word[:2].isalpha()}
    assert wanted - words <= {each for each in wanted if ":" in each or each.isdigit()}
    if arguments[0] in {"verify", "repair"}:
        assert any(key in line for line in lines)

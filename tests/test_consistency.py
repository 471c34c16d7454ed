"""The consistency report: its published schema, real reports, and never half a file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from command_line import Gear, as_json, pgtandem
from helpers import ROOT
from mappings import build, nasty
from pgtandem import consistency
from pgtandem.cli import cli
from pgtandem.errors import PgtandemError

PUBLISHED = ROOT / "docs" / "consistency-report.schema.json"


def read(path: Path) -> Any:
    """A report, which must be of the published form."""
    document = json.loads(path.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(
        json.loads(PUBLISHED.read_text(encoding="utf-8")),
        format_checker=jsonschema.FormatChecker(),
    )
    validator.validate(document)
    assert document["version"] == 1
    return document


def test_the_published_schema_is_ours() -> None:
    out, _ = pgtandem_without_database("schema", "--report")
    assert PUBLISHED.read_text(encoding="utf-8") == out, "pgtandem schema --report > docs/..."
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def pgtandem_without_database(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0
    return result.stdout, result.stderr


@pytest.fixture
def gear(filled_dsn: str) -> Gear:
    gear = Gear(filled_dsn)
    gear.rows("CALL pgtandem.backfill('gear')")
    return gear


def test_equal_and_different(filled_dsn: str, gear: Gear, tmp_path: Path) -> None:
    path = tmp_path / "consistency-report.json"
    out, err = pgtandem("verify", "gear", "--report", path, dsn=filled_dsn)
    assert out.startswith("gear: equal. ")
    assert err == ""
    document = read(path)
    assert document["equal"]
    assert document["complete"]
    assert document["source_rows"] == document["target_rows"] == 3000
    assert document["comparison"] == gear.value("SELECT max(id) FROM pgtandem.comparison")
    assert document["hash"] == gear.value("SELECT hash FROM pgtandem.mapping")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~current_umask()
    assert names(tmp_path) == [path.name]

    gear.unseen(
        "UPDATE gear_ops.gear_items SET brand = 'spoilt', category = NULL"
        " WHERE id IN (SELECT id FROM gear_ops.gear_items ORDER BY id LIMIT 30)"
    )
    # What was there stays, and nothing is compared.
    before = path.read_text()
    _, err = pgtandem("verify", "gear", "--report", path, dsn=filled_dsn, code=2)
    assert f"Error: {path} exists already." in err
    assert "--force" in err
    assert path.read_text() == before
    assert gear.value("SELECT count(*) FROM pgtandem.comparison") == 1

    shown = as_json(
        "verify", "gear", "--report", path, "--force", "--limit", 1, dsn=filled_dsn, code=1
    )
    document = read(path)
    assert not document["equal"]
    assert document["complete"]
    assert document["changed"] == 30
    # The limit is for people.
    assert len(shown["differences"]) == 1
    assert len({each["key"][0] for each in document["differences"]}) == 30
    assert {each["column"] for each in document["differences"]} >= {"brand"}
    same = {"mapping", "scope", "equal", "missing", "extra", "changed", "snapshot", "seconds"}
    assert {key: document[key] for key in same} == {key: shown[key] for key in same}


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_odd_names_areas_and_a_sample(dsn: str, tmp_path: Path) -> None:
    build(dsn, *nasty())
    rows = Gear(dsn).value('SELECT count(*) FROM "Old Schema ""x"""."select"')
    path = tmp_path / "it's %I \u00f6.json"
    pgtandem("verify", "nasty", "--report", path, dsn=dsn, code=1)
    document = read(path)
    assert 0 < document["missing"] <= rows
    assert [area["area"] for area in document["areas"]] == ["100 % \"$$\" '\u00f6'", "place", None]
    assert all(len(each["key"]) == 2 for each in document["differences"])
    pgtandem("verify", "nasty", "--report", path, "--force", "--area", "place", dsn=dsn, code=1)
    assert not read(path)["complete"]
    Gear(dsn).rows("CALL pgtandem.backfill('nasty')")
    pgtandem("verify", "nasty", "--report", path, "--force", "--sample", 5, dsn=dsn)
    assert read(path)["scope"] == "sample"


def test_what_is_wrong(filled_dsn: str, tmp_path: Path) -> None:
    for arguments, message in (
        (["--report", tmp_path / "no" / "r.json"], f"There is no directory {tmp_path / 'no'}."),
        (["--report", tmp_path], f"{tmp_path} is a directory."),
        (["--force"], "--force is for --report."),
    ):
        out, err = pgtandem("verify", "gear", *arguments, dsn=filled_dsn, code=2)
        assert out == ""
        assert message in err
    assert Gear(filled_dsn).value("SELECT count(*) FROM pgtandem.comparison") == 0
    assert names(tmp_path) == []
    # A comparison that fails leaves no file.
    Gear(filled_dsn).rows("DROP TABLE gear_ops.gear_items CASCADE")
    pgtandem("verify", "gear", "--report", tmp_path / "r.json", dsn=filled_dsn, code=2)
    assert names(tmp_path) == []


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def some_report() -> consistency.Report:
    return consistency.Report.model_validate(
        {
            "version": 1, "pgtandem": "0", "mapping": "m", "hash": "0" * 64, "comparison": None,
            "scope": "full", "equal": True, "source_rows": 0, "target_rows": 0, "missing": 0,
            "extra": 0, "changed": 0, "queued": 0, "areas": [], "seconds": 0, "snapshot": "1:1:",
            "started_at": "2026-11-25T03:00:00Z", "complete": True, "differences": [],
        }
    )  # fmt: skip


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    consistency.require_new(path, force=False)
    path.write_text("somebody else's")
    with pytest.raises(PgtandemError, match="exists already"):
        consistency.write(path, some_report(), force=False)
    assert path.read_text() == "somebody else's"
    assert names(tmp_path) == [path.name]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    path.write_text("the report of yesterday")

    def fails(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        consistency.write(path, some_report(), force=True)
    assert path.read_text() == "the report of yesterday"
    assert names(tmp_path) == [path.name]

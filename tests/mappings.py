"""Any mapping as a database: the old system's SQL, then the phases as they are rendered from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from helpers import ROOT, psql
from pgtandem import render, spec

NASTY = ROOT / "tests" / "nasty"
PROJECT = "testing"  # the name of the Sqitch project in the scripts' headers


@dataclass(frozen=True)
class Built:
    """A mapping whose scripts can be run against one database, one phase at a time.

    Attributes:
        dsn: the database, as its owner.
        mapping: the mapping, resolved.
        directory: where deploy/, revert/ and verify/ are.
    """

    dsn: str
    mapping: spec.Mapping
    directory: Path

    def _run(self, kind: str, phase: str) -> None:
        psql(self.directory / kind / f"{self.mapping.name}_{phase}.sql", self.dsn)

    def deploy(self, *phases: str) -> None:
        """Deploy phases in this order, each verified as Sqitch would."""
        for phase in phases:
            self._run("deploy", phase)
            self._run("verify", phase)

    def revert(self, *phases: str) -> None:
        """Revert phases in this order."""
        for phase in phases:
            self._run("revert", phase)


def load(yaml_text: str, directory: Path | None = None) -> spec.Mapping:
    """Read a mapping from a string."""
    path = Path(directory or mkdtemp(prefix="pgtandem-")) / "mapping.yml"
    path.write_text(yaml_text, encoding="utf-8")
    return spec.load(path)


def build(
    dsn: str,
    yaml_text: str,
    legacy_sql: str,
    phases: Iterable[str] = ("expand", "sync"),
    change: Callable[[str], str] = lambda script: script,
    directory: Path | None = None,
) -> Built:
    """Build a database with any mapping.

    Args:
        dsn: a database with the engine, as its owner (the fixture `dsn`).
        yaml_text: the mapping file.
        legacy_sql: makes both tables and their rows; "" where they are there.
        phases: what to deploy, in order; the rest is rendered and can be deployed later.
        change: applied to each rendered script, to break one on purpose.
        directory: where the scripts go; a new temporary one if not given.

    Returns:
        The mapping, ready to deploy and revert further phases.
    """
    where = directory or Path(mkdtemp(prefix="pgtandem-"))
    mapping = load(yaml_text, where)
    for path, script in render.scripts(mapping, PROJECT).items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(change(script), encoding="utf-8")
    if legacy_sql:
        (where / "legacy.sql").write_text(legacy_sql, encoding="utf-8")
        psql(where / "legacy.sql", dsn)
    built = Built(dsn, mapping, where)
    built.deploy(*phases)
    return built


def nasty(kind: str = "ordinary") -> tuple[str, str]:
    """The mapping with every odd name, and its legacy SQL; `kind` may be "partitioned"."""
    legacy = (NASTY / "legacy.sql").read_text(encoding="utf-8")
    if kind == "partitioned":
        legacy = (NASTY / "partitioned.sql").read_text(encoding="utf-8") + legacy.partition(
            "-- end of source\n"
        )[2]
    return (NASTY / "mapping.yml").read_text(encoding="utf-8"), legacy


def nasty_derived(kind: str) -> tuple[str, str]:
    """The same for what is derived: `kind` is "joins", "rows", "in_place" or "merge"."""
    if kind == "merge":
        mapping, legacy = nasty_derived("joins")
        mapping = mapping.replace("mapping: nasty_joins", "mapping: nasty_merge")
        mapping = re.sub(r"  filter: '\"status\".*\n", "", mapping)
        return f"{mapping}merge: {{wins: source}}\n", legacy
    files = [NASTY / f"{kind}.{ending}" for ending in ("yml", "sql")]
    return files[0].read_text(encoding="utf-8"), files[1].read_text(encoding="utf-8")

"""A mapping that changes after its sync was deployed: there and back, with writers at work."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from helpers import environment, planned, sqitch
from pgtandem import cli
from pgtandem.project import find

BEFORE = """
mapping: shop
source:
  table: old_shop.item
  columns: {id: bigint, name: text, price: integer, note: text, sold: boolean}
  filter: NOT sold
target:
  table: new_shop.item
  columns: {id: bigint, label: text, cents: integer, remark: text}
key: [id]
columns:
  id: id
  label: {from: upper(name), back: {name: lower(label)}}
  cents: price
backfill: {chunk_time: 50ms}
"""
# Another expression, one more column, another filter.
AFTER = (
    BEFORE.replace("filter: NOT sold", "filter: price > 100")
    .replace(
        "label: {from: upper(name), back: {name: lower(label)}}",
        'label: {from: "\'#\' || name", back: {name: "substr(label, 2)"}}',
    )
    .replace("  cents: price", "  cents: price\n  remark: note")
)
LEGACY = """
CREATE SCHEMA old_shop;
CREATE TABLE old_shop.item (
    id bigint PRIMARY KEY, name text NOT NULL, price integer NOT NULL, note text,
    sold boolean NOT NULL DEFAULT false);
CREATE SCHEMA new_shop;
CREATE TABLE new_shop.item (
    id bigint PRIMARY KEY, label text NOT NULL, cents integer NOT NULL, remark text,
    stars integer NOT NULL DEFAULT 3);
INSERT INTO old_shop.item
SELECT n, 'name ' || n, n, 'note ' || n, n % 10 = 0 FROM generate_series(1, 1000) AS n;
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsn: str) -> Path:
    """A Sqitch project of a DBA's own with the mapping `shop`, and the user's settings."""
    for name, value in environment(dsn).items():
        if name.startswith("SQITCH_"):
            monkeypatch.setenv(name, value)
    subprocess.run(
        ["sqitch", "init", "shop", "--engine", "pg"], cwd=tmp_path, check=True, capture_output=True
    )
    subprocess.run(
        ["sqitch", "config", "deploy.mode", "change"], cwd=tmp_path, check=True, capture_output=True
    )
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "shop.yml").write_text(BEFORE)
    return tmp_path


def render(project: Path, *arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(
        cli.cli, ["render", "--project-dir", str(project), *arguments], catch_exceptions=False
    )
    assert result.exit_code == exit_code, result.output
    return result.output


def differences(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM pgtandem_shop.compared() "
            "WHERE changed OR NOT in_source OR NOT in_target"
        ).fetchone()
    return count


class Writers:
    """Both applications write until the end of the block; every write must go through."""

    OLD = (
        "INSERT INTO old_shop.item VALUES (%(n)s, 'old', %(n)s, 'note')",
        "UPDATE old_shop.item SET name = 'o' || %(n)s, note = 'new' WHERE id = %(n)s %% 1000",
        "UPDATE old_shop.item SET sold = NOT sold, price = 1100 - price WHERE id = %(n)s %% 997",
        "DELETE FROM old_shop.item WHERE id = %(n)s - 50",
    )
    NEW = ("UPDATE new_shop.item SET cents = cents + 1 WHERE id = 500 + %(n)s %% 400",)

    def __init__(self, dsn: str) -> None:
        self.dsn, self.writes, self.failed = dsn, 0, []
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=self.write, args=(statements, first))
            for statements, first in ((self.OLD, 10_000), (self.OLD, 50_000), (self.NEW, 1))
        ]

    def write(self, statements: tuple[str, ...], number: int) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.stop.is_set():
                number += 1
                for statement in statements:
                    try:
                        connection.execute(statement, {"n": number})
                        self.writes += 1
                    except psycopg.Error as error:
                        # A deadlock or a change there meanwhile is an ordinary, retryable error.
                        if error.sqlstate not in {"40001", "40P01"}:
                            self.failed.append(f"{error.sqlstate} {error}")
                self.stop.wait(0.005)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def backfill(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.backfill('shop')")
        connection.execute("CALL pgtandem.drain('shop')")


@pytest.mark.both
def test_the_road_of_a_changed_mapping(project, dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY)
        render(project)
        phases = ["shop_expand", "shop_sync", "shop_backfill", "shop_contract"]
        assert planned(project) == phases
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        assert differences(dsn) == 0
        connection.execute("UPDATE new_shop.item SET stars = 5 WHERE id = 998")
        connection.execute("CALL pgtandem.compare('shop')")

        (project / "mappings" / "shop.yml").write_text(AFTER)
        with pytest.raises(Exception, match="has changed, and its changes stand in the plan"):
            render(project)
        render(project, "--rework")
        assert planned(project) == [*phases[:3], *phases]
        render(project, "--check")
        assert (project / "deploy" / "shop_sync.sql").read_text() != ""

        with Writers(dsn) as writers:
            sqitch("deploy", "--verify", "--to", "shop_sync@HEAD", dsn=dsn, project=project)
            backfill(dsn)
            sqitch("deploy", "--verify", "--to", "shop_backfill@HEAD", dsn=dsn, project=project)
        assert writers.failed == []
        assert writers.writes > 0
        backfill(dsn)
        assert differences(dsn) == 0
        row = "SELECT label, cents, remark, stars FROM new_shop.item WHERE id = 998"
        label, _, remark, stars = connection.execute(row).fetchone()
        assert (label[0], remark[0], stars) == ("#", "n", 5)
        met = "SELECT met FROM pgtandem.contract_conditions('shop') WHERE name = 'comparison_clean'"
        assert connection.execute(met).fetchone() == (False,)
        sqitch("verify", "--to", "shop_backfill@HEAD", dsn=dsn, project=project)

        # And back, as it was.
        with Writers(dsn) as writers:
            tag = "@" + find(project).tags()[0]
            sqitch("revert", "-y", "--to", tag, dsn=dsn, project=project)
        assert writers.failed == []
        backfill(dsn)
        assert differences(dsn) == 0
        label, _, _, stars = connection.execute(row).fetchone()
        assert (label[0] in "NO", stars) == (True, 5)
        assert connection.execute("SELECT phase FROM pgtandem.mapping").fetchone() == ("backfill",)
        assert connection.execute(met).fetchone() == (False,)
        sqitch("revert", "-y", dsn=dsn, project=project)
        assert connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgname ~ 'pgtandem'"
            " AND NOT tgisinternal AND tgrelid = 'old_shop.item'::regclass"
        ).fetchone() == (0,)

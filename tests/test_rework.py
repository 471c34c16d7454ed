"""A mapping that changes after its sync was deployed: there and back, with writers at work."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from helpers import TIMEOUT, Session, environment, planned, sqitch
from mappings import Built, build
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


def differences(dsn: str) -> list:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "SELECT key, source, target FROM pgtandem_shop.compared() "
            "WHERE changed OR NOT in_source OR NOT in_target"
        ).fetchall()


class Writers:
    """Both applications write until the end of the block; every write must go through."""

    OLD = (
        "INSERT INTO old_shop.item VALUES (%(n)s, 'old', %(n)s, 'note')",
        "UPDATE old_shop.item SET name = 'o' || %(n)s, note = 'new' WHERE id = %(n)s %% 1000",
        "UPDATE old_shop.item SET sold = NOT sold, price = 1100 - price WHERE id = %(n)s %% 499",
        "DELETE FROM old_shop.item WHERE id = %(n)s - 50",
    )
    NEW = ("UPDATE new_shop.item SET cents = cents + 1 WHERE id = 501 + %(n)s %% 40 * 10",)

    def __init__(self, dsn: str, first: int = 10_000) -> None:
        self.dsn, self.writes, self.failed = dsn, 0, []
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=self.write, args=(statements, first))
            for statements, first in ((self.OLD, first), (self.OLD, 5 * first), (self.NEW, 1))
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
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            connection.execute("CALL pgtandem.drain('shop')")
            left = connection.execute("SELECT * FROM pgtandem.recheck").fetchall()
            if not left:
                return
            time.sleep(0.1)  # what failed is not due yet
        raise AssertionError(left)


@pytest.mark.both
def test_the_road_of_a_changed_mapping(project, dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY)
        render(project)
        phases = ["shop_expand", "shop_sync", "shop_backfill", "shop_contract"]
        assert planned(project) == phases
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        assert differences(dsn) == []
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
        assert differences(dsn) == []
        row = "SELECT label, cents, remark, stars FROM new_shop.item WHERE id = 998"
        label, _, remark, stars = connection.execute(row).fetchone()
        assert (label[0], remark[0], stars) == ("#", "n", 5)
        met = "SELECT met FROM pgtandem.contract_conditions('shop') WHERE name = 'comparison_clean'"
        assert connection.execute(met).fetchone() == (False,)
        sqitch("verify", "--to", "shop_backfill@HEAD", dsn=dsn, project=project)

        # And back, as it was.
        with Writers(dsn, 1_000_000) as writers:
            tag = "@" + find(project).tags()[0]
            sqitch("revert", "-y", "--to", tag, dsn=dsn, project=project)
        assert writers.failed == []
        backfill(dsn)
        assert differences(dsn) == []
        label, _, _, stars = connection.execute(row).fetchone()
        assert (label[0] in "NO", stars) == (True, 5)
        assert connection.execute("SELECT phase FROM pgtandem.mapping").fetchone() == ("backfill",)
        moved = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'pgtandem_shop_moved'"
        assert connection.execute(moved).fetchone() == ("D",)
        assert connection.execute(met).fetchone() == (False,)
        sqitch("revert", "-y", dsn=dsn, project=project)
        assert connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgname ~ 'pgtandem'"
            " AND NOT tgisinternal AND tgrelid = 'old_shop.item'::regclass"
        ).fetchone() == (0,)


def deployed(dsn: str, *phases: str) -> Built:
    return build(dsn, BEFORE, LEGACY, phases or ("expand", "sync", "backfill"))


def test_what_the_source_lost_without_triggers_is_not_removed_unasked(dsn):
    built = deployed(dsn)
    built.revert("backfill", "sync")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM old_shop.item WHERE id = 1")
        connection.execute("UPDATE old_shop.item SET sold = true WHERE id = 2")
        connection.execute("UPDATE old_shop.item SET id = 3003 WHERE id = 3")
        connection.execute("UPDATE old_shop.item SET name = 'newer' WHERE id = 4")
        connection.execute("INSERT INTO new_shop.item (id, label, cents) VALUES (9000, 'mine', 1)")
        built.deploy("sync")
        with pytest.raises(psycopg.Error) as asked:
            connection.execute("CALL pgtandem.backfill('shop')")
        assert asked.value.sqlstate == "TD026"
        assert sorted(key for key, _, _ in differences(dsn)) == [[1], [2], [3], [9000]]
        status = "SELECT copy_state FROM pgtandem.mapping"
        assert connection.execute(status).fetchone() == ("open",)

        # One is kept, the others go, as pgtandem repair does it.
        connection.execute("INSERT INTO old_shop.item (id, name, price) VALUES (9000, 'mine', 1)")
        connection.execute(
            "SELECT pgtandem.queue('shop', key, 'difference') FROM pgtandem_shop.compared()"
            " WHERE NOT in_source"
        )
        connection.execute("CALL pgtandem.drain('shop', 'difference')")
        built.deploy("backfill")
        assert differences(dsn) == []
        assert connection.execute("SELECT sweep FROM pgtandem.mapping").fetchone() == ("none",)
        kept = "SELECT count(*) FROM new_shop.item WHERE id IN (1, 2, 3, 9000)"
        assert connection.execute(kept).fetchone() == (1,)


def test_a_worker_of_the_copy_before_overwrites_like_the_new_one(dsn):
    deployed(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT set_config('pgtandem_shop.depth', '0', false)")
        connection.execute("UPDATE new_shop.item SET cents = -1")
        connection.execute("SELECT set_config('pgtandem_shop.depth', '', false)")
        connection.execute("SELECT pgtandem.open_copy('shop')")
        connection.execute("SELECT pgtandem._list_new_leaves('shop')")
        # What a worker still knows that began before the copy was opened again.
        copied = connection.execute(
            "SELECT outcome, strategy FROM pgtandem._copy_next('shop', 512, 'insert')"
        )
        assert copied.fetchone() == ("done", "overwrite")
    assert differences(dsn) == []


def test_the_rest_of_a_chunk_does_not_outlive_its_copy(dsn):
    """A worker cuts its chunk while open_copy waits for it: nothing of it may stay listed."""
    deployed(dsn, "expand", "sync")
    with Session(dsn) as worker, Session(dsn) as opener:
        worker.run("SELECT pgtandem._list_new_leaves('shop')")
        worker.run("BEGIN")
        worker.run("SELECT pgtandem._cut(pgtandem._claim('shop', 512), 2)")
        opener.send("SELECT pgtandem.open_copy('shop')").waits_for_lock(worker)
        worker.run("COMMIT")
        opener.result()
        assert worker.value("SELECT count(*) FROM pgtandem.chunk") == 0


# Another key, another target, one way only.
MOVED = """
mapping: shop
source:
  table: old_shop.item
  columns: {id: bigint, name: text, price: integer}
target:
  table: new_shop.goods
  columns: {name: text, nr: numeric, cents: integer}
key: [name, nr]
columns: {name: name, nr: {from: id, back: none}, cents: {from: price * 100, back: none}}
sync: {ways: forward}
"""


def test_a_rework_to_another_table_with_another_key(project, dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY)
        connection.execute(
            "CREATE TABLE new_shop.goods "
            "(name text, nr numeric, cents integer, PRIMARY KEY (nr, name))"
        )
        render(project)
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        connection.execute("SELECT pgtandem.queue('shop', '[7]', 'gone')")
        (project / "mappings" / "shop.yml").write_text(MOVED)
        render(project, "--rework")
        sqitch("deploy", "--verify", "--to", "shop_backfill@HEAD", dsn=dsn, project=project)
        connection.execute("UPDATE old_shop.item SET name = 'moved', price = 7 WHERE id = 7")
        connection.execute("DELETE FROM old_shop.item WHERE id = 8")
        connection.execute("UPDATE new_shop.item SET label = 'ITS OWN' WHERE id = 9")
        assert differences(dsn) == []
        counts = "SELECT count(*), max(cents) FROM new_shop.goods"
        assert connection.execute(counts).fetchone() == (999, 100_000)
        tag = "@" + find(project).tags()[0]
        sqitch("revert", "-y", "--to", tag, dsn=dsn, project=project)
        # Nothing kept that table in sync meanwhile, so nothing in it goes unasked.
        with pytest.raises(psycopg.Error) as asked:
            backfill(dsn)
        assert asked.value.sqlstate == "TD026"
        assert [key for key, _, _ in differences(dsn)] == [[8]]
        connection.execute("SELECT pgtandem.queue('shop', '[8]', 'difference')")
        connection.execute("CALL pgtandem.drain('shop', 'difference')")
        backfill(dsn)
        assert differences(dsn) == []
        # The source is the truth: what only the former target was told meanwhile gives way.
        row = connection.execute("SELECT label FROM new_shop.item WHERE id = 9").fetchone()
        assert row == ("NAME 9",)


def test_a_rework_after_contract_is_refused(project, dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY)
        render(project)
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        connection.execute("UPDATE pgtandem.mapping SET phase = 'contract'")
        (project / "mappings" / "shop.yml").write_text(AFTER)
        render(project, "--rework")
        said = sqitch("deploy", dsn=dsn, project=project, check=False)
        assert 'mapping "shop" is still in phase contract' in said


INDEXED = """
indexes:
  by_label: {on: (label), query: "SELECT id FROM new_shop.item WHERE label = 'NAME 7'"}
"""
MORE = """  by_cents: {on: (cents), unique: true}
"""


def indexes(connection) -> list[tuple[str, bool]]:
    return connection.execute(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
        " WHERE indrelid = 'new_shop.item'::regclass AND NOT indisprimary ORDER BY 1"
    ).fetchall()


def test_indexes_come_and_change_without_the_rest(project, dsn):
    mapping = project / "mappings" / "shop.yml"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY)
        render(project)
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        mapping.write_text(BEFORE + INDEXED)
        render(project, "--rework")
        phases = ["shop_expand", "shop_sync", "shop_backfill", "shop_index", "shop_contract"]
        assert planned(project) == phases
        render(project, "--check")
        sqitch("deploy", "--verify", "--to", "shop_index", dsn=dsn, project=project)
        assert indexes(connection) == [("new_shop.by_label", True)]
        copied = "SELECT copy_changed FROM pgtandem.mapping"
        before = connection.execute(copied).fetchone()

        mapping.write_text(BEFORE + INDEXED + MORE)
        render(project, "--rework")
        assert planned(project) == [*phases[:4], "shop_index", "shop_contract"]
        render(project, "--check")
        sqitch("deploy", "--verify", "--to", "shop_index@HEAD", dsn=dsn, project=project)
        both = [("new_shop.by_cents", True), ("new_shop.by_label", True)]
        assert indexes(connection) == both
        assert connection.execute(copied).fetchone() == before
        # And back: only what the former form did not have goes.
        sqitch("revert", "-y", "--to", "@" + find(project).tags()[0], dsn=dsn, project=project)
        assert indexes(connection) == [("new_shop.by_label", True)]
        sqitch("deploy", "--verify", "--to", "shop_index@HEAD", dsn=dsn, project=project)

        # Where the image changes, they go along and stay as they are.
        mapping.write_text(AFTER + INDEXED + MORE)
        render(project, "--rework")
        assert planned(project)[-5:] == phases
        sqitch("deploy", "--verify", "--to", "shop_sync@HEAD", dsn=dsn, project=project)
        backfill(dsn)
        sqitch("deploy", "--verify", "--to", "shop_index@HEAD", dsn=dsn, project=project)
        assert indexes(connection) == both
        sqitch("revert", "-y", "--to", "@" + find(project).tags()[-1], dsn=dsn, project=project)
        assert indexes(connection) == both
        backfill(dsn)
        sqitch("revert", "-y", dsn=dsn, project=project)
        assert indexes(connection) == []


def test_indexes_of_a_mapping_that_was_never_deployed(project):
    render(project)
    (project / "mappings" / "shop.yml").write_text(BEFORE + INDEXED)
    with pytest.raises(Exception, match="has changed, and its changes stand in the plan"):
        render(project)
    render(project, "--force")
    assert planned(project)[-2:] == ["shop_index", "shop_contract"]
    assert "shop_contract [shop_index " in (project / "sqitch.plan").read_text()
    render(project, "--check")


def test_a_rework_gives_the_triggers_another_name(project, dsn):
    named = (
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'old_shop.item'::regclass"
        " AND NOT tgisinternal ORDER BY 1"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY)
        render(project)
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        before = connection.execute(named).fetchall()
        (project / "mappings" / "shop.yml").write_text(BEFORE + "sync: {trigger: carry_over}\n")
        render(project, "--rework")
        with Writers(dsn) as writers:
            sqitch("deploy", "--verify", "--to", "shop_sync@HEAD", dsn=dsn, project=project)
        assert writers.failed == []
        endings = [name.removeprefix("pgtandem_shop") for (name,) in before]
        assert connection.execute(named).fetchall() == [(f"carry_over{e}",) for e in endings]
        sqitch("revert", "-y", "--to", "@" + find(project).tags()[0], dsn=dsn, project=project)
        assert connection.execute(named).fetchall() == before


SUMS = """
mapping: shop
source: {table: old_shop.item, columns: {id: bigint, name: text}}
target: {table: new_shop.item, columns: {id: bigint, label: text, cents: integer}}
key: [id]
joins:
  sale:
    table: old_shop.sale
    columns: {item_id: bigint, cents: integer}
    touches: {id: item_id}
    values: {cents: sum(cents)}
columns: {id: id, label: name, cents: "coalesce(sale.cents, 0)"}
sync: {mode: queued, ways: forward}
"""
PLAIN = (
    SUMS.partition("joins:")[0]
    + 'columns: {id: id, label: name, cents: "0"}\nsync: {ways: forward}\n'
)
SALES = """
CREATE TABLE old_shop.sale (id bigint PRIMARY KEY, item_id bigint, cents integer);
CREATE INDEX ON old_shop.sale (item_id);
INSERT INTO old_shop.sale SELECT n, n % 1000 + 1, 5 FROM generate_series(1, 3000) AS n;
"""
OURS = """
SELECT tgrelid::regclass::text || ' ' || tgname FROM pg_trigger AS t
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.pronamespace = 'pgtandem_shop'::regnamespace ORDER BY 1
"""
DIFFERING = """
SELECT key::text FROM pgtandem_shop.compared() WHERE changed OR NOT in_source OR NOT in_target
"""


@pytest.mark.parametrize(("one", "other"), [(SUMS, PLAIN), (PLAIN, SUMS)], ids=["lost", "won"])
def test_joins_come_and_go(project: Path, dsn: str, one: str, other: str) -> None:
    """What a join has put on its table goes with it, and comes with it; so does a contract."""
    mapping = project / "mappings" / "shop.yml"

    def look(query: str) -> list[str]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return [row[0] for row in connection.execute(query.encode()).fetchall()]

    def settled() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CALL pgtandem.drain('shop')")
        assert look(DIFFERING) == []
        assert look("SELECT count(*)::text FROM pgtandem.recheck") == ["0"]

    def watched() -> bool:
        return any(name.startswith("old_shop.sale ") for name in look(OURS))

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEGACY + SALES)
        mapping.write_text(one)
        render(project)
        sqitch("deploy", "--verify", "--to", "shop_backfill", dsn=dsn, project=project)
        settled()
        before = look(OURS)
        assert watched() == (one == SUMS)
        connection.execute("INSERT INTO old_shop.sale VALUES (9000, 1, 7)")  # and not drained
        mapping.write_text(other)
        render(project, "--rework")
        sqitch("deploy", "--verify", "--to", "shop_backfill@HEAD", dsn=dsn, project=project)
        settled()
        assert watched() == (other == SUMS)
        scripts = [(project / kind / "shop_contract.sql").exists() for kind in ("deploy", "revert")]
        assert scripts == [other == PLAIN] * 2
        assert ("shop_contract" in planned(project)) == (other == PLAIN)
        connection.execute("INSERT INTO old_shop.sale VALUES (9001, 2, 7)")
        settled()
        tag = "@" + find(project).tags()[0]
        sqitch("revert", "-y", "--to", tag, dsn=dsn, project=project)
        assert look(OURS) == before
        backfill(dsn)
        connection.execute("INSERT INTO old_shop.sale VALUES (9002, 3, 7)")
        settled()
        sqitch("revert", "-y", dsn=dsn, project=project)
    assert look("SELECT nspname::text FROM pg_namespace WHERE nspname = 'pgtandem_shop'") == []


DOCUMENTS = """
mapping: shop
source: {table: staging.item, columns: {_id: text, document: jsonb}}
target: {table: new_shop.item, columns: {_id: text, label: text}}
key: [_id]
columns: {_id: _id}
document: {fields: {label: label}, view: new_shop.one}
sync: {ways: forward}
"""


def test_a_view_of_documents_gets_another_name(project, dsn):
    mapping = project / "mappings" / "shop.yml"
    mapping.write_text(DOCUMENTS)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA staging; CREATE TABLE staging.item (_id text PRIMARY KEY,"
            " document jsonb); CREATE SCHEMA new_shop;"
            " CREATE TABLE new_shop.item (_id text PRIMARY KEY, label text)"
        )
        render(project)
        sqitch("deploy", "--to-change", "shop_sync", dsn=dsn, project=project)
        there = "SELECT to_regclass('new_shop.one') IS NULL, to_regclass('new_shop.two') IS NULL"
        assert connection.execute(there).fetchone() == (False, True)
        mapping.write_text(
            DOCUMENTS.replace("label: label", "label: title").replace(".one", ".two")
        )
        render(project, "--rework")
        sqitch("deploy", "--to-change", "shop_sync@HEAD", dsn=dsn, project=project)
        assert connection.execute(there).fetchone() == (True, False)

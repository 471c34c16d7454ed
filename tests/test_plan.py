"""pgtandem plan: its figures against what a backfill then does, and that nothing stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from command_line import Gear
from helpers import ROOT, sqitch
from mappings import build, nasty, nasty_derived
from pgtandem import preview, rehearsal
from pgtandem.cli import cli
from test_consistency import read
from test_preflight import BAD, LEGACY, TAKES

GEAR = ROOT / "examples" / "gear"
FIGURES = ("create", "update", "leave")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the engine's own project; and no program is started for each call."""
    monkeypatch.chdir(tmp_path)


def pgtandem(*arguments: object, dsn: str, code: int = 0) -> tuple[str, str]:
    """Run a command, insist on its exit status; what it wrote on stdout and stderr."""
    done = CliRunner().invoke(cli, [*map(str, arguments), "--dsn", dsn])
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    return done.stdout, done.stderr


def as_json(*arguments: object, dsn: str, code: int = 0) -> Any:
    """The same with --json; the document."""
    return json.loads(pgtandem(*arguments, "--json", dsn=dsn, code=code)[0])


@pytest.fixture
def gear(filled_dsn: str) -> Gear:
    return Gear(filled_dsn)


def state(rows: Gear) -> list[dict[str, Any]]:
    """What must be the same before and after."""
    return rows.rows(
        "SELECT (SELECT count(*) FROM pg_class) AS relations, (SELECT count(*) FROM pg_proc) AS"
        " routines, (SELECT count(*) FROM pgtandem.chunk) AS chunks, (SELECT max(id) FROM"
        " pgtandem.event) AS events, (SELECT count(*) FROM pgtandem.recheck) AS queued,"
        " (SELECT count(*) FROM pgtandem.comparison) AS comparisons, (SELECT count(*) FROM"
        " pgtandem.worker) AS workers, (SELECT to_jsonb(array_agg(m)) FROM pgtandem.mapping AS m),"
        " (SELECT sum(pg_relation_size(t) + pg_indexes_size(t)) FROM pgtandem.mapping AS m,"
        " unnest(ARRAY[m.source, m.target]) AS t) AS bytes, (SELECT count(*) FROM pg_sequences"
        " WHERE last_value IS NOT NULL) AS numbers"
    )


def plan(
    dsn: str, name: str, *more: object, code: int = 0, rows: Gear | None = None
) -> dict[str, Any]:
    """The document of a plan, after which nothing is different."""
    rows = rows or Gear(dsn)
    before = state(rows)
    document: dict[str, Any] = as_json("plan", name, *more, dsn=dsn, code=code)
    assert state(rows) == before
    return document


def numbers(document: dict[str, Any]) -> dict[str, int]:
    """The exact figures."""
    figures = {each: document[each] for each in (*FIGURES, "outside", "only_target")}
    for each in figures.values():
        assert each is None or each["at_least"] == each["rows"] == each["at_most"]
    return {name: each["rows"] for name, each in figures.items() if each}


def compared(rows: Gear, name: str) -> dict[str, int]:
    """The same, by the comparison itself."""
    found = rows.rows(
        "SELECT count(*) FILTER (WHERE in_source AND NOT in_target) AS create, count(*) FILTER"
        " (WHERE changed) AS update, count(*) FILTER (WHERE in_source AND in_target AND NOT"
        f" changed) AS leave, count(*) FILTER (WHERE NOT in_source) AS only_target"
        f" FROM pgtandem_{name}.compared()"
    )
    return dict(found[0])


@pytest.mark.both
def test_gear_fresh_half_copied_and_complete(filled_dsn: str, gear: Gear) -> None:
    sqitch("revert", "-y", "--to-change", "gear_expand", dsn=filled_dsn, project=GEAR)
    document = plan(filled_dsn, "gear")
    everything = {"create": 3000, "update": 0, "leave": 0, "outside": 0, "only_target": 0}
    assert numbers(document) == everything
    assert document["failing"]["tried"] == 3000
    assert document["failing"]["rows"] == {"rows": 0, "at_least": 0, "at_most": 0}
    cost = document["cost"]
    blocks = gear.value("SELECT pg_relation_size('user_core.old_equipment') / 8192")
    assert cost["blocks"] == cost["sampled_blocks"] == blocks
    assert (cost["wal_bytes"]["error"], cost["table_bytes"]["error"]) == (0, 0)

    # Rows that are there: one is right, one differs in two columns, one has no source.
    columns = "id, user_id, name, category, brand, created_at"
    for values, offset in (
        ("id, user_id, name, type, brand, created_at", 0),
        ("id, user_id, 'x', 'y', brand, created_at", 1),
        ("gen_random_uuid(), user_id, 'x', type, brand, created_at", 2),
    ):
        gear.rows(
            f"INSERT INTO gear_ops.gear_items ({columns}) SELECT {values}"
            f" FROM user_core.old_equipment OFFSET {offset} LIMIT 1"
        )
    document = plan(filled_dsn, "gear")
    assert numbers(document) == everything | {
        "create": 2998, "update": 1, "leave": 1, "only_target": 1,
    }  # fmt: skip
    assert {name: each["rows"] for name, each in document["columns"].items()} == {
        "name": 1, "category": 1,
    }  # fmt: skip
    assert "TD026" in document["only_target_become"]
    assert document["cost"]["wal_bytes_most"] > document["cost"]["wal_bytes"]["estimate"]
    gear.rows("TRUNCATE gear_ops.gear_items CASCADE")

    sqitch("deploy", "--to-change", "gear_sync", dsn=filled_dsn, project=GEAR)
    gear.slow()
    pgtandem("backfill", "gear", "--max-time", "1s", dsn=filled_dsn, code=1)
    copied = gear.copied()
    document = plan(filled_dsn, "gear")
    assert numbers(document) == everything | {"create": 3000 - copied, "leave": copied}
    done = gear.value("SELECT count(*) FROM pgtandem.chunk WHERE done_at IS NOT NULL")
    assert document["percent"] == round(100 * done / blocks, 1)
    assert document["cost"]["blocks"] == blocks - done
    out, err = pgtandem("plan", "gear", dsn=filled_dsn)
    assert f"The copy is open, {document['percent']} % done: this is the rest." in out
    assert err == "Nothing was written. Next: pgtandem backfill gear\n"

    gear.fast()
    gear.rows("CALL pgtandem.backfill('gear')")
    document = plan(filled_dsn, "gear")
    assert numbers(document) == everything | {"create": 0, "leave": 3000}
    assert document["cost"]["blocks"] == document["cost"]["seconds"]["estimate"] == 0
    assert "complete" in document["failing"]["unknown"]
    assert "The copy is complete" in pgtandem("plan", "gear", dsn=filled_dsn)[0]


def test_no_expand_no_plan(dsn: str) -> None:
    _, err = pgtandem("plan", "gear", "--project-dir", GEAR, dsn=dsn, code=2)
    assert "(SQLSTATE TD001)" in err
    assert "Hint: Its view is what a plan reads: sqitch deploy --to gear_expand" in err


# A repair in place, by categories.

REPAIR = """
mapping: reviews
source: {table: app.review, columns: {id: integer, last: timestamptz, next: timestamptz}}
target: {table: app.review, columns: {id: integer, last: timestamptz, next: timestamptz}}
key: [id]
columns:
  id: id
  next: {from: "CASE WHEN next IS NULL OR next < last THEN last + interval '1 day' ELSE next END",
         back: none}
categories:
  never set: next IS NULL AND last IS NOT NULL
  in the past: next < now()
sync: {ways: none}
"""
REVIEWS = """
CREATE SCHEMA app;
CREATE TABLE app.review (id integer PRIMARY KEY, last timestamptz, next timestamptz, note text);
INSERT INTO app.review
SELECT n, now() - interval '10 days', CASE n % 10 WHEN 0 THEN NULL
       WHEN 1 THEN now() - interval '20 days' ELSE now() + interval '1 day' END, repeat('x', 60)
FROM generate_series(1, {rows}) AS n;
CREATE INDEX ON app.review (next);
ANALYZE app.review;
"""


@pytest.mark.both
def test_a_repair_in_place_by_categories(dsn: str) -> None:
    build(dsn, REPAIR, REVIEWS.replace("{rows}", "1000"), phases=("expand",))
    rows = Gear(dsn)
    document = plan(dsn, "reviews", rows=rows)
    assert numbers(document) == {
        "create": 0, "update": 200, "leave": 800, "outside": 0, "only_target": 0,
    }  # fmt: skip
    assert {name: each["rows"] for name, each in document["columns"].items()} == {"next": 200}
    by_category = {
        each["category"]: tuple(each[figure]["rows"] for figure in FIGURES)
        for each in document["categories"]
    }
    assert by_category == {
        "never set": (0, 100, 0), "in the past": (0, 100, 0), "other": (0, 0, 800),
    }  # fmt: skip
    found = as_json("verify", "reviews", dsn=dsn, code=1)
    assert found["categories"] == [
        {"category": "never set", "rows": 100, "missing": 0, "changed": 100},
        {"category": "in the past", "rows": 100, "missing": 0, "changed": 100},
        {"category": "other", "rows": 800, "missing": 0, "changed": 0},
    ]
    out, _ = pgtandem("plan", "reviews", dsn=dsn)
    assert "in the past  0       100     0\n" in out
    out, _ = pgtandem("verify", "reviews", "--limit", 0, dsn=dsn, code=1)
    assert "never set    100   0        100\n" in out


def test_the_report_has_categories(dsn: str, tmp_path: Path) -> None:
    build(dsn, REPAIR, REVIEWS.replace("{rows}", "100"), phases=("expand",))
    path = tmp_path / "report.json"
    pgtandem("verify", "reviews", "--sample", 50, "--report", path, dsn=dsn, code=2)  # no sync yet
    pgtandem("verify", "reviews", "--report", path, dsn=dsn, code=1)
    assert [each["category"] for each in read(path)["categories"]] == [
        "never set", "in the past", "other",
    ]  # fmt: skip


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ordinary", "partitioned", "joins", "rows", "in_place"])
def test_nasty(dsn: str, kind: str) -> None:
    """Every odd name, with categories, exact and sampled: the same, as a sample of all is exact."""
    text, legacy = nasty(kind) if kind in ("ordinary", "partitioned") else nasty_derived(kind)
    condition = {"in_place": '"Id, Teil 1" % 2 = 0', "rows": '"Nr. %" % 2 = 0',
                 "joins": '"Nr. %" > 6'}.get(kind, '"Id, Teil 1" % 2 = 0')  # fmt: skip
    text += f"categories: {{'50 % \"of\" %s''s $$ \\': '{condition} -- 100 %'}}\n"
    name = text.partition("mapping: ")[2].split()[0]
    build(dsn, text, legacy, phases=("expand",))
    rows = Gear(dsn)
    document = plan(dsn, name, rows=rows)
    expected = compared(rows, name)
    found = numbers(document)
    assert {each: found[each] for each in expected} == expected
    assert expected["create"] + expected["update"] > 0
    total = [sum(each[figure]["rows"] for figure in FIGURES) for each in document["categories"]]
    assert sum(total) == sum(expected[figure] for figure in FIGURES)
    assert all(total), document["categories"]
    assert document["cost"]["wal_bytes"]["estimate"] > 0, document["cost"]
    sampled = plan(dsn, name, "--sample", 100000, "--no-cost", rows=rows)
    assert {each: numbers(sampled)[each] for each in expected} == expected
    assert sampled["categories"] == document["categories"]
    assert "not asked for" in sampled["cost"]["unknown"]


def test_the_bound_of_a_sample_holds(dsn: str) -> None:
    """Rows of one kind lie together, as they do in life."""
    build(dsn, REPAIR, REVIEWS.replace("{rows}", "30000").replace("n % 10", "n / 3000"),
          phases=("expand",))  # fmt: skip
    rows = Gear(dsn)
    held = 0
    for _ in range(3):
        document = plan(dsn, "reviews", "--sample", 1000, "--no-cost", rows=rows)
        assert 800 < document["sampled"] < 1200
        update, past = document["update"], document["categories"][1]["update"]
        assert update["at_least"] < update["rows"] < update["at_most"]
        assert update["at_most"] - update["at_least"] < 2500
        held += update["at_least"] <= 5999 <= update["at_most"]
        held += past["at_least"] <= 3000 <= past["at_most"]
    # Of six intervals of 95 %, four or more hold in 99.8 of a hundred runs.
    assert held >= 4


def test_wilson() -> None:
    assert preview.wilson(0, 100) == (0.0, pytest.approx(0.0370, abs=1e-4))
    assert preview.wilson(100, 100) == (pytest.approx(0.9630, abs=1e-4), 1.0)
    assert preview.wilson(10, 100) == (
        pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4),
    )  # fmt: skip
    assert preview.wilson(0, 0) == (0.0, 1.0)
    # What was counted is exact; what was sampled is never less than what was seen.
    assert preview.Sample(10, 10, 0).figure(3) == preview.exact(3)
    seen = preview.Sample(100, 1000, 50).figure(1)
    assert seen.at_least >= 1
    assert seen.at_most > 50


def test_rows_that_fail(dsn: str) -> None:
    build(dsn, TAKES, LEGACY, phases=("expand",))
    rows = Gear(dsn)
    for number, (change, _, _) in enumerate(BAD, 1):
        rows.rows(f"UPDATE plain.old SET {change} WHERE id IN ({number}, {number + 2000})")
    # A value that the expression itself cannot take ends every comparison; the others are counted.
    rows.rows("UPDATE plain.old SET amount = '1' WHERE amount = 'x%I'")
    rows.rows("UPDATE plain.old SET born = '2000-01-01' WHERE born IN ('soon', '2001-02-30')")
    document = plan(dsn, "takes", code=1, rows=rows)
    failing = document["failing"]
    assert failing["seen"] == 10
    assert failing["rows"] == {"rows": 10, "at_least": 10, "at_most": 10}
    by_state = {(each["sqlstate"], each["place"]): each for each in failing["reasons"]}
    assert by_state["22001", "column code"]["rows"]["rows"] == 2
    assert by_state["22001", "column code"]["example"] in ('["1"]', '["2001"]')
    assert by_state["23502", "column needed"]["seen"] == 2
    out, _ = pgtandem("plan", "takes", dsn=dsn, code=1)
    assert "Would fail: 10 of 3,000 rows tried.\n" in out
    # A part of them says so, and for how many of all.
    rows.rows("INSERT INTO plain.old SELECT n, 'good', n % 900, '2000-01-01'"
              " FROM generate_series(10001, 40000) AS n; ANALYZE plain.old")  # fmt: skip
    failing = as_json("plan", "takes", "--no-cost", dsn=dsn, code=1)["failing"]
    assert failing["tried"] < 15000
    assert failing["rows"]["at_least"] <= 10 <= failing["rows"]["at_most"] < 60
    assert as_json("plan", "takes", "--no-cost", "--full", dsn=dsn, code=1)["failing"]["rows"] == {
        "rows": 10, "at_least": 10, "at_most": 10,
    }  # fmt: skip
    # Where each range has such rows, nothing is measured and nothing made up.
    rows.rows("UPDATE plain.old SET code = 'far too long'")
    document = as_json("plan", "takes", dsn=dsn, code=1)
    assert document["cost"] == {"unknown": document["cost"]["unknown"]}
    assert "22001" in document["cost"]["unknown"]


def test_who_may_not_write(filled_dsn: str, gear: Gear) -> None:
    read_only = psycopg.conninfo.make_conninfo(
        filled_dsn, options="-c default_transaction_read_only=on"
    )
    before = state(gear)
    document = as_json("plan", "gear", dsn=read_only)
    assert numbers(document)["create"] == 3000
    for part in ("cost", "failing"):
        assert set(document[part]) == {"unknown"}, part
        assert "read-only transaction" in document[part]["unknown"]
    assert state(gear) == before
    out, _ = pgtandem("plan", "gear", dsn=read_only)
    assert "What it costs is unknown: cannot execute CREATE TABLE in a read-only" in out


def test_a_sequence_and_a_function_of_the_target_are_not_called(dsn: str) -> None:
    legacy = LEGACY.replace(
        "seen timestamptz",
        "number serial NOT NULL, key bigint GENERATED ALWAYS AS IDENTITY UNIQUE,"
        " noted text NOT NULL DEFAULT plain.note(), seen timestamptz",
    ).replace(
        "CREATE TABLE plain.new",
        "CREATE TABLE plain.calls (n integer);"
        "CREATE FUNCTION plain.note() RETURNS text LANGUAGE sql AS"
        " $$ INSERT INTO plain.calls VALUES (1) RETURNING 'x' $$;"
        "CREATE TABLE plain.new",
    )
    build(dsn, TAKES, legacy, phases=("expand",))
    rows = Gear(dsn)
    assert plan(dsn, "takes", rows=rows)["cost"]["wal_bytes"]["estimate"] > 0
    assert rows.value("SELECT count(*) FROM plain.calls") == 0
    assert rows.value("SELECT nextval('plain.new_number_seq')") == 1


# Honest: what the backfill then takes.


def taken(rows: Gear, target: str, what: str) -> tuple[int, int]:
    """WAL and growth of the target of a statement."""
    size = f"SELECT pg_total_relation_size('{target}')"
    position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
    before, began = rows.value(size), rows.value(position)
    rows.rows(what)
    return int(rows.value(position) - began), int(rows.value(size) - before)


@pytest.mark.parametrize("kind", ["copy", "in place", "in place after a checkpoint"])
def test_the_estimate_is_what_the_backfill_takes(dsn: str, kind: str, as_user: Any) -> None:
    rows = Gear(dsn)
    if kind == "copy":
        # Only a backfill, so that no trigger is in the way of filling the source.
        legacy = LEGACY.replace("generate_series(1, 3000)", "generate_series(1, 50000)")
        build(dsn, TAKES, legacy)
        name, target = "takes", "plain.new"
    else:
        build(dsn, REPAIR, REVIEWS.replace("{rows}", "50000"))
        name, target = "reviews", "app.review"
    cost = plan(dsn, name, rows=rows)["cost"]
    assert cost["sampled_blocks"] < cost["blocks"]
    if kind.endswith("checkpoint"):
        Gear(as_user(dsn, "postgres")).rows("CHECKPOINT")
    wal, disk = taken(rows, target, f"CALL pgtandem.backfill('{name}')")
    estimated = cost["table_bytes"]["estimate"] + cost["index_bytes"]["estimate"]
    if kind == "in place after a checkpoint":
        assert cost["wal_bytes"]["estimate"] < wal < 1.5 * cost["wal_bytes_most"]
    else:
        assert wal / 1.5 < cost["wal_bytes"]["estimate"] < wal * 1.5
    assert disk / 1.5 < estimated < disk * 1.5
    stored = rows.value("SELECT coalesce(pgtandem.pre_image_size(%s), 0)", name)
    assert stored / 1.5 <= cost["undo_bytes"]["estimate"] <= stored * 1.5
    assert (stored > 0) == (kind != "copy")
    chunks = rows.value("SELECT count(*) FROM pgtandem.chunk WHERE mapping = %s", name)
    assert cost["chunks"] <= chunks + 5


def test_pauses_jobs_and_rates_are_in_the_time() -> None:
    measured = [
        {"blocks": 32, "rows": 2000, "seconds": 0.1, "wal_bytes": 10**6, "table_bytes": 8192,
         "index_bytes": 8192, "undo_bytes": 0, "strategy": "insert", "failure": None}
    ] * 8  # fmt: skip
    start: dict[str, Any] = {
        "blocks": 32000, "chunk_time": 0.2, "pause": None, "is_large": False, "max_wal_rate": None,
        "source_bytes": 0, "target_bytes": 0, "full_page_writes": True, "in_place": False,
        "foreign_keys": 1, "triggers": 2,
    }  # fmt: skip

    def seconds(jobs: int = 1, **more: Any) -> float:
        return preview.cost(measured, start | more, jobs).seconds.estimate

    assert seconds() == pytest.approx(100)
    assert seconds(is_large=True) == pytest.approx(110)
    assert seconds(is_large=True, pause=0) == pytest.approx(100)
    made = preview.cost(measured, start, 1)
    assert made.chunk_blocks == 44
    assert seconds(pause=0.5) == pytest.approx(100 + made.chunks / 2)
    assert seconds(jobs=4) == pytest.approx(25)
    assert seconds(max_wal_rate=2 * 10**6) == pytest.approx(500)
    assert made.seconds.error == pytest.approx(0)  # they are all the same
    uneven = [*measured[1:], measured[0] | {"seconds": 0.2}]
    error = preview.cost(uneven, start, 1).seconds.error
    assert error
    assert 5 < error < 50


# The name of the project.


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Sqitch project with two mappings, whose names are not in the order of its plan."""
    project = tmp_path / "shop"
    project.mkdir()
    (project / "sqitch.conf").write_text("[core]\n\tengine = pg\n")
    (project / "sqitch.plan").write_text(
        "%syntax-version=1.0.0\n%project=shop\n\n"
        + "".join(
            f"{name} 2026-01-01T00:00:00Z x <x@example.invalid> # x\n"
            for name in ("tables", "takes_expand", "takes_sync", "later_expand", "reviews_expand")
        )
    )
    monkeypatch.chdir(project)
    return project


def test_the_name_of_the_project(
    dsn: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("plan", "verify", "preflight"):
        _, err = pgtandem(command, "shop", dsn=dsn, code=2)
        assert 'Error: No mapping of the project "shop" is deployed' in err
        assert "Hint: Deploy its expand changes: sqitch deploy\n" in err
    build(dsn, TAKES, LEGACY, phases=("expand",))
    build(dsn, REPAIR, REVIEWS.replace("{rows}", "100"), phases=("expand",))
    found = as_json("plan", "shop", dsn=dsn)
    assert [each["mapping"] for each in found] == ["takes", "reviews"]
    alone = as_json("plan", "reviews", dsn=dsn)
    for part in ("update", "categories", "hash"):
        assert alone[part] == found[1][part]
    out, err = pgtandem("plan", "shop", dsn=dsn)
    assert out.index("takes: 3,000 rows of plain.old") < out.index("reviews: 100 rows of")
    found = as_json("preflight", "shop", dsn=dsn, code=1)
    assert [each["mapping"] for each in found] == ["takes", "reviews"]
    out, _ = pgtandem("preflight", "shop", dsn=dsn, code=1)
    assert "\ntakes: fail (" in out
    report = tmp_path / "consistency-report.json"
    found = as_json("verify", "shop", "--report", report, dsn=dsn, code=1)
    assert [(each["mapping"], each["equal"]) for each in found] == [
        ("takes", False), ("reviews", False),
    ]  # fmt: skip
    assert [each["mapping"] for each in json.loads(report.read_text())] == ["takes", "reviews"]
    # The worst counts.
    Gear(dsn).rows("DELETE FROM plain.old")
    out, _ = pgtandem("verify", "shop", dsn=dsn, code=1)
    assert out.startswith("takes: equal. ")
    # A mapping of that name wins, and elsewhere the name is unknown.
    plan_file = shop / "sqitch.plan"
    plan_file.write_text(plan_file.read_text().replace("%project=shop", "%project=takes"))
    assert as_json("plan", "takes", dsn=dsn)["mapping"] == "takes"
    monkeypatch.chdir(tmp_path)
    _, err = pgtandem("plan", "shop", dsn=dsn, code=2)
    assert 'No mapping named "shop" is deployed' in err


# Locks.


def test_a_rehearsal_and_what_is_shown_of_it(filled_dsn: str, gear: Gear, tmp_path: Path) -> None:
    sqitch("revert", "-y", "--to-change", "gear_expand", dsn=filled_dsn, project=GEAR)
    where = ("--project-dir", GEAR, "--no-cost")
    document = plan(filled_dsn, "gear", *where)
    assert [(each["change"], each["state"]) for each in document["locks"]] == [
        ("gear_sync", "not rehearsed"), ("gear_backfill", "not rehearsed"),
        ("gear_contract", "not rehearsed"),
    ]  # fmt: skip
    assert document["locks"][0]["header"].startswith("both tables SHARE ROW EXCLUSIVE until the")
    out, _ = pgtandem("plan", "gear", *where, dsn=filled_dsn)
    assert "pgtandem plan gear --rehearse --json > rehearsal.json on a copy" in out
    _, err = pgtandem("plan", "gear", *where, "--rehearse", dsn=filled_dsn, code=2)
    assert "Nobody is there to be asked, so nothing was rehearsed." in err

    document = plan(filled_dsn, "gear", *where, "--rehearse", "--yes")
    sync, backfill, contract = document["locks"]
    assert sync["state"] == "rehearsed"
    assert {each["table"]: each["mode"] for each in sync["locks"]} == {
        "user_core.old_equipment": "SHARE ROW EXCLUSIVE",
        "gear_ops.gear_items": "SHARE ROW EXCLUSIVE",
    }
    assert 0 < sync["seconds"] < 5
    assert backfill["state"] == contract["state"] == "not rehearsed"
    assert backfill["why"]
    assert contract["why"]
    assert gear.value("SELECT phase FROM pgtandem.mapping") == "expand"

    path = tmp_path / "rehearsal.json"
    path.write_text(json.dumps(document))
    again = plan(filled_dsn, "gear", *where, "--rehearsal", path)
    assert again["locks"][0] == sync
    out, _ = pgtandem("plan", "gear", *where, "--rehearsal", path, dsn=filled_dsn)
    assert f"{1000 * sync['seconds']:,.1f} ms on {sync['database']}" in out
    # Of another mapping it says nothing.
    path.write_text(json.dumps([document | {"mapping": "other"}]))
    again = plan(filled_dsn, "gear", *where, "--rehearsal", path)
    assert again["locks"][0]["state"] == "not rehearsed"
    path.write_text("[{}]")
    _, err = pgtandem("plan", "gear", "--rehearsal", path, dsn=filled_dsn, code=2)
    assert f"Error: {path} is no rehearsal." in err


BODY = "BEGIN ISOLATION LEVEL READ COMMITTED;\nSELECT 1;\n\nCOMMIT;\n"


@pytest.mark.parametrize(
    ("script", "is_whole"),
    [
        (BODY, True),
        ("-- b\n" + BODY, True),
        ("SELECT x IS NULL AS done \\gset\n\\if :done\n    \\quit\n\\endif\n" + BODY, True),
        ("SELECT 1;\n" + BODY, False),
        (BODY + "CALL x();\n", False),
        (BODY.replace("SELECT 1;", "\\if x"), False),
        (BODY + BODY, False),
        ("CREATE INDEX CONCURRENTLY i ON t (a);\n", False),
    ],
)
def test_what_can_be_undone(script: str, is_whole: bool) -> None:
    assert (rehearsal.body("-- a\n\n" + script) is not None) == is_whole


def test_the_scripts_of_the_examples() -> None:
    """Index commits in between, contract on columns as well; nothing else does."""
    outside = {
        path.stem
        for path in ROOT.glob("examples/*/deploy/*.sql")
        if path.stem.rpartition("_")[2] in ("sync", "backfill", "index", "contract")
        and rehearsal.body(path.read_text()) is None
    }
    assert {"gear_sync", "gear_backfill", "gear_contract"} & outside == set()
    assert {stem.rpartition("_")[2] for stem in outside} <= {"index", "contract"}


def test_wrong_calls(filled_dsn: str, tmp_path: Path) -> None:
    for arguments, words in (
        (("--rehearse", "--rehearsal", ROOT / "README.md"), "contradict each other"),
        (("--yes",), "--yes is for --rehearse"),
        (("--sample", "5"), "--sample"),
        (("--rehearsal", tmp_path / "none.json"), "does not exist"),
        (("--rehearse", "--yes", "--project-dir", tmp_path), "no Sqitch project here"),
    ):
        _, err = pgtandem("plan", "gear", *arguments, dsn=filled_dsn, code=2)
        assert words in " ".join(err.split()), err

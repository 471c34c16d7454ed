"""pgtandem report: each target met and missed, and what nobody knows."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from command_line import Gear, as_json, pgtandem
from conftest import GEAR
from helpers import sqitch
from test_metrics import dashboard

assert dashboard  # a fixture

FIGURES = [
    "rows_migrated", "rows_agreeing", "sync_errors", "open_failures", "queue_delay",
    "clean_comparison_age",
]  # fmt: skip
SIGNALS = ["availability", "error_rate", "complaints"]


def verdicts(document: dict) -> dict[str, str]:
    return {each["figure"]: each["verdict"] for each in document["figures"]}


def measured(document: dict) -> dict[str, float]:
    return {each["figure"]: each["measured"] for each in document["figures"]}


@pytest.fixture
def gear(filled_dsn):
    """gear, copied and compared."""
    gear = Gear(filled_dsn)
    gear.rows("CALL pgtandem.backfill('gear')")
    gear.rows("CALL pgtandem.compare('gear')")
    return gear


@pytest.mark.both
def test_all_targets_are_met(filled_dsn, gear):
    document = as_json("report", "gear", dsn=filled_dsn)
    assert document["verdict"] == "met"
    assert [each["figure"] for each in document["figures"]] == FIGURES + SIGNALS
    assert verdicts(document) == dict.fromkeys(FIGURES, "met") | dict.fromkeys(
        SIGNALS, "not judged"
    )
    found = measured(document)
    assert found.pop("clean_comparison_age") < 0.1
    assert found == {
        "rows_migrated": 100, "rows_agreeing": 100, "sync_errors": 0, "open_failures": 0,
        "queue_delay": 0, "availability": None, "error_rate": None, "complaints": None,
    }  # fmt: skip
    (first, *_) = document["figures"]
    detail = first.pop("detail")
    assert first == {
        "mapping": "gear", "figure": "rows_migrated", "measured": 100, "unit": "%",
        "relation": "=", "target": 100, "verdict": "met",
    }  # fmt: skip
    assert detail.endswith("0 of 3,000 rows missing")


def test_what_people_see(filled_dsn, gear):
    out, err = pgtandem("report", "gear", "-s", "complaints=10", dsn=filled_dsn, code=1)
    assert err == ""
    head, *lines = out.splitlines()
    assert head.split() == ["mapping", "figure", "measured", "target", "from"]
    assert lines[0].split()[:10] == [
        "met", "gear", "rows", "migrated", "100", "%", "=", "100", "%", "comparison",
    ]  # fmt: skip
    assert lines[2].split()[:9] == [
        "met", "gear", "sync", "errors", "0", "%", "<", "0.1", "%",
    ]  # fmt: skip
    assert lines[6].split()[:7] == ["not", "judged", "-", "availability", "-", ">=", "99.9"]
    assert "the database cannot know it: --signal availability=..." in lines[6]
    assert lines[8].split() == [
        "not", "met", "-", "complaints", "10", "<", "10", "given", "by", "the", "caller",
    ]  # fmt: skip


@pytest.mark.both
def test_each_figure_that_misses_its_target(filled_dsn, gear):
    gear.unseen(
        "UPDATE gear_ops.gear_items SET brand = 'spoilt'"
        " WHERE id IN (SELECT id FROM gear_ops.gear_items ORDER BY id LIMIT 1)",
        "DELETE FROM gear_ops.gear_items"
        " WHERE id IN (SELECT id FROM gear_ops.gear_items ORDER BY id DESC LIMIT 2)",
    )
    gear.rows("CALL pgtandem.compare('gear')")
    document = as_json("report", "gear", dsn=filled_dsn, code=1)
    assert document["verdict"] == "not met"
    found = measured(document)
    assert found["rows_migrated"] == 99.933  # 2 of 3,000, rounded down
    assert found["rows_agreeing"] == 99.9
    assert verdicts(document)["rows_migrated"] == verdicts(document)["rows_agreeing"] == "not met"
    assert verdicts(document)["clean_comparison_age"] == "met"  # the one before it

    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT injected CHECK (brand <> 'bad')")
    gear.rows(
        "UPDATE user_core.old_equipment SET brand = 'bad'"
        " WHERE id IN (SELECT id FROM user_core.old_equipment ORDER BY id LIMIT 3)"
    )
    gear.rows("UPDATE pgtandem.recheck SET queued_at = queued_at - interval '61 seconds'")
    gear.rows(
        "UPDATE pgtandem.comparison SET started_at = started_at - interval '25 hours'"
        " WHERE missing = 0"
    )
    gear.rows("UPDATE pgtandem.mapping SET copy_changed = copy_changed - interval '26 hours'")
    document = as_json("report", "gear", dsn=filled_dsn, code=1)
    assert verdicts(document) == dict.fromkeys(FIGURES, "not met") | dict.fromkeys(
        SIGNALS, "not judged"
    )
    found = measured(document)
    assert found["sync_errors"] > 0.1
    assert found["open_failures"] == 3
    assert 61 <= found["queue_delay"] < 120
    assert 25 <= found["clean_comparison_age"] < 25.1


def test_what_is_not_known_yet_is_not_met(filled_dsn):
    Gear(filled_dsn).rows("DELETE FROM pgtandem.sample")
    document = as_json("report", "gear", dsn=filled_dsn, code=1)
    assert verdicts(document) == {
        "rows_migrated": "not known", "rows_agreeing": "not known", "sync_errors": "not known",
        "open_failures": "met", "queue_delay": "met", "clean_comparison_age": "not known",
    } | dict.fromkeys(SIGNALS, "not judged")  # fmt: skip
    details = [each["detail"] for each in document["figures"]]
    assert details[0] == "no full comparison with this mapping yet: pgtandem verify gear"
    assert details[2] == "no sample yet: pgtandem gate takes one"


def test_a_comparison_with_another_form_of_the_mapping_says_nothing(filled_dsn, gear):
    gear.rows("UPDATE pgtandem.mapping SET hash = repeat('b', 64)")
    found = verdicts(as_json("report", "gear", dsn=filled_dsn, code=1))
    assert found["rows_migrated"] == found["clean_comparison_age"] == "not known"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("availability", "99.9", "99.89"), ("error_rate", "0.099", "0.1"), ("complaints", "9", "10")],
)
def test_signals(filled_dsn, gear, name, good, bad):
    found = as_json("report", "gear", "--signal", f"{name}={good}", dsn=filled_dsn)
    assert verdicts(found)[name] == "met"
    found = as_json("report", "gear", "--signal", f"{name}={bad}", dsn=filled_dsn, code=1)
    assert verdicts(found)[name] == "not met"
    assert measured(found)[name] == float(bad)


def test_which_mappings(filled_dsn, gear, tmp_path):
    def named(*arguments: object, code: int = 0) -> list[str]:
        found = as_json("report", *arguments, dsn=filled_dsn, code=code)["figures"]
        return list(dict.fromkeys(each["mapping"] for each in found if each["mapping"]))

    assert named("--project-dir", GEAR) == ["gear"]
    # A project whose name is that of no mapping, with a second one that is not deployed.
    project = tmp_path / "project"
    shutil.copytree(GEAR, project)
    plan = project / "sqitch.plan"
    plan.write_text(plan.read_text().replace("%project=gear", "%project=shop"))
    text = (project / "mappings" / "gear.yml").read_text()
    (project / "mappings" / "rope.yml").write_text(text.replace("mapping: gear", "mapping: rope"))
    assert named("shop", "--project-dir", project, code=1) == ["gear", "rope"]
    assert named("--project-dir", project, code=1) == ["gear", "rope"]
    assert named("gear", "gear", "--project-dir", project) == ["gear"]
    plan.write_text(plan.read_text().replace("%project=shop", "%project=gear"))
    assert named("gear", "--project-dir", project, code=1) == ["gear", "rope"]
    found = as_json("report", "--project-dir", project, dsn=filled_dsn, code=1)["figures"]
    assert {each["verdict"] for each in found if each["mapping"] == "rope"} == {"not known"}
    assert {each["detail"] for each in found if each["mapping"] == "rope"} == {
        "not deployed in this database: sqitch deploy"
    }


def test_after_contract_there_is_nothing_left_to_compare(filled_dsn, gear):
    sqitch("deploy", "--to-change", "gear_backfill", dsn=filled_dsn, project=GEAR)
    gear.rows("CALL pgtandem.compare('gear')")
    sqitch("deploy", "--to-change", "gear_contract", dsn=filled_dsn, project=GEAR)
    gear.rows("UPDATE pgtandem.comparison SET started_at = started_at - interval '25 hours'")
    gear.rows("UPDATE pgtandem.mapping SET copy_changed = copy_changed - interval '26 hours'")
    found = as_json("report", "gear", dsn=filled_dsn)
    assert verdicts(found)["clean_comparison_age"] == "not judged"
    assert measured(found)["clean_comparison_age"] >= 25


def test_a_dashboard_may_ask(filled_dsn, gear, dashboard):
    mine, theirs = (as_json("report", "gear", dsn=dsn) for dsn in (filled_dsn, dashboard))
    assert verdicts(mine) == verdicts(theirs)


def test_what_is_wrong(filled_dsn, empty_dsn, tmp_path):
    for arguments, dsn, message in (
        (["gaer"], filled_dsn, 'No mapping named "gaer" is deployed'),
        (["gear"], empty_dsn, "The engine is not in the database"),
        ([], empty_dsn, "The engine is not in the database"),
        (["--project-dir", tmp_path], filled_dsn, "There is no Sqitch project here."),
        (["gear", "-s", "availability"], filled_dsn, '"availability" is no signal'),
        (["gear", "-s", "p99_ms=4"], filled_dsn, "There is no target for the signal p99_ms."),
        (["gear", "-s", "complaints=4", "-s", "complaints=5"], filled_dsn, "given twice"),
    ):
        where = [] if arguments else ["--project-dir", GEAR]
        out, err = pgtandem("report", *arguments, *where, dsn=dsn, code=2)
        assert out == ""
        assert message in err
    (tmp_path / "sqitch.plan").write_text("%project=shop\n")
    _, err = pgtandem("report", "--project-dir", tmp_path, dsn=filled_dsn, code=2)
    assert "There is no mapping in " in err
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "bad.yml").write_text("mapping: [")
    _, err = pgtandem("report", "--project-dir", tmp_path, dsn=filled_dsn, code=2)
    assert "bad.yml" in err


def test_it_writes_nothing(filled_dsn, gear):
    with psycopg.connect(filled_dsn) as reader:
        count = (
            "SELECT (SELECT count(*) FROM pgtandem.sample), (SELECT max(id) FROM pgtandem.event)"
        )
        before = reader.execute(count).fetchone()
        reader.rollback()
        as_json("report", "gear", dsn=filled_dsn)
        assert reader.execute(count).fetchone() == before

"""pgtandem backfill: its ends, good and bad, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from command_line import Gear, Running, as_json, pgtandem, wait_for
from conftest import GEAR
from helpers import psql, sqitch
from pgtandem.server import Server


@pytest.fixture
def gear(filled_dsn):
    return Gear(filled_dsn)


@pytest.mark.both
def test_it_copies_all_and_says_so(filled_dsn, gear):
    document = as_json("backfill", "gear", "--jobs", 2, dsn=filled_dsn)
    assert document["state"] == "complete"
    assert document["percent"] == 100
    assert document["rows"] == document["rows_in_all"] == 3000
    assert document["queued"] == document["failed"] == 0
    assert document["failures"] == []
    assert gear.differing() == 0

    out, err = pgtandem("backfill", "gear", dsn=filled_dsn)
    assert out.startswith("gear: the copy is complete. 0 rows in ")
    assert out.endswith(" 3,000 in all.\n")
    assert err == "Next: sqitch deploy --to gear_backfill\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_in_the_database_too_and_goes_on_later(filled_dsn, gear, number):
    gear.slow()
    with Running("backfill", "gear", "--jobs", 2, dsn=filled_dsn) as running:
        wait_for(gear.copied)
        code, out, err = running.end(number)
    assert code == 130
    assert out == ""
    assert "Interrupted at " in err
    assert "to go on from there: pgtandem backfill gear" in err
    assert gear.workers() == []
    copied = gear.copied()
    assert 0 < copied < 3000

    gear.fast()
    document = as_json("backfill", "gear", dsn=filled_dsn)
    assert document["rows"] == 3000 - copied
    assert gear.differing() == 0


def test_interrupted_while_it_waits_for_an_older_transaction(filled_dsn, gear):
    holder = Gear(filled_dsn)
    holder.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
    holder.rows("SELECT 1")
    with Running("backfill", "gear", "--json", dsn=filled_dsn) as running:
        wait_for(lambda: gear.value("SELECT waiting_for FROM pgtandem.progress"))
        code, out, _ = running.end(signal.SIGINT)
    assert code == 130
    assert '"state": "interrupted"' in out
    assert gear.workers() == []


def test_killed_its_backends_end_by_themselves_and_a_new_run_completes(filled_dsn, gear):
    gear.slow()
    with Running("backfill", "gear", "--jobs", 2, dsn=filled_dsn) as running:
        wait_for(gear.copied)
        wait_for(lambda: len(gear.workers()) == 2)
        running.end(signal.SIGKILL)
    wait_for(lambda: gear.workers() == [], timeout=10)
    gear.fast()
    pgtandem("backfill", "gear", dsn=filled_dsn)
    assert gear.differing() == 0


def test_max_time_stops_after_a_whole_chunk(filled_dsn, gear):
    gear.slow()
    out, err = pgtandem("backfill", "gear", "--max-time", "1s", dsn=filled_dsn, code=1)
    assert out == ""
    assert "Stopped by its time limit at " in err
    assert err.count("stopped at its time limit, after a whole chunk") == 1
    assert 0 < gear.copied() < 3000
    document = as_json("backfill", "gear", "--max-time", "500ms", dsn=filled_dsn, code=1)
    assert document["state"] == "stopped"
    gear.fast()
    assert as_json("backfill", "gear", "--max-time", "1h", dsn=filled_dsn)["state"] == "complete"


def test_max_time_also_ends_a_wait_for_an_older_transaction(filled_dsn):
    holder = Gear(filled_dsn)
    holder.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
    holder.rows("SELECT 1")
    _, err = pgtandem("backfill", "gear", "--max-time", "1s", dsn=filled_dsn, code=1)
    assert "Stopped by its time limit at 100.0 %" in err


def test_a_worker_that_is_lost_does_not_matter_if_the_others_complete(filled_dsn, gear, as_user):
    gear.slow()
    with Running("backfill", "gear", "--jobs", 2, dsn=filled_dsn) as running:
        wait_for(lambda: len(gear.workers()) == 2)
        wait_for(gear.copied)
        pid = gear.workers()[0]
        Gear(as_user(filled_dsn, "postgres")).rows("SELECT pg_terminate_backend(%s)", pid)
        gear.fast()
        code, out, err = running.end()
    assert code == 0, err
    assert "gear: the copy is complete." in out
    assert "A worker was lost: " in err
    assert gear.differing() == 0


def test_all_workers_lost_is_an_error_that_says_how_to_go_on(filled_dsn, gear, as_user):
    gear.slow()
    with Running("backfill", "gear", "--jobs", 2, dsn=filled_dsn) as running:
        wait_for(lambda: len(gear.workers()) == 2)
        admin = Gear(as_user(filled_dsn, "postgres"))
        for pid in gear.workers():
            admin.rows("SELECT pg_terminate_backend(%s)", pid)
        code, _, err = running.end()
    assert code == 2
    assert "Error: 2 of 2 workers lost their sessions." in err
    assert "Hint: Run it again, it goes on from there: pgtandem backfill gear" in err
    gear.fast()
    pgtandem("backfill", "gear", dsn=filled_dsn)


def test_rows_that_cannot_be_copied_are_listed(filled_dsn, gear):
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT short CHECK (name <> 'bad')")
    gear.unseen(
        "UPDATE user_core.old_equipment SET name = 'bad'"
        " WHERE id = (SELECT id FROM user_core.old_equipment LIMIT 1)"
    )
    bad = gear.value("SELECT id::text FROM user_core.old_equipment WHERE name = 'bad'")
    out, err = pgtandem("backfill", "gear", dsn=filled_dsn, code=2)
    assert out == ""
    assert f'["{bad}"]  23514 ' in err
    assert '1 rows of mapping "gear" cannot be copied (SQLSTATE TD008)' in err
    assert "mend the rows or the mapping; then pgtandem retry gear, or SELECT" in err
    assert gear.copied() == 2999

    # Mended, made due, and run again.
    gear.rows("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT short")
    out, _ = pgtandem("retry", "gear", dsn=filled_dsn)
    assert " again. To try: pgtandem drain gear" in out
    pgtandem("backfill", "gear", dsn=filled_dsn)
    assert gear.differing() == 0


def test_the_example_of_what_cannot_be_copied_is_of_one_row(filled_dsn, gear):
    """The least key, message and code are not those of one row."""
    one, two = (
        row["id"]
        for row in gear.rows("SELECT id::text FROM user_core.old_equipment ORDER BY id LIMIT 2")
    )
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT zz CHECK (name <> 'bad')")
    gear.rows("ALTER TABLE gear_ops.gear_items ADD UNIQUE (brand)")
    gear.rows("ALTER TABLE user_core.old_equipment DISABLE TRIGGER USER")
    gear.rows("UPDATE user_core.old_equipment SET brand = id::text")
    gear.rows("UPDATE user_core.old_equipment SET name = 'bad' WHERE id = %s", one)
    gear.rows("UPDATE user_core.old_equipment SET brand = 'same', name = 'a' WHERE id = %s", two)
    gear.rows(
        "UPDATE user_core.old_equipment SET brand = 'same' WHERE id ="
        " (SELECT id FROM user_core.old_equipment ORDER BY id DESC LIMIT 1)"
    )
    _, err = pgtandem("backfill", "gear", dsn=filled_dsn, code=2)
    assert '2 rows of mapping "gear" cannot be copied' in err
    assert f'Detail: For example ["{one}"]: new row for relation "gear_items" violates' in err
    assert 'check constraint "zz" (23514).' in err


def test_pause_and_resume_from_another_terminal(filled_dsn, gear):
    pgtandem("pause", "gear", "--reason", "month's end", dsn=filled_dsn)
    with Running("backfill", "gear", dsn=filled_dsn) as running:
        wait_for(gear.workers)
        wait_for(lambda: gear.value("SELECT waiting_for FROM pgtandem.progress"))
        assert (
            as_json("status", "gear", dsn=filled_dsn)["waiting_for"] == "paused by pgtandem_owner"
        )
        assert gear.copied() == 0
        pgtandem("resume", "gear", dsn=filled_dsn)
        code, _, err = running.end()
    assert code == 0, err
    event = gear.rows("SELECT reason FROM pgtandem.event WHERE kind = 'pause'")
    assert event == [{"reason": "month's end"}]


def test_plain_lines_where_nobody_looks_and_a_bar_in_a_terminal(filled_dsn, gear):
    gear.slow()
    with Running("backfill", "gear", "--max-time", "5s", dsn=filled_dsn) as running:
        code, _, err = running.end()
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("backfill gear")]
    assert 1 <= len(lines) <= 3
    assert " rows, " in lines[0]
    assert "1 worker" in lines[0]
    assert "\x1b" not in err

    gear.fast()
    ours, theirs = os.openpty()
    subprocess.run(
        [sys.executable, "-m", "pgtandem", "backfill", "gear", "--dsn", filled_dsn],
        stderr=theirs, stdout=subprocess.DEVNULL, check=True,
        env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    assert b"backfill gear" in os.read(ours, 100_000)
    os.close(ours)
    os.close(theirs)


@pytest.mark.both
def test_without_pg_monitor(filled_dsn, gear, as_user):
    admin = Gear(as_user(filled_dsn, "postgres"))
    admin.rows("REVOKE pg_monitor FROM pgtandem_owner")
    try:
        pgtandem("backfill", "gear", "--jobs", 2, dsn=filled_dsn)
        pgtandem("verify", "gear", "--jobs", 2, dsn=filled_dsn)
        pgtandem("status", "gear", dsn=filled_dsn)
        pgtandem("gate", "gear", "--contract", dsn=filled_dsn, code=1)
    finally:
        admin.rows("GRANT pg_monitor TO pgtandem_owner")
    assert gear.differing() == 0


def test_a_server_that_goes_away_is_an_error_that_says_how_to_go_on():
    with Server.start(settings={"fsync": "off"}) as server:
        owner = server.dsn("postgres")
        sqitch("deploy", dsn=owner)
        psql(GEAR / "legacy.sql", owner)
        psql(GEAR / "generate.sql", owner, users=300, items=3000)
        sqitch("deploy", "--to-change", "gear_sync", dsn=owner, project=GEAR)
        gear = Gear(owner)
        gear.slow()
        with Running("backfill", "gear", "--jobs", 2, dsn=owner) as running:
            wait_for(gear.copied)
            server.kill9()
            code, _, err = running.end()
        assert code == 2
        assert "Error: " in err
        assert "run it again: pgtandem backfill gear" in err.lower().replace("\n", " ")
        server.restart()
        gear = Gear(owner)
        gear.fast()
        assert as_json("backfill", "gear", dsn=owner)["state"] == "complete"
        assert gear.differing() == 0

"""drain, gate, status, pause, override, and every wrong call of every command on a database."""

from __future__ import annotations

import signal

import psycopg
import pytest

from command_line import Gear, Running, as_json, pgtandem, wait_for
from pgtandem.parameters import Duration

COMMANDS = ("backfill", "status", "verify", "repair", "drain", "gate", "pause", "resume", "retry")


@pytest.fixture
def gear(filled_dsn):
    with psycopg.connect(filled_dsn, autocommit=True) as connection:
        connection.execute("CALL pgtandem.backfill('gear')")
    return Gear(filled_dsn)


@pytest.fixture
def failing(gear):
    """A write of the old side that the new side refuses; its key."""
    gear.rows(
        "ALTER TABLE gear_ops.gear_items ADD CONSTRAINT refused CHECK (brand <> 'x') NOT VALID"
    )
    return gear.value(
        "UPDATE user_core.old_equipment SET brand = 'x'"
        " WHERE id = (SELECT id FROM user_core.old_equipment LIMIT 1) RETURNING id::text"
    )


@pytest.mark.both
def test_drain_lists_what_fails_and_settles_what_does_not(filled_dsn, gear, failing):
    document = as_json("drain", "gear", dsn=filled_dsn, code=1)
    assert (document["left"], document["failed"]) == (1, 1)
    failure = document["failures"][0]
    assert failure["key"] == [failing]
    assert failure["sqlstate"] == "23514"
    assert "refused" in failure["message"]
    assert failure["attempts"] == 1
    assert failure["not_before"]
    out, err = pgtandem("drain", "gear", dsn=filled_dsn, code=1)
    assert out.startswith("gear: 1 entries left, 1 of them failed.\n")
    assert f'["{failing}"]  23514 ' in out
    assert "drained gear: 0 keys settled" in err

    gear.rows("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT refused")
    pgtandem("retry", "gear", "--reason", "constraint dropped", dsn=filled_dsn)
    out, _ = pgtandem("drain", "gear", dsn=filled_dsn)
    assert out == "gear: the queue is empty.\n"
    assert gear.differing() == 0
    reason = gear.value("SELECT reason FROM pgtandem.event WHERE kind = 'retry'")
    assert reason == "constraint dropped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_drain_follows_until_it_is_stopped(filled_dsn, gear, failing, number):
    with Running(
        "drain", "gear", "--follow", "--interval", "50ms", "--json", dsn=filled_dsn
    ) as running:
        gear.rows("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT refused")
        gear.rows("SELECT pgtandem.retry('gear')")
        wait_for(lambda: gear.value("SELECT count(*) FROM pgtandem.recheck") == 0)
        code, out, _ = running.end(number)
    assert code == 0
    assert '"left": 0' in out


def test_drain_needs_the_sync_phase(filled_dsn, gear):
    gear.rows("UPDATE pgtandem.mapping SET phase = 'expand'")
    _, err = pgtandem("drain", "gear", dsn=filled_dsn, code=2)
    assert "(SQLSTATE TD006)" in err
    assert "Hint: " in err


@pytest.mark.both
def test_gate_goes_on_holds_and_rolls_back(filled_dsn, gear):
    document = as_json("gate", "gear", dsn=filled_dsn, code=1)
    verdicts = {each["name"]: each["verdict"] for each in document["conditions"]}
    assert document["verdict"] == "hold"  # nobody has compared yet
    assert verdicts["consistency_percent"] == "hold"

    pgtandem("verify", "gear", dsn=filled_dsn)
    good = ("--signal", "error_rate=0.4", "--signal", "p99_ms=430")
    document = as_json("gate", "gear", *good, dsn=filled_dsn)
    assert document["verdict"] == "go on"
    figures = {each["name"]: each["figure"] for each in document["conditions"]}
    assert figures["error_rate"] == 0.4
    assert figures["p99_ms"] == 430
    assert figures["consistency_percent"] == 100
    out, _ = pgtandem("gate", "gear", *good, dsn=filled_dsn)
    assert out.endswith("gear: go on\n")

    out, _ = pgtandem("gate", "gear", "-s", "p99_ms=730", dsn=filled_dsn, code=1)
    assert out.endswith("gear: roll back (not judged: error_rate)\n")
    assert "roll back over 500" in out

    gear.unseen(
        "UPDATE gear_ops.gear_items SET brand = 'spoilt'"
        " WHERE id IN (SELECT id FROM gear_ops.gear_items LIMIT 10)"
    )
    pgtandem("verify", "gear", dsn=filled_dsn, code=1)
    document = as_json("gate", "gear", *good, dsn=filled_dsn, code=1)
    assert document["verdict"] == "hold"


@pytest.mark.both
def test_contract_conditions_and_an_override(filled_dsn, gear):
    document = as_json("gate", "gear", "--contract", dsn=filled_dsn, code=1)
    assert document["verdict"] == "hold"
    state = {each["name"]: each["met"] for each in document["conditions"]}
    assert state["comparison_clean"] is False
    assert state["queue_empty"] is True
    out, _ = pgtandem("gate", "gear", "--contract", dsn=filled_dsn, code=1)
    assert "pgtandem verify gear" in out
    assert out.endswith("gear: hold\n")

    unmet = [name for name, met in state.items() if not met]
    for name in unmet:
        pgtandem("override", "gear", name, "--reason", "tests only", dsn=filled_dsn)
    out, _ = pgtandem("gate", "gear", "--contract", dsn=filled_dsn)
    assert out.endswith("gear: go on, sqitch deploy --to gear_contract\n")
    events = gear.rows("SELECT detail, reason, role FROM pgtandem.event WHERE kind = 'override'")
    assert [each["detail"]["condition"] for each in events] == unmet
    assert {(each["reason"], each["role"]) for each in events} == {("tests only", "pgtandem_owner")}

    _, err = pgtandem("override", "gear", "luck", "--reason", "x", dsn=filled_dsn, code=2)
    assert 'there is no condition "luck" (SQLSTATE TD021)' in err
    _, err = pgtandem("override", "gear", "queue_empty", "--reason", " ", dsn=filled_dsn, code=2)
    assert "an override needs a reason" in err
    pgtandem("override", "gear", "queue_empty", dsn=filled_dsn, code=2)


@pytest.mark.both
def test_status(filled_dsn, gear, failing):
    document = as_json("status", dsn=filled_dsn)
    assert [each["mapping"] for each in document["mappings"]] == ["gear"]
    document = as_json("status", "gear", dsn=filled_dsn)
    assert document["phase"] == "sync"
    assert document["copy_state"] == "complete"
    assert document["rows_done"] == 3000
    assert document["differences"] is None
    assert [each["key"] for each in document["failures"]] == [[failing]]
    assert {"copy", "phase"} <= {each["kind"] for each in document["events"]}
    out, _ = pgtandem("status", dsn=filled_dsn)
    assert out.splitlines()[1].split()[:4] == ["gear", "sync", "complete", "100.0"]
    out, _ = pgtandem("status", "gear", dsn=filled_dsn)
    assert f'["{failing}"]' in out
    assert "last events" in out


def test_status_watches_until_it_is_stopped(filled_dsn):
    with Running("status", "--watch", "--interval", "100ms", dsn=filled_dsn) as running:
        assert running.stdout
        lines = [running.stdout.readline() for _ in range(6)]
        code, _, _ = running.end(signal.SIGINT)
    assert code == 0
    assert sum(line.startswith("gear") for line in lines) == 3


def test_status_without_a_mapping(dsn):
    assert pgtandem("status", dsn=dsn)[0] == "No mapping is deployed here.\n"
    assert as_json("status", dsn=dsn) == {"mappings": []}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_mapping(filled_dsn, command):
    _, err = pgtandem(command, "gaer", dsn=filled_dsn, code=2)
    assert err.startswith('Error: No mapping named "gaer" is deployed in the database "test_')
    assert "Detail: Deployed: gear.\n" in err
    assert 'Hint: Did you mean "gear"?\n' in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_without_the_engine(empty_dsn, command):
    _, err = pgtandem(command, "gear", dsn=empty_dsn, code=2)
    assert err.startswith('Error: The engine is not in the database "test_')
    assert "Hint: pgtandem init deploys it" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_does_not_answer(command):
    _, err = pgtandem(command, "gear", dsn="host=/nowhere dbname=x", code=2)
    assert err.startswith("Error: The database cannot be reached.")


def test_a_role_that_does_not_exist_and_one_without_rights(filled_dsn, as_user):
    _, err = pgtandem("status", dsn=as_user(filled_dsn, "nobody_at_all"), code=2)
    assert 'role "nobody_at_all" does not exist' in err
    for command in COMMANDS:
        _, err = pgtandem(command, "gear", dsn=as_user(filled_dsn, "old_app"), code=2)
        assert 'Error: The role "old_app" may not use the engine. (SQLSTATE 42501)' in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backfill",), "Missing argument 'MAPPING'"),
        (("backfill", "gear", "--jobs", "0"), "0 is not in the range 1<=x<=64"),
        (("backfill", "gear", "--jobs", "two"), "'two' is not a valid integer"),
        (("backfill", "gear", "--max-time", "soon"), '"soon" is no duration'),
        (("backfill", "gear", "--max-time", "0s"), '"0s" is no time at all'),
        (("backfill", "gear", "--max-time", "-1h"), '"-1h" is no duration'),
        (("verify", "gear", "--jobs", "65"), "65 is not in the range"),
        (("verify", "gear", "--sample", "0"), "0 is not in the range"),
        (("verify", "gear", "--limit", "-1"), "-1 is not in the range"),
        (("repair", "gear", "--comparison", "last"), "'last' is not a valid integer"),
        (("drain", "gear", "--interval", "1"), '"1" is no duration'),
        (("gate", "gear", "--signal", "error_rate"), '"error_rate" is no signal'),
        (("gate", "gear", "--signal", "error_rate=high"), '"error_rate=high" is no signal'),
        (("gate", "gear", "--signal", "error_rate=nan"), '"error_rate=nan" is no signal'),
        (("gate", "gear", "--signal", "=1"), '"=1" is no signal'),
        (("gate", "gear", "-s", "p99_ms=1", "-s", "p99_ms=2"), "A signal is given twice"),
        (("gate", "gear", "--contract", "-s", "p99_ms=1"), "--contract takes no signals"),
        (("gate", "gear", "--signal", "luck=1"), "no threshold for the signal luck"),
        (("gate", "gear", "gear"), "unexpected extra argument"),
        (("override", "gear", "queue_empty"), "Missing option '--reason'"),
    ],
)
def test_wrong_input_is_an_error_and_changes_nothing(filled_dsn, arguments, words):
    out, err = pgtandem(*arguments, dsn=filled_dsn, code=2)
    assert out == ""
    assert words in err


def test_durations():
    as_seconds = {"500ms": 0.5, "90s": 90, "5min": 300, "5m": 300, "1h30m": 5400, "1.5 h": 5400}
    for text, seconds in as_seconds.items():
        assert Duration().convert(text, None, None) == seconds

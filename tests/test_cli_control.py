"""drain, gate, status, pause, override, and every wrong call of every command on a database."""

from __future__ import annotations

import signal
import subprocess

import psycopg
import pytest

from command_line import PGTANDEM, Gear, Running, as_json, pgtandem, wait_for
from helpers import environment
from mappings import build
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
    assert out.startswith("gear: 1 entry left, 1 of them failed.\n")
    assert f'["{failing}"]  23514 ' in out
    assert "drained gear: 0 keys settled" in err
    assert "Mend what the errors name, then: pgtandem retry gear; pgtandem drain gear" in err

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


@pytest.mark.parametrize(
    ("affected", "verdict", "advice"),
    [(1, "go on", None), (3, "hold", "reduce: fewer users"), (11, "roll back", "roll back at onc")],
)
def test_the_decision_tree(filled_dsn, gear, affected, verdict, advice):
    tree = '{"signals": {"affected_percent": {"hold": 1, "roll_back": 10}}}'
    gear.rows("UPDATE pgtandem.mapping SET settings = jsonb_set(settings, '{gate}', %s)", tree)
    out, _ = pgtandem(
        "gate", "gear", "--signal", f"affected_percent={affected}", dsn=filled_dsn,
        code=int(verdict != "go on"),
    )  # fmt: skip
    assert f"\ngear: {verdict} (not judged: " in out
    assert ("To do:\n  affected_percent  " + (advice or "") in out) == bool(advice)


@pytest.mark.both
def test_contract_conditions_and_an_override(filled_dsn, gear):
    document = as_json("gate", "gear", "--contract", dsn=filled_dsn, code=1)
    assert document["verdict"] == "hold"
    state = {each["name"]: each["met"] for each in document["conditions"]}
    hints = {each["name"]: each["hint"] for each in document["conditions"]}
    assert hints["copy_complete"] == "sqitch deploy --to gear_backfill"
    assert hints["old_side_unread"] == "pgtandem verify gear"
    assert state["comparison_clean"] is False
    assert state["queue_empty"] is True
    out, _ = pgtandem("gate", "gear", "--contract", dsn=filled_dsn, code=1)
    assert "To do:\n  copy_complete " in out
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
    assert "rows 3,000, set_aside 0, state complete" in out
    # The copy is finished: it has no speed and waits for nothing.
    assert document["rows_per_second"] is document["waiting_for"] is None
    assert next_step(out) == "mend what keys failed of; pgtandem retry gear; pgtandem drain gear"
    gear.rows("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT refused")
    gear.rows("CALL pgtandem.drain('gear')")
    for phase, following in (
        ("sync", "sqitch deploy --to gear_backfill"),
        ("backfill", "pgtandem verify gear; pgtandem gate gear --contract"),
        ("contract", "nothing; sqitch revert --to gear_backfill takes contract back"),
        ("expand", "sqitch deploy --to gear_sync"),
    ):
        gear.rows("UPDATE pgtandem.mapping SET phase = %s", phase)
        assert next_step(pgtandem("status", "gear", dsn=filled_dsn)[0]) == following


def next_step(out):
    """What the status says comes next."""
    return next(line[4:].strip() for line in out.splitlines() if line.startswith("next "))


def test_what_was_copied_cannot_be_paused(filled_dsn, gear):
    _, err = pgtandem("pause", "gear", dsn=filled_dsn, code=2)
    assert 'mapping "gear" has no backfill to pause (SQLSTATE TD007)' in err
    assert "Detail: Its copy is complete, its phase sync." in err
    assert pgtandem("resume", "gear", dsn=filled_dsn)[0] == "gear: it was not paused.\n"
    assert pgtandem("retry", "gear", dsn=filled_dsn)[0] == "gear: nothing has failed.\n"


def test_the_gate_of_contract_says_what_keeps_the_copy_open(filled_dsn):
    gear = Gear(filled_dsn)

    def hint():
        document = as_json("gate", "gear", "--contract", dsn=filled_dsn, code=1)
        return document["conditions"][0]["hint"]

    assert hint() == "pgtandem backfill gear; then sqitch deploy --to gear_backfill"
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT n CHECK (name <> 'bad')")
    gear.unseen(
        "UPDATE user_core.old_equipment SET name = 'bad'"
        " WHERE id = (SELECT id FROM user_core.old_equipment LIMIT 1)"
    )
    pgtandem("backfill", "gear", dsn=filled_dsn, code=2)
    assert hint().startswith("See pgtandem.failures and mend what keeps these rows out; then ")


def test_contract_is_refused_with_each_thing_to_do_once(filled_dsn, gear):
    with pytest.raises(psycopg.Error) as caught:
        gear.rows("SELECT pgtandem.require_contract('gear')")
    said = caught.value.diag
    assert said.sqlstate == "TD020"
    assert all(
        name in said.message_detail
        for name in ("copy_complete", "comparison_clean", "comparison_recent", "old_side_unread")
    )
    steps = said.message_hint.split(" | ")
    assert steps[0] == "sqitch deploy --to gear_backfill"
    assert steps.count("pgtandem verify gear") == 1


def test_after_contract_nothing_is_awaited(filled_dsn, gear):
    gear.rows("UPDATE pgtandem.mapping SET phase = 'contract'")
    _, err = pgtandem("gate", "gear", "--contract", dsn=filled_dsn, code=2)
    assert 'Error: Mapping "gear" is contracted, so there is nothing to wait for.' in err
    assert "Hint: To take it back: sqitch revert --to gear_backfill" in err
    _, err = pgtandem("backfill", "gear", dsn=filled_dsn, code=2)
    assert 'mapping "gear" is in phase contract: there is nothing to backfill' in err
    assert "Hint: Its copy was complete before contract." in err


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
        (("backfill", "gear", "--max-time", "9999999999h"), '"9999999999h" is more than a year'),
        (("drain", "gear", "--follow", "--interval", "99999999999999999s"), "more than a year"),
        (("status", "gear", "--watch", "--interval", "0s"), '"0s" is no time at all'),
        (("status", "gear", "gear"), "unexpected extra argument"),
        (("status", "--target", ""), "The option that names the database is empty."),
        (("status", "--target", "nope"), "Two options name a database each"),
        (("pause",), "Missing argument 'MAPPING'"),
        (("resume", "gear", "--reason"), "unexpected extra argument"),
        (("retry", "gear", "--json"), "No such option"),
        (("repair", "gear", "--comparison", "0"), "0 is not in the range"),
        (("repair", "gear", "--comparison", str(2**63)), "is not in the range"),
        (("override", "gear", "luck", "--reason", "x"), 'no condition "luck"'),
        (("override", "gear", "queue_empty", "--reason", ""), "an override needs a reason"),
        (("gate", "gear", "--signal", "p99_ms=1e999999999"), "(SQLSTATE 22"),
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
    state = (
        "SELECT (SELECT array_agg(m) FROM pgtandem.mapping AS m) AS mappings, count(*) AS events"
    )
    before = Gear(filled_dsn).rows(f"{state} FROM pgtandem.event")
    out, err = pgtandem(*arguments, dsn=filled_dsn, code=2)
    assert out == ""
    assert words in err
    assert Gear(filled_dsn).rows(f"{state} FROM pgtandem.event") == before


def test_an_empty_dsn_does_not_fall_back_to_another_database(filled_dsn):
    done = subprocess.run(
        [PGTANDEM, "status", "--dsn", ""], env=environment(filled_dsn), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: The option that names the database is empty.\n")


def test_a_reader_that_has_seen_enough(filled_dsn):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {PGTANDEM} status gear --json | head -n 0"],
        env=environment(filled_dsn), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_durations():
    as_seconds = {"500ms": 0.5, "90s": 90, "5min": 300, "5m": 300, "1h30m": 5400, "1.5 h": 5400}
    for text, seconds in as_seconds.items():
        assert Duration().convert(text, None, None) == seconds


SEQUENCES = """
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id bigserial PRIMARY KEY, name text);
CREATE TABLE shop.person (id bigint GENERATED {} AS IDENTITY PRIMARY KEY, name text);
INSERT INTO shop.customer (name) SELECT 'c' || n FROM generate_series(1, 50) AS n;
"""
CUSTOMERS = """
mapping: customers
source: {table: shop.customer, columns: {id: bigint, name: text}}
target: {table: shop.person, columns: {id: bigint, name: text}}
key: [id]
columns: {id: id, name: name}
"""


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ALWAYS", "BY DEFAULT"])
def test_the_gate_holds_where_new_rows_would_collide(dsn, conn, kind):
    build(dsn, CUSTOMERS, SEQUENCES.format(kind))
    pgtandem("backfill", "customers", dsn=dsn)
    out, _ = pgtandem("gate", "customers", dsn=dsn, code=1)
    assert "sequence_behind" in out
    assert "50 values" in out
    assert (
        "To do:\n  sequence_behind  let the new table draw from the sequence of the old one" in out
    )
    assert "shop.person.id: shop.person_id_seq gives 1 next, ids up to 50 are taken" in out
    assert out.splitlines()[-1].startswith("customers: hold")
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("INSERT INTO shop.person (name) VALUES ('new')")

    # A number that is free, or the source's own sequence, which is what docs/operations.md says.
    conn.execute("SELECT setval('shop.person_id_seq', 50)")
    assert "0 values" in pgtandem("gate", "customers", dsn=dsn)[0]
    conn.execute("SELECT setval('shop.person_id_seq', 20)")
    conn.execute("ALTER TABLE shop.person ALTER id DROP IDENTITY IF EXISTS")
    conn.execute("ALTER TABLE shop.person ALTER id SET DEFAULT nextval('shop.customer_id_seq')")
    conditions = as_json("gate", "customers", dsn=dsn, code=1)["conditions"]
    assert "sequence_behind" not in {each["name"] for each in conditions}
    out, _ = pgtandem("gate", "customers", dsn=dsn, code=1)
    assert "nothing is judged  set thresholds under gate in the mapping" in out
    for table in ("person", "customer") * 2:
        conn.execute(f"INSERT INTO shop.{table} (name) VALUES ('new')")
    assert as_json("verify", "customers", dsn=dsn)["source_rows"] == 54

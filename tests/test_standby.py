"""A hot standby: verify works there and says what it cannot store; the rest is for the primary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from psycopg.conninfo import conninfo_to_dict

from command_line import Gear, as_json, pgtandem, wait_for
from helpers import OWNER
from pgtandem.server import Server


@dataclass(frozen=True)
class Pair:
    """The connection strings of one database, and a session on each side."""

    primary: str
    standby: str
    there: Gear
    here: Gear

    def catch_up(self) -> None:
        """Return when the standby has replayed what the primary has written."""
        written = self.there.value("SELECT pg_current_wal_flush_lsn()")
        wait_for(lambda: self.here.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written))


@pytest.fixture
def pair(server: Server, filled_dsn: str) -> Iterator[Pair]:
    """gear, copied, on the run's server and on a standby that streams from it."""
    there = Gear(filled_dsn)
    there.rows("CALL pgtandem.backfill('gear')")
    with Server.start(server.version, standby_of=server, settings=HOT) as standby:
        dsn = standby.dsn(str(conninfo_to_dict(filled_dsn)["dbname"]), OWNER)
        yield Pair(filled_dsn, dsn, there, Gear(dsn))


# At least those of the primary, or a standby does not start.
HOT = {"max_connections": "200", "max_prepared_transactions": "10"}


@pytest.mark.both
@pytest.mark.parametrize("jobs", [1, 3])
def test_verify_on_a_standby(pair: Pair, jobs: int) -> None:
    out, err = pgtandem("verify", "gear", "--jobs", jobs, dsn=pair.standby)
    assert out.startswith("gear: equal. Compared every row on one snapshot in ")
    assert "3,000 rows of the source, 3,000 of the target" in out
    assert err == "This is a standby: the result is not stored, so no gate knows of it.\n"

    pair.there.unseen("UPDATE gear_ops.gear_items SET brand = 'spoilt' WHERE name < 'd'")
    spoilt = pair.there.value("SELECT count(*) FROM gear_ops.gear_items WHERE brand = 'spoilt'")
    pair.catch_up()
    document = as_json("verify", "gear", "--jobs", jobs, dsn=pair.standby, code=1)
    assert document["changed"] == spoilt > 0
    assert document["comparison"] is None
    assert document["differences"][0]["column"] == "brand"
    _, err = pgtandem("verify", "gear", dsn=pair.standby, code=1)
    assert "repair" not in err  # there is nothing to go by
    assert pair.there.value("SELECT count(*) FROM pgtandem.comparison") == 0


def test_a_sample_on_a_standby(pair: Pair) -> None:
    document = as_json("verify", "gear", "--sample", 100, dsn=pair.standby)
    assert document["source_rows"] == document["target_rows"] == 100
    # A plan counts there, too; what takes scratch tables is unknown, and not made up.
    pair.there.rows("UPDATE pgtandem.mapping SET copy_state = 'open'")
    pair.catch_up()
    document = as_json("plan", "gear", dsn=pair.standby)
    assert document["leave"] == {"rows": 3000, "at_least": 3000, "at_most": 3000}
    for part in ("cost", "failing"):
        assert document[part] == {
            "unknown": "cannot execute CREATE TABLE in a read-only transaction."
        }


def test_the_other_commands_on_a_standby(pair: Pair) -> None:
    for command in ("backfill", "drain", "repair", "pause", "resume", "retry", "status", "gate"):
        _, err = pgtandem(command, "gear", dsn=pair.standby, code=2)
        assert err == (
            "Error: This is a standby, which only pgtandem verify can work with.\n"
            "Hint: Connect to the primary.\n"
        ), command
    _, err = pgtandem("init", dsn=pair.standby, code=2)
    assert err.startswith("Error: This is a standby.\n")
    found = {each["name"]: each for each in as_json("doctor", dsn=pair.standby)}
    assert found["primary"]["state"] == "warn"
    # What contract waits for can be read here: the comparisons of the primary are replicated.
    pgtandem("verify", "gear", dsn=pair.primary)
    pair.catch_up()
    document = as_json("gate", "gear", "--contract", dsn=pair.standby, code=1)
    met = {each["name"]: each["met"] for each in document["conditions"]}
    assert met["comparison_clean"] is True


def test_flags_can_be_asked_for_on_a_standby_but_not_changed(pair: Pair) -> None:
    pgtandem("rollout", "set", "v5", 20, dsn=pair.primary)
    pair.catch_up()
    asked = "SELECT array_agg(pgtandem.enabled('v5', n)) FROM generate_series(1, 100) AS n"
    assert pair.here.value(asked) == pair.there.value(asked)
    document = as_json("rollout", "check", "v5", "1", dsn=pair.standby)
    assert document["enabled"] is True
    for change in (("set", "v5", 50), ("next", "v5"), ("allow", "v5", "a"), ("drop", "v5")):
        _, err = pgtandem("rollout", *change, dsn=pair.standby, code=2)
        assert err == (
            "Error: Flags cannot be changed here: this is a standby, or read-only."
            " (SQLSTATE 25006)\nHint: Connect to the primary.\n"
        )

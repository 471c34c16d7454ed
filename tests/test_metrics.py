"""pgtandem metrics: each figure in a state driven to it; servers that are lost, or silent."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from command_line import Gear, Running, pgtandem, wait_for
from conftest import GEAR, SETTINGS
from helpers import OWNER, ROLES, ROOT, Session, psql, sqitch
from pgtandem.server import EMBEDDED, Server
from test_standby import HOT

OPERATIONS = ROOT / "docs" / "operations.md"


def promtool() -> str:
    """Where it is; on the PATH, or where tools/bootstrap puts it."""
    found = shutil.which("promtool", path=f"{os.environ['PATH']}:{ROOT / '.cache'}")
    if not found:
        pytest.skip("promtool is packaged for Debian and Ubuntu; make setup takes it from there")
    return found


class Scraped:
    """A scrape, as a parser of Prometheus's text format reads it."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = {
            (sample.name.removeprefix("pgtandem_"), frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }
        self.names = {sample.name for family in self.families for sample in family.samples}

    def value(self, name: str, **labels: str) -> float:
        """The value of a sample; a mapping is gear unless it is named or None."""
        return self.samples[name, frozenset(({"mapping": "gear"} | labels).items())]

    def of_all(self, name: str, **labels: str) -> float:
        """The value of a sample that has no mapping."""
        return self.samples[name, frozenset(labels.items())]

    def labelled(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels."""
        return {
            dict(labels)[label]: value for (n, labels), value in self.samples.items() if n == name
        }

    def is_in(self, name: str, label: str) -> str:
        """The state that is 1; all others are 0."""
        states = self.labelled(name, label)
        assert sorted(set(states.values())) == [0, 1]
        (found,) = (state for state, value in states.items() if value)
        return found


def scraped(*arguments: object, dsn: str) -> Scraped:
    out, err = pgtandem("metrics", *arguments, dsn=dsn)
    assert err == ""
    return Scraped(out)


# Rollout flags, whatever else this engine has.
FLAGS = """
SELECT pgtandem.set_flag('memory', 5), pgtandem.set_flag('push', 'on'),
       pgtandem.set_flag('new', 'off', 'not yet')
"""


def full(dsn: str, as_user: object) -> Gear:
    """gear in a state in which every metric has a sample; also for tests/test_monitoring.py."""
    gear = Gear(dsn)
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {gear.connection.info.dbname} SET track_functions = 'pl'")
    gear = Gear(dsn)
    gear.rows(FLAGS)
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT injected CHECK (brand <> 'bad')")
    gear.rows(
        "UPDATE user_core.old_equipment SET brand = 'bad'"
        " WHERE id IN (SELECT id FROM user_core.old_equipment ORDER BY id LIMIT 3)"
    )
    gear.slow()
    gear.rows("CALL pgtandem.compare('gear')")
    calls = "SELECT sum(calls) FROM pgtandem.trigger_cost"
    gear.connection.close()
    gear = Gear(dsn)
    wait_for(lambda: gear.value(calls))
    return gear


@contextlib.contextmanager
def slot(dsn: str) -> Iterator[None]:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('behind', true)")
        try:
            admin.execute("CREATE TABLE public.wal AS SELECT generate_series(1, 10000)")
            yield
        finally:
            admin.execute("SELECT pg_drop_replication_slot('behind')")


def test_before_anything_was_copied(gear_dsn):
    found = scraped(dsn=gear_dsn)
    assert found.of_all("up") == 1
    assert set(found.labelled("query_up", "query").values()) == {1}
    assert found.of_all("sees_sessions") == 1
    assert 0 < found.of_all("scrape_duration_seconds") < 9
    assert found.is_in("phase", "phase") == "sync"
    assert found.is_in("copy_state", "state") == "open"
    assert found.labelled("workers", "state") == {"working": 0, "waiting": 0}
    assert found.labelled("queue_entries", "reason") == dict.fromkeys(
        ("gone", "queued", "sync", "copy", "difference"), 0
    )
    assert found.labelled("sync_failures_total", "reason") == {"sync": 0, "copy": 0}
    assert found.value("queue_delay_seconds") == 0
    assert found.value("paused") == 0
    assert not found.names & {
        "pgtandem_comparison_clean", "pgtandem_flag_state", "pgtandem_copy_eta_seconds",
        "pgtandem_trigger_calls_total",
    }  # fmt: skip


@pytest.mark.both
def test_a_copy_on_its_way(filled_dsn):
    gear = Gear(filled_dsn)
    gear.slow()
    with Running("backfill", "gear", "--jobs", 2, dsn=filled_dsn) as backfill:
        wait_for(lambda: gear.copied() > 300)
        gear.rows("SELECT pgtandem.pause('gear')")
        wait_for(lambda: len(gear.rows(
            "SELECT pid FROM pgtandem.worker_status WHERE kind = 'paused'")) == 2)  # fmt: skip
        found = scraped(dsn=filled_dsn)
        done = gear.rows("SELECT * FROM pgtandem.progress")[0]
        assert found.labelled("workers", "state") == {"working": 0, "waiting": 2}
        assert found.labelled("waiting_workers", "reason") == {"paused": 2}
        assert found.value("paused") == 1
        assert found.value("copied_rows_total") == gear.copied() == done["rows_done"] > 300
        assert found.value("copy_blocks") == done["blocks"] == 45
        assert found.value("copy_done_blocks") == done["blocks_done"] > 0
        assert found.value("copy_chunks") == done["chunks"] == 45
        chunks = found.value("copy_done_chunks")
        assert 0 < chunks == done["chunks_done"] < 45
        assert found.value("copy_progress_ratio") == pytest.approx(chunks / 45, abs=0.001)
        assert found.value("copy_rows_per_second") > 0
        assert found.value("copy_eta_seconds") > 0
        gear.fast()
        gear.rows("SELECT pgtandem.resume('gear')")
        assert backfill.end()[0] == 0
    found = scraped(dsn=filled_dsn)
    assert found.is_in("copy_state", "state") == "complete"
    assert found.value("copy_progress_ratio") == 1
    assert found.value("copied_rows_total") == 3000
    assert found.labelled("events_total", "kind") == {
        "register": 1, "phase": 1, "copy": 2, "pause": 1, "resume": 1,
    }  # fmt: skip


@pytest.mark.both
def test_failures_and_the_queue(filled_dsn):
    gear = Gear(filled_dsn)
    gear.rows("CALL pgtandem.backfill('gear')")
    gear.rows("ALTER TABLE gear_ops.gear_items ADD CONSTRAINT injected CHECK (brand <> 'bad')")
    before = scraped(dsn=filled_dsn).labelled("table_writes_total", "side")
    with psycopg.connect(filled_dsn, autocommit=True) as writer:
        writer.execute(
            "UPDATE user_core.old_equipment SET brand = 'bad' WHERE id IN"
            " (SELECT id FROM user_core.old_equipment ORDER BY id LIMIT 3)"
        )
        writer.execute(
            "UPDATE user_core.old_equipment SET last_viewed_at = now()"
            " WHERE brand IS DISTINCT FROM 'bad'"
        )
    gear.rows("UPDATE pgtandem.recheck SET queued_at = queued_at - interval '1 hour'"
              " WHERE id = (SELECT min(id) FROM pgtandem.recheck)")  # fmt: skip
    found = scraped(dsn=filled_dsn)
    assert found.labelled("queue_entries", "reason") == {
        "sync": 3, "copy": 0, "gone": 0, "difference": 0, "queued": 0,
    }  # fmt: skip
    assert found.value("queue_failed_entries") == 3
    assert 3600 < found.value("queue_delay_seconds") < 3700
    assert found.labelled("sync_failures_total", "reason") == {"sync": 3, "copy": 0}
    assert abs(time.time() - found.value("last_sync_failure_timestamp_seconds", reason="sync")) < 60

    def writes() -> dict[str, float]:
        now = scraped(dsn=filled_dsn).labelled("table_writes_total", "side")
        return {side: now[side] - before[side] for side in now}

    wait_for(lambda: writes()["source"] == 3000)
    gear.rows("ALTER TABLE gear_ops.gear_items DROP CONSTRAINT injected")
    pgtandem("retry", "gear", dsn=filled_dsn)
    pgtandem("drain", "gear", dsn=filled_dsn)
    found = scraped(dsn=filled_dsn)
    assert set(found.labelled("queue_entries", "reason").values()) == {0}
    assert found.value("queue_delay_seconds") == 0
    assert found.labelled("sync_failures_total", "reason") == {"sync": 3, "copy": 0}  # for good


@pytest.mark.both
def test_comparison_and_gate(filled_dsn):
    gear = Gear(filled_dsn)
    gear.rows("CALL pgtandem.backfill('gear')")
    gear.rows("CALL pgtandem.compare('gear')")
    found = scraped(dsn=filled_dsn)
    assert found.value("comparison_clean") == found.value("comparison_counts") == 1
    assert found.value("comparison_consistency_ratio") == 1
    assert found.value("comparison_source_rows") == 3000
    clean = found.value("last_clean_comparison_timestamp_seconds")
    assert clean == found.value("comparison_timestamp_seconds")
    assert abs(time.time() - clean) < 60

    gear.unseen(
        "UPDATE gear_ops.gear_items SET brand = 'spoilt'"
        " WHERE id IN (SELECT id FROM gear_ops.gear_items ORDER BY id LIMIT 40)",
        "DELETE FROM gear_ops.gear_items"
        " WHERE id IN (SELECT id FROM gear_ops.gear_items ORDER BY id DESC LIMIT 20)",
    )
    gear.rows("CALL pgtandem.compare('gear')")
    samples = gear.value("SELECT count(*) FROM pgtandem.sample")
    found = scraped("gear", dsn=filled_dsn)
    assert found.labelled("comparison_differing_rows", "kind") == {
        "changed": 40, "missing": 20, "extra": 0,
    }  # fmt: skip
    assert found.value("comparison_clean") == 0
    assert found.value("comparison_target_rows") == 2980
    assert found.value("comparison_consistency_ratio") == pytest.approx(0.98)
    assert found.value("last_clean_comparison_timestamp_seconds") == clean
    figures = found.labelled("gate_figure", "condition")
    assert figures == {
        "sync_failure_percent": 0, "differences_per_hour": 60, "consistency_percent": 98,
    }  # fmt: skip
    verdicts = {
        condition: verdict
        for (name, labels), value in found.samples.items()
        if name == "gate_verdict" and value
        for condition, verdict in [(dict(labels)["condition"], dict(labels)["verdict"])]
    }
    assert verdicts == {
        "sync_failure_percent": "go on",
        "differences_per_hour": "hold",
        "consistency_percent": "roll back",
    }
    assert gear.value("SELECT count(*) FROM pgtandem.sample") == samples  # it only looked


def test_what_triggers_cost_and_flags(filled_dsn, as_user):
    gear = full(filled_dsn, as_user)
    found = scraped(dsn=filled_dsn)
    calls = found.value("trigger_calls_total", function="sync_forward")
    assert calls == gear.value(
        "SELECT calls FROM pgtandem.trigger_cost WHERE function = 'sync_forward'"
    )
    assert calls >= 3
    assert 0 < found.value("trigger_seconds_total", function="sync_forward") < 3
    assert found.labelled("flag_rollout_ratio", "flag") == {"memory": 0.05, "push": 1, "new": 0}
    assert found.of_all("flag_state", flag="memory", state="percentage") == 1
    assert found.of_all("flag_state", flag="memory", state="on") == 0
    assert found.of_all("flag_state", flag="push", state="on") == 1


@pytest.mark.both
def test_who_waits_for_us(filled_dsn):
    lock = "LOCK TABLE user_core.users IN ACCESS EXCLUSIVE MODE"
    with (
        Session(filled_dsn, application_name="pgtandem") as ours,
        Session(filled_dsn) as theirs,
        Session(filled_dsn) as other,
        Session(filled_dsn) as another,
    ):
        ours.run("BEGIN")
        ours.run(lock)
        theirs.send("SELECT count(*) FROM user_core.users").waits_for_lock(ours)
        other.run("BEGIN")
        other.run("LOCK TABLE gear_ops.gear_items IN ACCESS EXCLUSIVE MODE")
        another.send("SELECT count(*) FROM gear_ops.gear_items").waits_for_lock(other)
        # What blocks the tables of the applications does not block a scrape.
        found = scraped(dsn=filled_dsn)
        assert set(found.labelled("query_up", "query").values()) == {1}
        assert found.of_all("blocked_sessions") == 1
        assert 0 < found.of_all("blocked_longest_seconds") < 60
        gear = Gear(filled_dsn)
        (wait,) = gear.rows("SELECT pid, blocked_by FROM pgtandem.lock_waits")
        assert wait == {"pid": theirs.pid, "blocked_by": [ours.pid]}
        ours.run("ROLLBACK")
        theirs.result()
        assert scraped(dsn=filled_dsn).of_all("blocked_sessions") == 0
        other.run("ROLLBACK")
        another.result()


@pytest.mark.both
def test_standbys_and_slots(server, filled_dsn, as_user):
    with (
        slot(as_user(filled_dsn, "postgres")),
        Server.start(server.version, standby_of=server, settings=HOT) as standby,
    ):
        gear = Gear(filled_dsn)
        wait_for(lambda: gear.rows("SELECT name FROM pgtandem.wal_status WHERE kind = 'standby'"))
        found = scraped(dsn=filled_dsn)
        assert found.labelled("replication_lag_bytes", "standby")["walreceiver"] >= 0
        assert found.labelled("slot_retained_bytes", "slot")["behind"] > 100_000
        with psycopg.connect(standby.dsn(), autocommit=True) as there:
            there.execute("SELECT pg_wal_replay_pause()")
        gear.rows("CREATE TABLE gear_ops.more AS SELECT generate_series(1, 100000)")
        wait_for(lambda: scraped(dsn=filled_dsn).labelled("replication_lag_bytes", "standby")[
            "walreceiver"] > 1_000_000)  # fmt: skip
        dsn = standby.dsn(str(conninfo_to_dict(filled_dsn)["dbname"]), OWNER)
        _, err = pgtandem("metrics", dsn=dsn, code=2)
        assert "This is a standby" in err


def test_names_and_help_are_as_prometheus_wants_them(filled_dsn, as_user):
    full(filled_dsn, as_user)
    out, _ = pgtandem("metrics", dsn=filled_dsn)
    for family in Scraped(out).families:
        assert family.name.startswith("pgtandem_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")
    done = subprocess.run(
        [promtool(), "check", "metrics"], input=out, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_reason_to_wait_has_a_kind(dsn):
    """What throttle.sql, backfill.sql and walk.sql give as reasons, found in their text."""
    gear = Gear(dsn)
    begins = r"(?:reason := (?:format\()?|_worker_waits\(\s*(?:format\()?|WHEN 'busy' THEN )"
    reasons: list[str] = []
    for name in ("throttle", "backfill", "walk"):
        text = (ROOT / "deploy" / f"{name}.sql").read_text()
        reasons += re.findall(begins + r"'([^']+)'", text)
        reasons += re.findall(r"format\('(a lock on [^']+)'", text)
    assert len(set(reasons)) >= 11
    for reason in reasons:
        kind = gear.value("SELECT pgtandem._wait_kind(%s)", reason.replace("%s", "x"))
        assert kind not in {None, "other"}, reason


# ---- who may


@pytest.fixture
def dashboard(server, filled_dsn, as_user) -> Iterator[str]:
    """A role with the grants of docs/operations.md, and no others."""
    admin_dsn = as_user(filled_dsn, "postgres")
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE ROLE dashboard LOGIN")
        for statement in grants():
            admin.execute(statement)
        yield as_user(filled_dsn, "dashboard")
        admin.execute("DROP OWNED BY dashboard")
        admin.execute("DROP ROLE dashboard")


def grants() -> list[str]:
    (block,) = re.findall(
        r"^```sql\n(GRANT .*? TO dashboard;.*?)```",
        OPERATIONS.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    text = re.sub(r"--.*", "", block)
    return [each for each in text.split(";") if "dashboard" in each]


@pytest.mark.both
def test_a_dashboard_sees_what_the_owner_sees(filled_dsn, as_user, dashboard):
    gear = full(filled_dsn, as_user)
    gear.rows("GRANT SELECT ON pgtandem.rollout_status TO dashboard")
    with Running("backfill", "gear", dsn=filled_dsn) as backfill:
        wait_for(lambda: gear.copied() > 100)
        mine, theirs = scraped(dsn=filled_dsn), scraped(dsn=dashboard)
        assert theirs.names == mine.names
        assert set(theirs.labelled("query_up", "query").values()) == {1}
        assert sum(theirs.labelled("workers", "state").values()) == 1
        gear.fast()
        assert backfill.end()[0] == 2  # three rows cannot be copied
    assert theirs.labelled("sync_failures_total", "reason")["sync"] == 3


def test_without_pg_read_all_stats_what_is_not_seen_is_not_said(filled_dsn, as_user, dashboard):
    with psycopg.connect(as_user(filled_dsn, "postgres"), autocommit=True) as admin:
        admin.execute("REVOKE pg_read_all_stats FROM dashboard")
    found = scraped(dsn=dashboard)
    assert found.of_all("sees_sessions") == 0
    for name in ("workers", "waiting_workers", "blocked_sessions", "replication_lag_bytes"):
        assert f"pgtandem_{name}" not in found.names
    assert found.is_in("phase", "phase") == "sync"


def test_a_grant_that_is_missing_is_named(filled_dsn, as_user, dashboard):
    gear = Gear(filled_dsn)
    gear.rows("REVOKE SELECT ON pgtandem.gate_status FROM dashboard")
    out, err = pgtandem("metrics", dsn=dashboard, code=2)
    assert err.startswith("Error: permission denied for view gate_status (SQLSTATE 42501)")
    found = Scraped(out)
    assert found.of_all("query_up", query="gate") == 0
    assert found.of_all("query_up", query="queue") == 1
    gear.rows("REVOKE USAGE ON SCHEMA pgtandem FROM dashboard")
    out, err = pgtandem("metrics", dsn=dashboard, code=2)
    assert out == ""
    assert 'The role "dashboard" may not use the engine.' in err


# ---- what is wrong


def test_an_unknown_mapping(gear_dsn):
    for more in ((), ("--listen", ":0")):
        out, err = pgtandem("metrics", "gaer", *more, dsn=gear_dsn, code=2)
        assert out == ""
        assert 'No mapping named "gaer" is deployed' in err
        assert 'Did you mean "gear"?' in err
    found = scraped("gear", dsn=gear_dsn)
    assert found.labelled("phase", "mapping").keys() == {"gear"}


def test_no_engine(empty_dsn):
    _, err = pgtandem("metrics", "--listen", ":0", dsn=empty_dsn, code=2)
    assert "The engine is not in the database" in err


def test_no_server(tmp_path):
    _, err = pgtandem("metrics", dsn=f"host={tmp_path} dbname=x", code=2)
    assert "The database cannot be reached." in err


@pytest.mark.parametrize(
    "value",
    ["9188", "localhost", ":", ":x", ":-1", ":65536", "::1:9188", ":９１８８", "", "[::1:9"],
)
def test_no_address(gear_dsn, value):
    _, err = pgtandem("metrics", "--listen", value, dsn=gear_dsn, code=2)
    assert f"Invalid value for '--listen': \"{value}\"" in err


def test_a_port_that_is_taken(gear_dsn):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _, err = pgtandem("metrics", "--listen", f":{port}", dsn=gear_dsn, code=2)
    assert f"Cannot listen on 127.0.0.1:{port}." in err
    assert "Address already in use" in err
    _, err = pgtandem("metrics", "--listen", "192.0.2.1:9188", dsn=gear_dsn, code=2)
    assert "Cannot listen on 192.0.2.1:9188." in err


# ---- served


class Exporter(Running):
    """An exporter that listens."""

    def __init__(self, *arguments: object, dsn: str) -> None:
        super().__init__("metrics", "--listen", *(arguments or (":0",)), dsn=dsn)
        assert self.stderr
        self.said: list[str] = []
        while not self.said or not self.said[-1].startswith("Metrics on "):
            line = self.stderr.readline()
            assert line, self.said
            self.said.append(line)
        self.url = self.said[-1].split()[-1]

    def scrape(self) -> Scraped:
        with urllib.request.urlopen(self.url, timeout=30) as answer:  # noqa: S310 - http
            assert answer.status == 200
            return Scraped(answer.read().decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_ended(gear_dsn, number):
    with Exporter(dsn=gear_dsn) as exporter:
        assert exporter.url.startswith("http://127.0.0.1:")
        gear = Gear(gear_dsn)
        first = exporter.scrape()
        assert first.names == scraped(dsn=gear_dsn).names
        gear.rows("SELECT pgtandem.queue('gear', '[\"a\"]', 'difference')")
        assert exporter.scrape().labelled("queue_entries", "reason")["difference"] == 1
        # Between two scrapes there is no session; a backend ends a little after its client.
        none = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgtandem'"
        wait_for(lambda: gear.value(none))
        code, out, err = exporter.end(number)
    assert (code, out, err) == (0, "", "")
    with pytest.raises(OSError, match="refused"):
        exporter.scrape()


def test_it_listens_where_it_is_told(gear_dsn):
    with Exporter("[::1]:0", dsn=gear_dsn) as exporter:
        assert exporter.url.startswith("http://[::1]:")
        assert exporter.scrape().of_all("up") == 1
    with Exporter("0.0.0.0:0", "gear", dsn=gear_dsn) as exporter:
        assert exporter.url.startswith("http://0.0.0.0:")
        assert exporter.scrape().of_all("up") == 1


@pytest.mark.both
def test_scrapes_at_once_take_one_session_and_wait_for_no_lock_for_long(gear_dsn):
    found: list[Scraped] = []
    with Exporter(dsn=gear_dsn) as exporter, Session(gear_dsn) as holder:
        holder.run("BEGIN")
        # Not a table of an application: one of the engine's, as a deploy of it might.
        holder.run("LOCK TABLE pgtandem.event IN ACCESS EXCLUSIVE MODE")
        threads = [
            threading.Thread(target=lambda: found.append(exporter.scrape())) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        gear, most = Gear(gear_dsn), 0
        while any(thread.is_alive() for thread in threads):
            most = max(
                most,
                gear.value(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE application_name = 'pgtandem' AND datname = current_database()"
                    " AND wait_event_type = 'Lock'"
                ),
            )
            time.sleep(0.02)
        assert most == 1
        assert len(found) == 3
        for each in found:
            assert each.of_all("up") == 1
            assert each.of_all("query_up", query="events") == 0
            assert each.of_all("query_up", query="mappings") == 1
            assert each.of_all("scrape_duration_seconds") >= 1
        holder.run("ROLLBACK")
        assert exporter.scrape().of_all("query_up", query="events") == 1
        _, _, err = exporter.end(signal.SIGTERM)
    assert err.splitlines() == [
        "canceling statement due to lock timeout (SQLSTATE 55P03)", "All is well again.",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """A server of its own, with gear, to stop and to freeze."""
    with Server.start(os.environ.get("PGTANDEM_TEST_PG", EMBEDDED), SETTINGS) as running:
        with psycopg.connect(running.dsn(), autocommit=True) as admin:
            for role in ROLES:
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            admin.execute(f"CREATE DATABASE gear OWNER {OWNER}")
        dsn = running.dsn("gear", OWNER)
        sqitch("deploy", dsn=dsn)
        psql(GEAR / "legacy.sql", dsn)
        sqitch("deploy", "--to-change", "gear_sync", dsn=dsn, project=GEAR)
        yield running


@pytest.mark.both
def test_a_database_that_is_lost_and_comes_back(mortal):
    with Exporter(dsn=mortal.dsn("gear", OWNER)) as exporter:
        assert exporter.scrape().of_all("up") == 1
        mortal.kill9()
        began = time.monotonic()
        found = exporter.scrape()
        assert found.of_all("up") == 0
        assert "pgtandem_phase" not in found.names
        assert exporter.scrape().of_all("up") == 0
        assert time.monotonic() - began < 10
        mortal.restart()
        assert exporter.scrape().is_in("phase", "phase") == "sync"
        code, _, err = exporter.end(signal.SIGTERM)
    assert code == 0
    assert err.count("The database cannot be reached.") == 1
    assert err.splitlines()[-1] == "All is well again."


@pytest.mark.both
def test_a_database_that_is_not_there_yet(mortal):
    mortal.kill9()
    with Exporter(dsn=mortal.dsn("gear", OWNER)) as exporter:
        assert "The database cannot be reached." in exporter.said[0]
        assert exporter.scrape().of_all("up") == 0
        mortal.restart()
        assert exporter.scrape().of_all("up") == 1


def test_a_server_that_does_not_answer(mortal):
    """Neither one that takes the connection and says nothing, nor one that falls silent later."""
    with Exporter(dsn=mortal.dsn("gear", OWNER)) as exporter:
        os.kill(mortal.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert exporter.scrape().of_all("up") == 0
            assert time.monotonic() - began < 10
        finally:
            os.kill(mortal.pid, signal.SIGCONT)
        assert exporter.scrape().of_all("up") == 1


def test_a_backend_that_falls_silent(mortal):
    dsn = mortal.dsn("gear", OWNER)
    gear = Gear(dsn)
    pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgtandem'"
    with Exporter(dsn=dsn) as exporter, Session(dsn) as holder:
        holder.run("BEGIN")
        holder.run("LOCK TABLE pgtandem.event IN ACCESS EXCLUSIVE MODE")
        found: list[Scraped] = []
        began = time.monotonic()
        scrape = threading.Thread(target=lambda: found.append(exporter.scrape()))
        scrape.start()
        wait_for(lambda: gear.rows(pid + " AND wait_event_type = 'Lock'"))
        backend = gear.value(pid)
        os.kill(backend, signal.SIGSTOP)
        try:
            scrape.join(20)
            assert time.monotonic() - began < 10
            assert found[0].of_all("up") == 0
        finally:
            os.kill(backend, signal.SIGCONT)
        holder.run("ROLLBACK")
        assert exporter.scrape().of_all("up") == 1
        _, _, err = exporter.end(signal.SIGTERM)
    assert "server closed the connection" in err


@pytest.mark.both
def test_a_scrape_writes_nothing_and_reads_no_table_of_the_applications(filled_dsn):
    gear = Gear(filled_dsn)
    reads = (
        "SELECT sum(pgtandem.reads_of(t)) AS reads"
        " FROM unnest('{user_core.old_equipment,gear_ops.gear_items}'::regclass[]) AS t"
    )
    before = gear.value(reads)
    lsn = gear.value("SELECT pg_current_wal_insert_lsn()::text")
    for _ in range(3):
        scraped(dsn=filled_dsn)
    assert gear.value("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", lsn) < 100_000
    assert gear.value(reads) == before


def test_the_connection_string_may_set_what_it_likes(gear_dsn):
    dsn = make_conninfo(gear_dsn, application_name="my exporter", connect_timeout="20")
    assert scraped(dsn=dsn).of_all("up") == 1

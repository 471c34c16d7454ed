"""monitoring/, as Prometheus and Grafana would read it, against a real scrape."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from ruamel.yaml import YAML

from command_line import Running, wait_for
from helpers import ROOT
from pgtandem.server import Server
from test_metrics import HOT, Scraped, full, promtool, scraped, slot

MONITORING = ROOT / "monitoring"
RULES = YAML(typ="safe").load(MONITORING / "pgtandem.rules.yml")["groups"]
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text())
OF_PROMETHEUS = {"up"}  # what Prometheus itself says of each scrape
README = (MONITORING / "README.md").read_text()


def rules(kind: str) -> list[dict[str, Any]]:
    return [rule for group in RULES for rule in group["rules"] if kind in rule]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def targets() -> list[dict[str, Any]]:
    return [target for panel in panels() for target in panel["targets"]]


def selectors(node: Any) -> Iterator[Any]:
    """The selectors of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("vector_selector", "expr", "lhs", "rhs", "param"):
        if (inner := getattr(node, name, None)) is not None:
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from selectors(inner)


def parsed(expression: str) -> list[Any]:
    """The selectors of an expression, once Grafana has put in its variables."""
    text = expression.replace("$__rate_interval", "5m")
    found = list(selectors(promql_parser.parse(re.sub(r"\$\w+", ".*", text))))
    assert found, expression
    # None was overlooked: each name in the text that looks like a metric is the name of one.
    named = re.findall(r"(?:\w+:)?pgtandem_\w+(?::\w+)?", re.sub(r'"[^"]*"', "", text))
    assert sorted(named) == sorted(each.name for each in found if each.name not in OF_PROMETHEUS)
    return found


def expressions() -> list[str]:
    """All of them, in the rules and on the dashboard."""
    of_rules = [rule["expr"] for group in RULES for rule in group["rules"]]
    return of_rules + [target["expr"] for target in targets()]


@pytest.fixture
def exposed(server, filled_dsn, as_user) -> Scraped:
    """A scrape in a state in which every metric has a sample."""
    gear = full(filled_dsn, as_user)
    gear.rows(
        "SELECT pgtandem.save_comparison('gear', (SELECT hash FROM pgtandem.mapping), 'full',"
        " clock_timestamp(), '', 9, 9, 0, 0, 0)"
    )
    with (
        slot(as_user(filled_dsn, "postgres")),
        Server.start(server.version, standby_of=server, settings=HOT),
        Running("backfill", "gear", dsn=filled_dsn),
    ):
        wait_for(lambda: gear.copied() > 100)
        gear.rows("SELECT pgtandem.pause('gear')")
        for what in (
            "SELECT name FROM pgtandem.wal_status WHERE kind = 'standby'",
            "SELECT pid FROM pgtandem.worker_status WHERE kind = 'paused'",
        ):
            wait_for(lambda what=what: gear.rows(what))
        return scraped(dsn=filled_dsn)


def matches(matchers: list[Any], labels: dict[str, str]) -> bool:
    """Whether a series may be meant; instance and job are added by Prometheus."""
    for each in matchers:
        if each.name in {"instance", "job"}:
            continue
        value = labels.get(each.name)
        equal = value is not None and bool(re.fullmatch(each.value, value))
        wanted = each.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
        if value is None or equal is not wanted:
            return False
    return True


def test_every_metric_and_label_that_is_used_is_exposed(exposed):
    recorded = {rule["record"] for rule in rules("record")}
    series: dict[str, list[dict[str, str]]] = {}
    for name, labels in exposed.samples:
        series.setdefault(f"pgtandem_{name}", []).append(dict(labels))
    for expression in expressions():
        for each in parsed(expression):
            if each.name in OF_PROMETHEUS | recorded:
                continue
            assert each.name in series, expression
            found = [
                labels for labels in series[each.name] if matches(each.matchers.matchers, labels)
            ]
            assert found, f"nothing has these labels: {expression}"


def test_every_metric_is_explained(exposed):
    table = (ROOT / "docs" / "operations.md").read_text()
    listed = set(re.findall(r"`([a-z_]+)`", table.partition("## Metrics")[2].partition("\n## ")[0]))
    names = {name.removeprefix("pgtandem_") for name in exposed.names}
    assert names - listed == set()
    labels = {label for _, pairs in exposed.samples for label, _ in pairs}
    assert labels - listed == set()


def test_promtool_takes_the_rules():
    done = subprocess.run(
        [promtool(), "check", "rules", "--lint-fatal", MONITORING / "pgtandem.rules.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules('alert')) + len(rules('record'))} rules found" in done.stdout


def test_each_alert_fires_when_it_should_and_not_before():
    tests = (MONITORING / "pgtandem.test.yml").read_text()
    for rule in rules("alert"):
        assert f"alertname: {rule['alert']}" in tests
    done = subprocess.run(
        [promtool(), "test", "rules", MONITORING / "pgtandem.test.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# What breaks a rule, and must be noticed by its unit test.
BROKEN = [
    ("ratio1h > 0.01 <= 0.05", "ratio1h > 0.02 <= 0.05"),
    ("ratio1h > 0.01 <= 0.05", "ratio1h > 0.01"),
    ("ratio1h > 0.05", "ratio1h > 0.06"),
    ('{reason="sync"}[1h]', "[1h]"),
    ('{side="source"}[1h]', "[1h]"),
    ("clamp_min(", "clamp_max("),
    ('"differences_per_hour"} > 5', '"differences_per_hour"} >= 5'),
    ('"consistency_percent"} < 99\n', '"consistency_percent"} <= 99\n'),
    ('verdict="roll back"} == 1', 'verdict!="go on"} == 1'),
    ("delay_seconds > 300", "delay_seconds >= 300"),
    ("> 9 *", "> 0 *"),
    ("[10m]) == 0", "[1m]) == 0"),
    ("> 86400)", "> 90000)"),
    ("          or pgtandem_phase", "          and pgtandem_phase"),
    (" or absent(up", " or absent(down"),
    ("pgtandem_blocked_longest_seconds > 5", "pgtandem_blocked_longest_seconds >= 5"),
    ("unless on (job, instance, mapping) pgtandem_paused == 1", ""),
]


@pytest.mark.parametrize(("line", "other"), BROKEN)
def test_a_rule_that_is_broken_is_noticed(tmp_path, line, other):
    text = (MONITORING / "pgtandem.rules.yml").read_text()
    assert line in text
    (tmp_path / "pgtandem.rules.yml").write_text(text.replace(line, other))
    tests = tmp_path / "pgtandem.test.yml"
    tests.write_text((MONITORING / "pgtandem.test.yml").read_text())
    done = subprocess.run(
        [promtool(), "test", "rules", tests], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr


def test_each_alert_says_how_bad_it_is_what_it_is_and_what_to_do():
    names = [rule["alert"] for rule in rules("alert")]
    assert len(names) == len(set(names)) > 10
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"`{rule['alert']}`" in README


def test_the_dashboard_is_one():
    assert DASHBOARD["schemaVersion"] >= 38
    assert DASHBOARD["uid"] == DASHBOARD["title"] == "pgtandem"
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert set(variables) == {"datasource", "instance", "mapping"}
    source = {"type": "prometheus", "uid": "${datasource}"}
    for name in ("instance", "mapping"):
        assert variables[name]["type"] == "query"
        assert variables[name]["datasource"] == source
        (metric, label) = re.fullmatch(
            r"label_values\((.*), (\w+)\)", variables[name]["query"]
        ).groups()
        assert label == name
        assert parsed(metric)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert len(panels()) > 15
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["datasource"] == source
        assert panel["targets"]
        assert [target["refId"] for target in panel["targets"]] == list("ABCD")[
            : len(panel["targets"])
        ]
        for target in panel["targets"]:
            assert target["datasource"] == source
            assert target["legendFormat"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= {*variables, "__rate_interval"}


def test_no_two_panels_lie_on_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_configuration_in_the_readme(tmp_path):
    (text,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(text)
    (tmp_path / "pgtandem.rules.yml").write_text((MONITORING / "pgtandem.rules.yml").read_text())
    done = subprocess.run(
        [promtool(), "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (job,) = YAML(typ="safe").load(text)["scrape_configs"]
    assert f'up{{job="{job["job_name"]}"}}' in (MONITORING / "pgtandem.rules.yml").read_text()

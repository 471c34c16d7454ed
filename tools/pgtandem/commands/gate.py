"""pgtandem gate: go on, hold or roll back."""

from __future__ import annotations

import json
from decimal import Decimal

import click

from pgtandem import db, deployed, options, output, sessions
from pgtandem.errors import PgtandemError
from pgtandem.parameters import Signal

WORST_FIRST = ("roll back", "hold", "go on")
NOT_JUDGED = "not judged"


def _figure(row: dict[str, object]) -> str:
    if row["figure"] is None:
        return "-"
    return f"{row['figure']} {row['unit']}".strip()


def _cutover(
    session: sessions.Connection, name: str, signals: dict[str, Decimal], as_json: bool
) -> bool:
    rows = session.execute(
        db.load_query("gate"),
        {"mapping": name, "signals": json.dumps({key: str(each) for key, each in signals.items()})},
    ).fetchall()
    verdicts = {row["verdict"] for row in rows}
    # Nothing to judge by is no reason to go on.
    verdict = next((each for each in WORST_FIRST if each in verdicts), "hold")
    unjudged = [str(row["name"]) for row in rows if row["verdict"] == NOT_JUDGED]
    if as_json:
        output.print_json({"mapping": name, "verdict": verdict, "conditions": rows})
    else:
        output.print_table(
            ("verdict", "", "figure", "threshold", ""),
            (
                (row["verdict"], row["name"], _figure(row), row["threshold"], row["detail"])
                for row in rows
            ),
        )
        note = f" (not judged: {', '.join(unjudged)})" if unjudged else ""
        click.echo(f"{name}: {verdict}{note}")
    return verdict == "go on"


def _contract(session: sessions.Connection, name: str, as_json: bool) -> bool:
    rows = session.execute(db.load_query("contract_conditions"), {"mapping": name}).fetchall()
    is_open = all(row["met"] or row["overridden"] for row in rows)
    verdict = "go on" if is_open else "hold"
    if as_json:
        output.print_json({"mapping": name, "verdict": verdict, "conditions": rows})
        return is_open
    table = []
    for row in rows:
        state = "met" if row["met"] else "overridden" if row["overridden"] else "not met"
        table.append((state, row["name"], row["figure"], "" if row["met"] else row["hint"]))
    output.print_table(("", "condition", "figure", "what to do"), table)
    click.echo(f"{name}: {verdict}" + (f", sqitch deploy --to {name}_contract" if is_open else ""))
    return is_open


@click.command()
@options.mapping
@click.option(
    "--signal", "-s", "signals", metavar="NAME=VALUE", type=Signal(), multiple=True,
    help="A figure that you measured; its threshold is in the mapping. May be repeated.",
)  # fmt: skip
@click.option("--contract", is_flag=True, help="What contract waits for, instead.")
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    signals: tuple[tuple[str, Decimal], ...],
    contract: bool,
    as_json: bool,
) -> None:
    """Say whether to go on with the cutover, to hold, or to roll back.

    Each figure stands beside its threshold, which is in the mapping. Some figures come from the
    database, others from you: --signal error_rate=0.4 --signal p99_ms=430. With --contract it
    lists what has to be proven before the old table may go.

    Exit status: 0 go on, 1 hold or roll back, 2 error.
    """
    given = dict(signals)
    if len(given) < len(signals):
        raise PgtandemError("A signal is given twice.", hint="Give each --signal once.")
    if contract and given:
        raise PgtandemError("--contract takes no signals.", hint="Ask one after the other.")
    with db.postgres_errors(), sessions.connect(target) as session:
        deployed.find(session, name, on_standby=contract)
        passed = (
            _contract(session, name, as_json)
            if contract
            else _cutover(session, name, given, as_json)
        )
    if not passed:
        context.exit(1)

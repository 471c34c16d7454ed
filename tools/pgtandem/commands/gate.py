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
TO_DO = {
    "sequence_behind": "let the new table draw from the sequence of the old one, or set its own"
    " higher: docs/operations.md, Sequences",
}
# What a figure that the caller gave asks for.
BY_VERDICT = {
    "hold": "reduce: fewer users on the new side, and look for the cause: docs/runbook.md, Reduce",
    "roll back": "roll back at once: docs/runbook.md, Roll back",
}


def _figure(row: dict[str, object]) -> str:
    if row["figure"] is None:
        return "-"
    return f"{row['figure']} {row['unit']}".strip()


def _judged_by(row: dict[str, object]) -> str:
    return f"{row['threshold'] or 'no threshold'} ({row['detail']})"


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
    holding = {row["name"] for row in rows if row["verdict"] in WORST_FIRST[:2]}
    if as_json:
        output.print_json({"mapping": name, "verdict": verdict, "conditions": rows})
    else:
        output.print_table(
            ("verdict", "condition", "figure", "judged by"),
            ((row["verdict"], row["name"], _figure(row), _judged_by(row)) for row in rows),
        )
        asked = [row for row in rows if row["name"] in signals and row["verdict"] in BY_VERDICT]
        output.print_to_do(
            [(each, words) for each, words in TO_DO.items() if each in holding]
            + [(str(row["name"]), BY_VERDICT[row["verdict"]]) for row in asked]
        )
        if not verdicts - {NOT_JUDGED}:
            output.print_to_do([("nothing is judged", "set thresholds under gate in the mapping")])
        note = f" (not judged: {', '.join(unjudged)})" if unjudged else ""
        output.say(f"{name}: {verdict}{note}")
    return verdict == "go on"


def _contract(session: sessions.Connection, name: str, as_json: bool) -> bool:
    rows = session.execute(db.load_query("contract_conditions"), {"mapping": name}).fetchall()
    is_open = all(row["met"] or row["overridden"] for row in rows)
    verdict = "go on" if is_open else "hold"
    along = [
        row["what"]
        for row in session.execute(db.load_query("companions"), {"mapping": name}).fetchall()
    ]
    if as_json:
        output.print_json(
            {"mapping": name, "verdict": verdict, "conditions": rows, "goes_along": along}
        )
        return is_open
    states = (
        "met" if row["met"] else "overridden" if row["overridden"] else "not met" for row in rows
    )
    output.print_table(
        ("", "condition", "figure"),
        ((state, row["name"], row["figure"]) for state, row in zip(states, rows, strict=True)),
    )
    output.print_to_do(
        [(row["name"], row["hint"]) for row in rows if not row["met"] and not row["overridden"]]
    )
    if along:
        output.say("\nWhat goes with the columns, and comes back with a revert:")
        for what in along:
            output.say(f"  {what}")
    output.say(
        f"\n{name}: {verdict}" + (f", sqitch deploy --to {name}_contract" if is_open else "")
    )
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
    """Say whether to go on with the cutover, hold, or roll back.

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
        mapping = deployed.find(session, name, on_standby=contract)
        if contract and mapping.phase == "contract":
            raise PgtandemError(
                f'Mapping "{name}" is contracted, so there is nothing to wait for.',
                hint=f"To take it back: sqitch revert --to {name}_backfill",
            )
        passed = (
            _contract(session, name, as_json)
            if contract
            else _cutover(session, name, given, as_json)
        )
    if not passed:
        context.exit(1)

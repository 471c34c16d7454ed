"""pgtandem repair: mend the keys that a comparison found to differ, and only these."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import click

from pgtandem import compare, db, deployed, options, output, recheck, sessions
from pgtandem.commands import verify
from pgtandem.errors import PgtandemError

ACTIONS = {"missing": "insert", "extra": "delete", "changed": "update"}
DIFFERING = ("differing key", "differing keys")
TRIES = 5  # of a key whose row somebody holds
LISTED_FAILURES = 20


def _comparison(
    session: sessions.Connection, target: db.Target, name: str, number: int | None,
    remarks: output.Remarks,
) -> int:  # fmt: skip
    """The number of the comparison to go by; makes one where there is none of this mapping."""
    query = db.load_query("last_comparison")
    row = session.execute(query, {"mapping": name, "comparison": number}).fetchone()
    if row is None and number is not None:
        raise PgtandemError(
            f'Mapping "{name}" has no comparison {number}.',
            hint="Leave --comparison out to go by the last one.",
        )
    if row is None:
        remarks.say(f"No comparison of {name} as it is deployed now: comparing every row first.")
        made, _ = verify.run(target, name, 1, None, remarks)
        assert made.stored is not None
        return made.stored
    if not row["counts"]:
        remarks.say(f"Comparison {number} was made with another mapping; all is looked at anew.")
    return int(row["id"])


def _plan(differences: list[compare.Difference]) -> dict[str, dict[str, Any]]:
    """What to do with each key, as of now: the action, and for an update what of the row."""
    plan: dict[str, dict[str, Any]] = {}
    for each in differences:
        step = plan.setdefault(
            each.key, {"key": output.key(vars(each)), "action": ACTIONS[each.kind], "columns": []}
        )
        if each.column:
            # A repair makes what the target holds into what it should hold.
            step["columns"].append(
                {"column": each.column, "from": each.new, "to": each.old, "is_json": each.is_json}
            )
    return plan


def _show(name: str, plan: dict[str, dict[str, Any]], found: int, number: int) -> None:
    count = Counter(step["action"] for step in plan.values())
    output.say(
        f"{name}: comparison {number} found {output.counted(found, *DIFFERING)};"
        f" {len(plan):,} differ now."
        f" Insert {count['insert']:,}, update {count['update']:,}, delete {count['delete']:,}:"
    )
    rows: list[tuple[object, ...]] = []
    for key, step in plan.items():
        if step["columns"]:
            rows += [
                (
                    key, step["action"], each["column"],
                    output.quoted(each["from"], each["is_json"]),
                    output.quoted(each["to"], each["is_json"]),
                )
                for each in step["columns"]
            ]  # fmt: skip
        else:
            rows.append((key, step["action"], "(row)", "", ""))
    output.print_table(("key", "action", "column", "from", "to"), rows)


def _settle(session: sessions.Connection, name: str, keys: str) -> None:
    """Queue these keys and drain them; a key whose row is held is tried a few times."""
    arguments = {"mapping": name, "keys": keys}
    session.execute(db.load_query("queue_differences"), arguments)
    for attempt in range(TRIES):
        recheck.drain(session, name, "difference")
        row = session.execute(db.load_query("queued_keys"), arguments).fetchone()
        if not row or not row["left"]:
            return
        time.sleep(0.2 * 2**attempt)


def confirm(yes: bool, as_json: bool) -> None:
    """Ask whether to write, unless that is said already; raise where nobody can answer."""
    if yes:
        return
    nobody = PgtandemError(
        "Nobody is there to be asked, so nothing was changed.",
        hint="--yes to go on without asking, --dry-run to look only.",
    )
    output.confirm("Write this to the target?", nobody, as_json)


@click.command()
@options.mapping
@click.option(
    "--comparison", "number", metavar="ID", type=click.IntRange(1, 2**63 - 1),
    help="Go by this comparison instead of the last one.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what it would do, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--reason", metavar="TEXT", help="Why; it is written to pgtandem.event.")
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    number: int | None,
    dry_run: bool,
    yes: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Mend the keys that the last comparison found to differ.

    And only these. It shows first, key by key, what it would insert, update or delete in the target
    as of now, and asks. Then it queues these keys, drains them and looks at them again. Writers may
    go on.

    Exit status: 0 these keys are equal now, 1 some differ (still, or with --dry-run), 2 error.
    """
    remarks = output.Remarks(output.stderr())
    with db.postgres_errors(), sessions.interruptible(), sessions.connect(target) as session:
        mapping = deployed.find(session, name)
        session.execute(db.load_query("drain_check"), {"mapping": name})
        mapping.require("compared_keys", "settle")
        number = _comparison(session, target, name, number, remarks)
        row = session.execute(db.load_query("differing_keys"), {"comparison": number}).fetchone()
        assert row
        keys, found = row["keys"], row["count"]
        plan = _plan(compare.some(session, mapping, keys).differences)
        if not as_json:
            _show(name, plan, found, number) if plan else output.say(
                f"{name}: comparison {number} found {output.counted(found, *DIFFERING)}"
                f"{', of which none differs now' if found else ''}."
            )
        differences: list[compare.Difference] = []
        if plan and not dry_run:
            confirm(yes, as_json)
            wanted = f"[{', '.join(plan)}]"
            _settle(session, name, wanted)
            differences = compare.some(session, mapping, wanted).differences
        unmended = {each.key for each in differences}
        if plan and not dry_run:
            done = Counter(step["action"] for key, step in plan.items() if key not in unmended)
            detail = {"comparison": number, "keys": len(plan), "left": len(unmended)} | done
            recheck.log_event(session, name, "repair", detail, reason)
        failures = recheck.failures(session, name, LISTED_FAILURES) if unmended else []

    if as_json:
        output.print_json(
            {
                "mapping": name, "comparison": number, "found": found, "dry_run": dry_run,
                "steps": list(plan.values()), "mended": 0 if dry_run else len(plan) - len(unmended),
                "left": len(plan) if dry_run else len(unmended),
                "failures": [each | {"key": output.key(each)} for each in failures],
            }
        )  # fmt: skip
    elif plan and dry_run:
        output.say("Nothing was changed (--dry-run).")
    elif plan:
        mended = output.counted(len(plan) - len(unmended), "key", "keys")
        output.say(f"{name}: {mended} mended, {len(unmended):,} differ.")
        verify.show_differences(differences, LISTED_FAILURES)
        output.print_failures(failures)
        remarks.say(
            recheck.after_failures(name)
            if failures
            else f"Others write these keys just now. Look again: pgtandem verify {name}"
            if unmended
            else f"Next: pgtandem verify {name}"
            if mapping.copy_state == "complete"
            else f"Next: {mapping.next_step}"
        )
    if unmended or (plan and dry_run):
        context.exit(1)

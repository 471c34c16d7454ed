"""pgtandem plan: what a backfill would do, cost and lock, before anything is written."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich import filesize

from pgtandem import db, deployed, options, output, preview, project, rehearsal, sessions
from pgtandem.errors import PgtandemError

FAILING_EXIT = 1
TRIED = 10_000  # rows
BECOMES = {
    "ask": "the backfill stops at its end and asks about them (TD026)",
    "remove": "the backfill deletes them: their rows of the source are gone",
    "none": "they stay: a sync brought them, or will take them away",
}


def _number(figure: preview.Figure) -> str:
    if figure.is_exact:
        return f"{figure.rows:,}"
    return f"about {figure.rows:,} ({figure.at_least:,} to {figure.at_most:,})"


def _time(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))


def _size(estimate: preview.Estimate) -> str:
    error = "" if not estimate.error else f" ± {filesize.decimal(round(estimate.error))}"
    return f"{filesize.decimal(round(estimate.estimate))}{error}"


def _becomes(made: preview.Preview, mapping: deployed.Mapping) -> str:
    if mapping.copy_state == "complete":
        return "a backfill does nothing about them any more"
    return BECOMES[made.start["sweep"]]


def _row_lines(
    made: preview.Preview, mapping: deployed.Mapping
) -> Iterator[tuple[str, str, str]]:  # fmt: skip
    rows = made.rows
    updated = ", ".join(f"{name} {_number(figure)}" for name, figure in rows.columns.items())
    yield "create", _number(rows.counts.create), ""
    yield "update", _number(rows.counts.update), updated
    yield "leave", _number(rows.counts.leave), "right already"
    if rows.outside is not None and rows.outside.at_most:
        yield "outside", _number(rows.outside), "rows of the source without an image"
    if rows.only_target.at_most:
        yield "only there", _number(rows.only_target), _becomes(made, mapping)


def _show_rows(made: preview.Preview, mapping: deployed.Mapping) -> None:
    rows = made.rows
    how = "every row" if rows.sampled is None else f"{rows.sampled:,} random rows, 95 % intervals"
    output.say(
        f"{mapping.name}: {_number(rows.source)} rows of {mapping.source} to {mapping.target},"
        f" by {how}."
    )
    if mapping.copy_state == "complete":
        output.say("The copy is complete: a backfill would do nothing. What differs is for verify.")
    elif mapping.copy_state == "open" and made.start["percent"]:
        output.say(f"The copy is open, {made.start['percent']} % done: this is the rest.")
    output.print_table(("would", "rows", ""), _row_lines(made, mapping))
    if rows.categories:
        output.say("")
        output.print_table(
            ("category", "create", "update", "leave"),
            (
                (name, _number(each.create), _number(each.update), _number(each.leave))
                for name, each in rows.categories.items()
            ),
        )


def _show_failing(made: preview.Preview) -> None:
    output.say("")
    if made.fit is None:
        output.say(f"Whether rows would fail is unknown: {made.fit_unknown}")
        return
    fit = made.fit
    more = "at least " if fit["stopped"] else ""
    of_all = ""
    if made.failing is not None and not made.failing.is_exact:
        of_all = f"; of all {_number(made.failing)}, by 95 %"
    output.say(f"Would fail: {more}{fit['failing']:,} of {fit['tried']:,} rows tried{of_all}.")
    if made.reasons:
        output.print_table(
            ("rows", "for example", "why"),
            (
                (
                    _number(preview.Figure(**each["rows"])), each["example"],
                    f"{each['sqlstate']} {each['message']}"
                    + (f" ({each['place']})" if each["place"] else ""),
                )
                for each in made.reasons
            ),
        )  # fmt: skip
    if fit["duplicates"]:
        output.say(f"{fit['duplicates']:,} of these images break a unique index of the target.")
    for each in fit["orphans"]:
        output.say(f"{each['name']}: {each['orphans']:,} refer to no row of {each['refers_to']}.")


def _cost_lines(cost: preview.Cost) -> Iterator[tuple[str, str]]:
    yield "chunks", f"{cost.chunks:,} of about {cost.chunk_blocks:,} blocks; {cost.blocks:,} in all"
    error = "" if not cost.seconds.error else f" ± {_time(cost.seconds.error)}"
    pauses = f", {_time(cost.pause_seconds)} of it pauses" if cost.pause_seconds else ""
    jobs = output.counted(cost.jobs, "session", "sessions")
    yield "time", f"{_time(cost.seconds.estimate)}{error} with {jobs}{pauses}, at best"
    if cost.wal_bytes is None or cost.wal_bytes_most is None:
        yield "WAL", "unknown: wal_level is minimal"
    else:
        most = filesize.decimal(round(cost.wal_bytes_most))
        yield "WAL", f"{_size(cost.wal_bytes)}; up to {most} where checkpoints fall within"
    stored = f", pre-images {_size(cost.undo_bytes)}" if cost.undo_bytes.estimate else ""
    yield "disk", f"table {_size(cost.table_bytes)}, indexes {_size(cost.index_bytes)}{stored}"
    without = [
        output.counted(count, one, more)
        for count, one, more in (
            (cost.foreign_keys, "foreign key of the target", "foreign keys of the target"),
            (cost.triggers, "trigger of its own", "triggers of its own"),
        )
        if count
    ]
    if cost.failed_ranges:
        without.append(output.counted(cost.failed_ranges, "range", "ranges") + " with bad rows")
    note = f"; not in it: {', '.join(without)}" if without else ""
    yield "measured", f"on {cost.sampled_blocks:,} blocks{note}"


def _show_cost(made: preview.Preview) -> None:
    output.say("")
    if made.cost is None:
        output.say(f"What it costs is unknown: {made.cost_unknown}")
    elif made.cost.blocks:
        output.print_table(("cost", ""), _cost_lines(made.cost))


def _locks(step: rehearsal.Step) -> str:
    if step.state != "rehearsed":
        return step.header
    return ", ".join(f"{lock.table} {lock.mode}" for lock in step.locks) or "none"


def _held(step: rehearsal.Step) -> str:
    if step.state == "outside":
        return f"cannot be rehearsed: {step.why}"
    if step.state == "not rehearsed":
        return f"not rehearsed: {step.why}" if step.why else "not rehearsed"
    return f"{1000 * (step.seconds or 0):,.1f} ms on {step.database}, {step.at:%Y-%m-%d}"


def _show_locks(name: str, steps: Sequence[rehearsal.Step] | None) -> None:
    output.say("")
    if steps is None:
        output.say(f"Locks: {name} is not in the plan of a Sqitch project here (--project-dir).")
        return
    if not steps:
        output.say("Locks: no step is left to deploy.")
        return
    output.print_table(
        ("step", "held", "locks"), ((step.change, _held(step), _locks(step)) for step in steps)
    )
    if any(step.state == "not rehearsed" and not step.why for step in steps):
        output.say(
            f"To measure how long: pgtandem plan {name} --rehearse --json > rehearsal.json on a"
            " copy of the database, then here: --rehearsal rehearsal.json"
        )


def document(
    made: preview.Preview, mapping: deployed.Mapping, steps: Sequence[rehearsal.Step] | None
) -> dict[str, Any]:
    """A plan as JSON."""
    rows, start, fit = made.rows, made.start, made.fit
    failing: dict[str, Any] = {"unknown": made.fit_unknown}
    if fit is not None:
        failing = {
            "tried": fit["tried"], "seen": fit["failing"], "stopped": fit["stopped"],
            "rows": None if made.failing is None else asdict(made.failing),
            "reasons": made.reasons, "duplicates": fit["duplicates"], "orphans": fit["orphans"],
        }  # fmt: skip
    return {
        "mapping": mapping.name, "hash": start["hash"], "phase": mapping.phase,
        "copy_state": mapping.copy_state, "percent": start["percent"], "at": start["at"],
        "sampled": rows.sampled, "source": asdict(rows.source), **asdict(rows.counts),
        "columns": {name: asdict(each) for name, each in rows.columns.items()},
        "outside": None if rows.outside is None else asdict(rows.outside),
        "only_target": asdict(rows.only_target), "only_target_become": _becomes(made, mapping),
        "categories": [
            {"category": name, **asdict(each)} for name, each in rows.categories.items()
        ],
        "failing": failing,
        "cost": {"unknown": made.cost_unknown} if made.cost is None else asdict(made.cost),
        "locks": None if steps is None else [step.model_dump(mode="json") for step in steps],
    }  # fmt: skip


def _confirm(target: db.Target, name: str, yes: bool) -> None:
    if yes:
        return
    nobody = PgtandemError(
        "Nobody is there to be asked, so nothing was rehearsed.",
        detail="A rehearsal takes the locks of each step, for as long as the step takes.",
        hint="On a copy of the database: --yes",
    )
    output.confirm(
        f"Take the locks of each step of {name} now, on the database named by {target.named_by}?",
        nobody,
    )


def _fails(made: preview.Preview) -> bool:
    fit = made.fit
    return bool(fit and (fit["failing"] or fit["stopped"] or fit["duplicates"] or fit["orphans"]))


def _find(team: sessions.Team, name: str) -> deployed.Mapping:
    mapping = deployed.find(team.sessions[0], name, on_standby=True)
    if mapping.phase == "contract":
        raise PgtandemError(
            f'Mapping "{name}" is contracted, so there is nothing to plan.',
            hint=f"To take it back: sqitch revert --to {name}_backfill",
        )
    mapping.require("compared", "compared_keys")
    return mapping


def _meant(target: db.Target, name: str, directory: Path) -> deployed.Meant:
    try:
        return deployed.meant(target, name, directory)
    except PgtandemError as error:
        if error.sqlstate == "TD001" and (directory / "mappings" / f"{name}.yml").is_file():
            error.hint = f"Its view is what a plan reads: sqitch deploy --to {name}_expand"
        raise


@click.command()
@options.mappings
@click.option(
    "--sample", metavar="N", type=click.IntRange(100, 1_000_000),
    help="Count by about N random rows instead of all, with 95 % intervals.",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Try the images of all rows, not of 10,000.")
@click.option("--no-cost", is_flag=True, help="Measure nothing, which writes some MB of WAL.")
@click.option(
    "--jobs", "-j", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True,
    help="Sessions of the backfill, for its time.",
)  # fmt: skip
@click.option("--rehearse", is_flag=True, help="Take the locks of each step, and undo it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before --rehearse.")
@click.option(
    "--rehearsal", "files", metavar="FILE", multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show what --rehearse --json found elsewhere. May be repeated.",
)  # fmt: skip
@click.option(
    "--project-dir", type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(), help="The Sqitch project; the current directory if not given.",
)  # fmt: skip
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    sample: int | None,
    full: bool,
    no_cost: bool,
    jobs: int,
    rehearse: bool,
    yes: bool,
    files: tuple[Path, ...],
    project_dir: Path,
    as_json: bool,
) -> None:
    """Say what a backfill would do, cost and lock, before it does.

    How many rows it would create, update and leave, counted on one snapshot; how many would fail,
    tried on temporary copies; time, WAL and disk, by copying some blocks into scratch tables and
    undoing it. Nothing stays but some MB of WAL. The name of the Sqitch project in the current
    directory stands for all its deployed mappings.

    Exit status: 0 no row would fail, 1 some would, 2 error.
    """
    if rehearse and files:
        raise click.UsageError("--rehearse and --rehearsal contradict each other.")
    if yes and not rehearse:
        raise click.UsageError("--yes is for --rehearse.")
    known = [each for file in files for each in rehearsal.read(file)]
    where = None if project.name_of(project_dir) is None else project.find(project_dir)
    if rehearse and where is None:
        raise PgtandemError(
            "There is no Sqitch project here, so no script to rehearse.",
            hint="Go to the directory of sqitch.plan, or name it: --project-dir",
        )
    documents, fails = [], False
    with db.postgres_errors(), sessions.interruptible():
        meant = _meant(target, name, project_dir)
        left = meant.in_use
        if rehearse:
            _confirm(target, name, yes)
        for each in left:
            with (
                output.Meter(output.stderr(), f"plan {each.name}") as meter,
                sessions.Team(target, 2) as team,
            ):
                mapping = _find(team, each.name)
                made = preview.look(
                    team, mapping, sample, None if full else TRIED, not no_cost, jobs,
                    functools.partial(meter.show, None),
                )  # fmt: skip
                steps = None
                if where is not None and f"{mapping.name}_expand" in where.changes():
                    steps = rehearsal.steps(where, mapping, made.start["indexes"])
                    steps = rehearsal.joined(steps, mapping.name, known)
                if rehearse and where is not None and steps is not None:
                    mapping.require_primary()
                    steps = rehearsal.rehearse(team, where, steps)
            fails = fails or _fails(made)
            documents.append(document(made, mapping, steps))
            if not as_json:
                _show_rows(made, mapping)
                _show_failing(made)
                _show_cost(made)
                _show_locks(mapping.name, steps)
                if each is not left[-1]:
                    output.say("")
    if as_json:
        output.print_json(meant.form(documents))
    else:
        open_one = next((each for each in left if each.copy_state != "complete"), left[-1])
        output.stderr().print(f"Nothing was written. Next: {open_one.next_step}")
    if fails:
        context.exit(FAILING_EXIT)

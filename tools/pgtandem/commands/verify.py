"""pgtandem verify: does the target hold what the mapping says, row by row?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from pgtandem import compare, consistency, db, deployed, options, output, sessions
from pgtandem.errors import PgtandemError


def show_differences(differences: list[compare.Difference], limit: int) -> None:
    """Print the first differences as a table: key, column, what it should be and what it is."""
    if differences and limit:
        output.print_table(
            ("key", "differs", "column", "old (source)", "new (target)"),
            (
                (
                    each.key, each.kind, each.column or "(row)",
                    "" if each.kind == "extra" else _value(each, each.old),
                    "" if each.kind == "missing" else _value(each, each.new),
                )
                for each in differences[:limit]
            ),
        )  # fmt: skip
    if len(differences) > limit:
        output.say(f"... and {len(differences) - limit:,} more (--limit)")


def _value(difference: compare.Difference, value: str | None) -> str:
    return (
        output.quoted(value, difference.is_json)
        if difference.column
        else output.shortened(value or "")
    )


def document(comparison: compare.Comparison, limit: int) -> dict[str, object]:
    """A comparison as JSON."""
    categories = [vars(each) for each in comparison.categories]
    return {
        "mapping": comparison.mapping, "comparison": comparison.stored,
        "scope": comparison.scope, "equal": not comparison.differing,
        "source_rows": comparison.source_rows, "target_rows": comparison.target_rows,
        "missing": comparison.missing, "extra": comparison.extra, "changed": comparison.changed,
        "queued": comparison.queued, "waiting": comparison.waiting,
        "areas": [vars(area) | {"equal": not area.changed} for area in comparison.areas],
        **({"categories": categories} if categories else {}),
        "checks": [vars(each) for each in comparison.checks],
        "started_at": comparison.started_at, "snapshot": comparison.snapshot,
        "seconds": round(comparison.seconds, 3),
        "differences": [
            vars(each) | {"key": output.key(vars(each))}
            for each in comparison.shown[:limit]
        ],
    }  # fmt: skip


def _checklist(comparison: compare.Comparison) -> Iterator[tuple[str, str, str]]:
    """A line for whole rows, then one for each area."""
    if comparison.missing or comparison.extra:
        yield "fail", "rows", f"{comparison.missing:,} missing, {comparison.extra:,} extra"
    else:
        yield "ok", "rows", f"each of {comparison.source_rows:,} has its target"
    both = comparison.source_rows - comparison.missing
    for each in comparison.areas:
        name = each.area or "(other columns)"
        if each.changed:
            yield "fail", name, f"{each.changed:,} of {both:,} rows differ"
        else:
            yield "ok", name, f"consistent in {both:,} rows"


def _show(comparison: compare.Comparison, limit: int | None) -> None:
    what = "every row" if comparison.scope == "full" else "a sample"
    verdict = (
        output.counted(comparison.differing, "difference", "differences")
        if comparison.differing
        else "equal"
    )
    output.say(
        f"{comparison.mapping}: {verdict}. Compared {what} on one snapshot in"
        f" {comparison.seconds:,.2f} s: {comparison.source_rows:,} rows of the source,"
        f" {comparison.target_rows:,} of the target; {comparison.missing:,} missing,"
        f" {comparison.extra:,} extra, {comparison.changed:,} changed."
    )
    if comparison.waiting:
        keys = output.counted(comparison.waiting, "key", "keys")
        output.say(f"{comparison.mapping}: {keys} in the queue, for the next drain.")
    if comparison.areas:
        output.print_table(("", "", ""), _checklist(comparison))
    if comparison.categories:
        output.print_table(
            ("category", "rows", "missing", "changed"),
            (
                (each.category, each.rows, each.missing, each.changed)
                for each in comparison.categories
            ),
        )
    if limit is not None:
        show_differences(comparison.shown, limit)
    if comparison.checks:
        output.print_table(("", "check", "for example"), _checks(comparison))


def _checks(comparison: compare.Comparison) -> Iterator[tuple[str, str, str]]:
    """A line for each check of the mapping, with the first thing that it found."""
    for each in comparison.checks:
        if each.found:
            example = json.dumps(each.examples[0], ensure_ascii=False)
            yield "fail", f"{each.check}: {each.found:,}", output.shortened(example)
        else:
            yield "ok", each.check, ""


def _remark(
    comparison: compare.Comparison, mapping: deployed.Mapping, listed: bool, say: output.Remarks
) -> None:
    if comparison.scope == "sample":
        say.say(
            "A sample proves nothing about the rows that are not in it: one of 100 rows misses a"
            " single bad row in 10,000 ninety-nine times in a hundred. Contract counts full"
            " comparisons only."
        )
    found = next((each.check for each in comparison.checks if each.found), None)
    if found:
        say.say(
            "To see all that a check finds, in psql:"  # noqa: S608 - for a person to type
            f" SELECT * FROM pgtandem_{mapping.name}.checked('{found}')"
        )
    if mapping.is_standby:
        say.say("This is a standby: the result is not stored, so no gate knows of it.")
    if comparison.areas and not listed and comparison.differing:
        say.say(
            f"To see what differs: pgtandem verify {mapping.name} --differences (or --area NAME)"
        )
    if comparison.differing:
        own = comparison.extra == comparison.differing and mapping.phase != "expand"
        if mapping.copy_state != "complete" and own:
            say.say(
                "Rows that only the target has may be the new application's own: to keep one,"
                f" insert it into the source. To delete them: pgtandem repair {mapping.name}"
            )
        elif mapping.copy_state != "complete":
            say.say(
                "The copy is not complete: what is not copied yet counts as missing."
                f" Next: {mapping.next_step}"
            )
        else:
            _remark_queued(comparison, mapping, say)
            if comparison.queued < comparison.differing and not mapping.is_standby:
                say.say(f"To mend just these keys: pgtandem repair {mapping.name}")


def _remark_queued(
    comparison: compare.Comparison, mapping: deployed.Mapping, say: output.Remarks
) -> None:
    """A key that is queued is no surprise: its sync failed or gave way, and is to be made up."""
    if not comparison.queued:
        return
    which = (
        "Each key that differs is"
        if comparison.queued == comparison.differing
        else f"{comparison.queued:,} of the keys that differ"
        f" {'is' if comparison.queued == 1 else 'are'}"
    )
    say.say(
        f"{which} in the queue: a sync that failed or gave way, to be made up for."
        f" Next: pgtandem drain {mapping.name}, then verify again"
    )


def run(
    target: db.Target,
    name: str,
    jobs: int,
    keys: int | None,
    remarks: output.Remarks,
    area: str | None = None,
    checks: bool = False,
) -> tuple[compare.Comparison, deployed.Mapping]:
    """Compare and store the result; progress on standard error."""
    with (
        output.Meter(remarks.console, f"verify {name}") as meter,
        sessions.Team(target, jobs) as team,
    ):
        first = team.sessions[0]
        mapping = deployed.find(first, name, on_standby=True)
        if mapping.phase == "contract":
            raise PgtandemError(
                f'Mapping "{name}" is contracted, so there is nothing to compare.',
                detail="The archived table is as it was at contract and does not follow any more.",
                hint="Revert its contract to keep both sides equal again.",
            )
        mapping.require("compared", "compared_keys", *(["chunk_keys"] if keys else []))
        meter.show(None, f"{mapping.source} and {mapping.target}, {jobs} at work")
        if keys:
            comparison = compare.sample(first, mapping, keys, area)
        else:
            comparison = compare.full(
                team, mapping, lambda: meter.show(None, "comparing every row"), area, checks
            )
        if not mapping.is_standby:
            compare.save(first, comparison)
    return comparison, mapping


@click.command()
@options.mappings
@click.option(
    "--jobs", "-j", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True,
    help="Sessions that compare at once, each a range of keys.",
)  # fmt: skip
@click.option(
    "--sample", "keys", metavar="N", type=click.IntRange(1, 10_000),
    help="Look at about N keys only, found in random blocks of both tables.",
)  # fmt: skip
@click.option(
    "--limit", metavar="N", type=click.IntRange(0, compare.STORED), default=20,
    show_default=True, help="Differences to print; up to 10,000 are stored.",
)  # fmt: skip
@click.option(
    "--differences", is_flag=True,
    help="Also list what differs, where the mapping has areas; without areas it always does.",
)  # fmt: skip
@click.option("--area", metavar="NAME", help="List what differs in this area of the mapping alone.")
@click.option(
    "--report", "report", metavar="FILE", type=click.Path(path_type=Path),
    help="Also write the result to a new file, as JSON: pgtandem schema --report.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Let --report replace the file.")
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    jobs: int,
    keys: int | None,
    limit: int,
    differences: bool,
    area: str | None,
    report: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compare the target with what it should hold, row by row.

    All is read on one snapshot, so it is exact while everybody goes on writing. It takes no lock
    that a writer would notice, and works on a standby, too. The result is stored: gate, contract
    and repair go by it. Then the checks of the mapping are run, if it has any, on the same
    snapshot; with --sample they are not. The name of the Sqitch project in the current directory
    stands for all its deployed mappings, one after the other; the report is then an array.

    Exit status: 0 equal, 1 differences or a check that found something, 2 error.
    """
    if force and not report:
        raise click.UsageError("--force is for --report.")
    if report:
        consistency.require_new(report, force)
    remarks = output.Remarks(output.stderr())
    with db.postgres_errors(), sessions.interruptible():
        meant = deployed.meant(target, name, Path())
        made = [
            run(target, each.name, 1 if keys else jobs, keys, remarks, area, checks=True)
            for each in meant.in_use
        ]
    if report:
        reports = [consistency.report(comparison, area) for comparison, _ in made]
        consistency.write(report, meant.form(reports), force)
    if as_json:
        output.print_json(meant.form([document(comparison, limit) for comparison, _ in made]))
    for comparison, mapping in made:
        listed = as_json or differences or area is not None or not comparison.areas
        if not as_json:
            _show(comparison, limit if listed else None)
        _remark(comparison, mapping, listed, remarks)
    if not all(comparison.holds for comparison, _ in made):
        context.exit(1)

"""`make bench`: run everything and write docs/performance.md."""

from __future__ import annotations

import os
import time

import click
import psutil

from bench import (
    backfill,
    documents,
    journey,
    latency,
    measure,
    mongo,
    report,
    rollout,
    triggers,
    verify,
    world,
)
from bench.measure import Section

PARTS = {
    "backfill": (backfill.run, 5),
    "verify": (verify.run, 5),
    "triggers": (triggers.run, 6),
    "latency": (latency.run, 3),
    "documents": (documents.run, 4),
    "rollout": (rollout.run, 5),
    "journey": (journey.run, 3),
    "mongo": (mongo.run, 3),
}
WITHOUT_GEAR = {"documents", "rollout", "journey", "mongo"}


@click.command()
@click.option(
    "--rows", type=click.IntRange(10_000), default=200_000, envvar="ROWS", show_default=True,
    help="Rows of the source.",
)  # fmt: skip
@click.option(
    "--only", type=click.Choice(list(PARTS)), multiple=True, help="Parts; the page stays as it is."
)
@click.option("--rounds", type=click.IntRange(2), help="Rounds of each part.")
@click.option(
    "--patience", type=click.FloatRange(0), default=measure.patience.left, envvar="PATIENCE",
    show_default=True, help="Seconds to spend on waiting for a quiet machine, in all.",
)  # fmt: skip
def main(rows: int, only: tuple[str, ...], rounds: int | None, patience: float) -> None:
    """Measure pgtandem against what one would write by hand."""
    began = time.monotonic()
    measure.patience.left = patience
    with world.start(rows) as running:
        sections: list[Section] = []
        if set(only or PARTS) - WITHOUT_GEAR:
            running.make_gear()
        for name in only or PARTS:
            run, usual = PARTS[name]
            click.echo(f"{name} ...", err=True)
            sections.append(run(running, rounds or usual))
            click.echo("\n".join(report.section(sections[-1])))
        if not only:
            counted = ", ".join(f"{name} {rounds or usual}" for name, (_, usual) in PARTS.items())
            cores, memory = os.cpu_count() or 1, psutil.virtual_memory().total / 2**30
            report.write(running, sections, counted, cores, memory)
    click.echo(f"{time.monotonic() - began:.0f} seconds", err=True)
    missed = [line.what for each in sections for line in each.ratios if not line.reached]
    missed += [line.what for each in sections for line in each.limits if not line.reached]
    if missed:
        click.echo("Aims that were missed: " + "; ".join(missed), err=True)


if __name__ == "__main__":
    main()

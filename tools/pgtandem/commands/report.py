"""pgtandem report: the success table, each figure beside its target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import click

from pgtandem import db, deployed, options, output, project, sessions, spec
from pgtandem.errors import PgtandemError
from pgtandem.parameters import Signal

NOT_MET_EXIT = 1
THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True)
class Target:
    """What a figure should be.

    Attributes:
        figure: what is measured.
        relation: =, < or >=.
        value: of the target.
        unit: of both.
    """

    figure: str
    relation: str
    value: Decimal
    unit: str = ""

    def is_met_by(self, measured: Decimal) -> bool:
        """Whether a measured value is as it should be."""
        if self.relation == "<":
            return measured < self.value
        return measured >= self.value if self.relation == ">=" else measured == self.value

    def shown(self, value: Decimal | None) -> str | None:
        """A value with its unit."""
        return None if value is None else f"{value.normalize():,f} {self.unit}".strip()


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        mapping: the mapping; None: of the whole.
        target: what is measured, and what it should be.
        measured: its value; None: nobody knows.
        verdict: met, not met, not known (which is as bad), not judged.
        detail: where the value comes from, or how to get one.
    """

    mapping: str | None
    target: Target
    measured: Decimal | None
    verdict: str
    detail: str


MIGRATED = Target("rows_migrated", "=", Decimal(100), "%")
AGREEING = Target("rows_agreeing", "=", Decimal(100), "%")
SYNC_ERRORS = Target("sync_errors", "<", Decimal("0.1"), "%")
FAILURES = Target("open_failures", "=", Decimal(0))
DELAY = Target("queue_delay", "<", Decimal(60), "s")
CLEAN_AGE = Target("clean_comparison_age", "<", Decimal(24), "h")
OF_MAPPING = (MIGRATED, AGREEING, SYNC_ERRORS, FAILURES, DELAY, CLEAN_AGE)
OF_CALLER = (
    Target("availability", ">=", Decimal("99.9"), "%"),
    Target("error_rate", "<", Decimal("0.1"), "%"),
    Target("complaints", "<", Decimal(10)),
)


def _line(mapping: str | None, target: Target, measured: Decimal | None, detail: str) -> Line:
    verdict = "not known"
    if measured is not None:
        verdict = "met" if target.is_met_by(measured) else "not met"
    return Line(mapping, target, measured, verdict, detail)


def _percent(part: int, whole: int) -> Decimal:
    """Rounded down, so that it is 100 only where all are."""
    if not whole:
        return Decimal(100)
    return max(Decimal(0), Decimal(100 * part) / whole).quantize(THOUSANDTH, ROUND_FLOOR)


def _of_mapping(row: dict[str, Any]) -> Iterator[Line]:
    name = row["mapping"]
    if row["phase"] is None:
        for target in OF_MAPPING:
            yield _line(name, target, None, "not deployed in this database: sqitch deploy")
        return
    migrated = agreeing = None
    detail = f"no full comparison with this mapping yet: pgtandem verify {name}"
    if row["counts"]:
        migrated = _percent(row["source_rows"] - row["missing"], row["source_rows"])
        agreeing = _percent(row["rows"] - row["differences"], row["rows"])
        ended = f"{row['finished_at'].astimezone():%Y-%m-%d %H:%M}"
        detail = f"comparison {row['comparison']} of {ended}: {{:,}} of {row['rows']:,} rows {{}}"
    yield _line(name, MIGRATED, migrated, detail.format(row["missing"], "missing"))
    yield _line(name, AGREEING, agreeing, detail.format(row["differences"], "differ"))
    yield _line(name, SYNC_ERRORS, row["sync_errors"], row["sync_detail"])
    yield _line(name, FAILURES, Decimal(row["failed"]), "entries of the queue with an error")
    queued = output.counted(row["queued"], "entry", "entries")
    delay = Decimal(row["delay"]).quantize(THOUSANDTH)
    yield _line(name, DELAY, delay, f"{queued} in the queue; the age of the oldest")
    yield _clean_age(row)


def _clean_age(row: dict[str, Any]) -> Line:
    name = row["mapping"]
    if row["clean_age"] is None:
        return _line(name, CLEAN_AGE, None, f"none since the copy: pgtandem verify {name}")
    age = Decimal(row["clean_age"] / 3600).quantize(THOUSANDTH)
    taken = f"its snapshot: {row['last_clean'].astimezone():%Y-%m-%d %H:%M:%S}"
    if row["phase"] == "contract":  # which insisted on one; there is nothing left to compare
        return Line(name, CLEAN_AGE, age, "not judged", f"{taken}, before contract")
    return _line(name, CLEAN_AGE, age, taken)


def _of_caller(given: dict[str, Decimal]) -> Iterator[Line]:
    for target in OF_CALLER:
        name = target.figure
        if name in given:
            yield _line(None, target, given[name], "given by the caller")
        else:
            detail = f"the database cannot know it: --signal {name}=..."
            yield Line(None, target, None, "not judged", detail)


def _in_files(directory: Path) -> list[str]:
    """The mappings whose files stand in mappings/."""
    files = sorted((directory / "mappings").glob("*.yml"))
    if not files:
        raise PgtandemError(
            f"There is no mapping in {directory / 'mappings'}.",
            hint="Name mappings that are deployed, or go to the directory of your sqitch.plan.",
        )
    return [spec.load(file).name for file in files]


def _wanted(
    session: sessions.Connection, directory: Path, names: Sequence[str]
) -> list[str]:  # fmt: skip
    """The mappings that are meant: by their names, by that of their project, or all of it."""
    if not names:
        project.find(directory)
        return _in_files(directory)
    with deployed.engine_errors(session):
        known = [row["mapping"] for row in session.execute(db.load_query("metrics_names"))]
    wanted: list[str] = []
    for name in names:
        if name == project.name_of(directory):
            wanted += _in_files(directory)
        elif name in known:
            wanted.append(name)
        else:
            raise deployed.unknown(session, name, known)
    return list(dict.fromkeys(wanted))


def _print_json(met: bool, lines: list[Line]) -> None:
    figures = [
        {
            "mapping": line.mapping, "figure": line.target.figure, "measured": line.measured,
            "unit": line.target.unit, "relation": line.target.relation,
            "target": line.target.value, "verdict": line.verdict, "detail": line.detail,
        }
        for line in lines
    ]  # fmt: skip
    output.print_json({"verdict": "met" if met else "not met", "figures": figures})


@click.command()
@click.argument("names", nargs=-1, metavar="[PROJECT|MAPPING]...")
@click.option(
    "--signal", "-s", "signals", metavar="NAME=VALUE", type=Signal(), multiple=True,
    help="What the database cannot know: availability=99.95, error_rate=0.02, complaints=3.",
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
    names: tuple[str, ...],
    signals: tuple[tuple[str, Decimal], ...],
    project_dir: Path,
    as_json: bool,
) -> None:
    """Print the success table: each figure beside its target.

    It is of the mappings in mappings/ of the Sqitch project here, or of those that are named; the
    project's own name stands for all of them. Nothing is compared anew: "pgtandem verify" does
    that. What is not known counts as not met; a signal that is not given is not judged.

    Exit status: 0 all targets are met, 1 not all, 2 error.
    """
    given = dict(signals)
    if len(given) < len(signals):
        raise PgtandemError("A signal is given twice.", hint="Give each --signal once.")
    known = [each.figure for each in OF_CALLER]
    if unknown := [name for name in given if name not in known]:
        raise PgtandemError(
            f"There is no target for the signal {unknown[0]}.", hint=f"One of: {', '.join(known)}."
        )
    with db.postgres_errors(), sessions.connect(target) as session:
        wanted = _wanted(session, project_dir, names)
        with deployed.engine_errors(session):
            rows = session.execute(db.load_query("report"), {"names": wanted}).fetchall()
    lines = [line for row in rows for line in _of_mapping(row)] + list(_of_caller(given))
    met = all(line.verdict in ("met", "not judged") for line in lines)
    if as_json:
        _print_json(met, lines)
    else:
        output.print_table(
            ("", "mapping", "figure", "measured", "target", "from"),
            (
                (
                    line.verdict, line.mapping, line.target.figure.replace("_", " "),
                    line.target.shown(line.measured),
                    f"{line.target.relation} {line.target.shown(line.target.value)}", line.detail,
                )
                for line in lines
            ),
        )  # fmt: skip
    if not met:
        context.exit(NOT_MET_EXIT)

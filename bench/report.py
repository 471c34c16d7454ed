"""The page docs/performance.md."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import BUSY_PERCENT, ENOUGH, Limit, Ratio, Section, counted
from bench.world import ROOT, SETTINGS, World, script
from pgtandem import __version__

PAGE = ROOT / "docs" / "performance.md"
# Everything below this line is written by hand, and kept.
MARK = "<!-- by hand from here on -->"

HEAD = """\
# Performance

`make bench ROWS={rows}`, {date}, pgtandem {version}, {server}, Python {python}, {processor},
{cores} cores, {memory:.0f} GB.

The source has {rows:,} rows of `examples/gear` (where documents are written, of
`examples/unified_profiles`; where they are imported, of `examples/mongo_tasks`; where columns are
computed, of `examples/vibelife_v5`, with ten times as many messages), with random UUIDs as keys.
Contestants run side by side, each once a round, in an order drawn anew after a first round that is
dropped. Rounds:
{rounds},
and up to twice as many where others disturb. The ratio is the median of the ratios within single
rounds, over 1 where pgtandem is better; the quartiles say how far to trust it. Read the ratios, not
the seconds: those are of one small machine.

Of {counted:,} measurements, {busy:,} were disturbed: other programs used more than {limit} % of the
machine meanwhile. A round counts as quiet for a line where neither contestant was disturbed; where
{enough} or more rounds were quiet, only those make the line, else all do. A verdict on such a line
is worth little; look rather at the ratio by processor time, of all jobs and the client together: it
says who does less work, and others change it less.

The server is the bench's own: `fsync = on`, {settings}. `synchronous_commit` is on, but off for the
updates under sync, where the disk would hide everything else. Autovacuum and checkpoints come
between the rounds, by hand, as they would hit one contestant and spare another.
"""

RATIOS = (
    "| against | pgtandem | the other | times as good | quartiles | by processor time "
    "| quiet rounds | aim | reached |"
)


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == "/s" else f"{value:.2f} {unit}"


def _ratio(line: Ratio) -> str:
    aim = "" if line.aim is None else f"{line.aim:.2f}"
    verdict = "" if line.aim is None else ("yes" if line.reached else "**no**")
    if verdict and line.rounds[0] < ENOUGH:
        verdict += ", disturbed"
    low, high = line.spread
    return (
        f"| {line.what} | {_number(line.ours, line.unit)} | {_number(line.theirs, line.unit)} "
        f"| **{line.ratio:.2f}** | {low:.2f} to {high:.2f} | {line.cost:.2f} "
        f"| {line.rounds[0]} of {line.rounds[1]} | {aim} | {verdict} |"
    )


def _limit(line: Limit) -> str:
    limits = [f"{line.times:g} times"] if line.times else []
    limits += [f"{line.at_most:g} {line.unit}"] if line.at_most else []
    return (
        f"| {line.what} | {_number(line.without, line.unit)} | {_number(line.beside, line.unit)} "
        f"| {line.beside / line.without:.2f} | {', '.join(limits)} "
        f"| {('yes' if line.reached else '**no**') if limits else ''} |"
    )


def section(found: Section) -> list[str]:
    lines = [f"## {found.title}", ""]
    if found.ratios:
        lines += [RATIOS, "|---|--:|--:|--:|--:|--:|--:|--:|---|", *map(_ratio, found.ratios), ""]
    if found.limits:
        lines += ["| wait of a writer | alone | beside it | times | aim: at most | reached |",
                  "|---|--:|--:|--:|--:|---|",
                  *map(_limit, found.limits), ""]  # fmt: skip
    for note in found.notes:
        lines += [note, ""]
    return lines


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write(world: World, sections: list[Section], rounds: str, cores: int, memory: float) -> None:
    """Write the page; what stands there below the mark stays."""
    with world.connect("postgres") as session:
        row = session.execute(script("version")).fetchone()
    assert row
    settings = ", ".join(f"`{name} = {value}`" for name, value in SETTINGS.items())
    kept = ""
    if PAGE.exists() and MARK in PAGE.read_text(encoding="utf-8"):
        kept = PAGE.read_text(encoding="utf-8").partition(MARK)[2]
    text = HEAD.format(
        rows=world.rows, date=f"{datetime.now(UTC):%Y-%m-%d}", version=__version__, server=row[0],
        python=platform.python_version(), processor=_processor(), cores=cores, memory=memory,
        rounds=rounds, settings=settings, counted=counted.total(), busy=counted[False],
        limit=BUSY_PERCENT, enough=ENOUGH,
    )  # fmt: skip
    lines = [text]
    for each in sections:
        lines += section(each)
    PAGE.write_text("\n".join([*lines, MARK]) + (kept or "\n"), encoding="utf-8")

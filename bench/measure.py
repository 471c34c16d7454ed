"""Rounds and their ratios."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg

BUSY_PERCENT = 15  # of all cores
ENOUGH = 3  # quiet rounds; with fewer, all rounds count


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        value: what was measured.
        cost: seconds of processor time that the bench, its server and programs took for it.
        quiet: whether other programs left the machine's cores alone meanwhile.
    """

    value: float
    cost: float
    quiet: bool


Figures = dict[str, list[Figure]]

# How many measurements were quiet, and how many were not.
counted: Counter[bool] = Counter()


@dataclass
class Patience:
    """Seconds that the whole run may still spend on waiting for others, and on repeated rounds."""

    left: float = 30.0


patience = Patience()


@dataclass(frozen=True)
class Ratio:
    """One line of the table of ratios.

    Attributes:
        what: what was compared.
        ours: median of ours, in `unit`.
        theirs: median of the competitor, in `unit`.
        unit: "s" or "ms" (less is better), or "/s" (more is better).
        ratio: how many times as good ours is; the median of the ratios of single rounds, as the
            two of a round are neighbours in time.
        spread: the lower and upper quartile of these ratios.
        cost: the same as `ratio` in processor time, of all that took part.
        rounds: how many rounds were quiet, and how many there were.
        aim: the ratio to reach; None: there is none.
    """

    what: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    spread: tuple[float, float]
    cost: float
    rounds: tuple[int, int]
    aim: float | None

    @property
    def reached(self) -> bool:
        """Whether the aim is reached, as far as the table shows it."""
        return self.aim is None or round(self.ratio, 2) >= self.aim


@dataclass(frozen=True)
class Limit:
    """One line of a table of figures beside each other, with a limit.

    Attributes:
        what: which figure.
        without: it, without pgtandem at work.
        beside: the same, beside pgtandem at work.
        unit: of both.
        times: how many times `without` it may be; None: any.
        at_most: what it may be; None: anything.
    """

    what: str
    without: float
    beside: float
    unit: str
    times: float | None = None
    at_most: float | None = None

    @property
    def reached(self) -> bool:
        """Whether both limits are kept."""
        return (self.times is None or self.beside <= self.times * self.without) and (
            self.at_most is None or self.beside <= self.at_most
        )


@dataclass
class Section:
    """What one module of the bench found.

    Attributes:
        title: heading on the page.
        ratios: lines of the table of ratios.
        limits: lines of the table of limits.
        notes: paragraphs under it.
    """

    title: str
    ratios: list[Ratio] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _processor_time() -> tuple[float, float]:
    """Seconds that the bench, its server and programs have used, and all others together."""
    times = psutil.cpu_times()
    used = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
    own, bench = 0.0, psutil.Process()
    for process in (bench, *bench.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            own += sum(process.cpu_times()[:4])  # with that of the children that have ended
    return own, used - own


def session_time(session: psycopg.Connection[Any]) -> float:
    """Microseconds that a session has used; of all, where the system does not tell."""
    file = Path(f"/proc/{session.info.backend_pid}/schedstat")
    return int(file.read_text().split()[0]) / 1e3 if file.exists() else time.perf_counter() * 1e6


class Watch:
    """Looks, from when it is made, how much of the machine the bench uses, and how much others."""

    def __init__(self) -> None:
        self._own, self._others = _processor_time()
        self._began = time.monotonic()

    def look(self) -> tuple[float, bool]:
        """Seconds of processor time of the bench, and whether others used little."""
        own, others = _processor_time()
        seconds = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return own - self._own, (others - self._others) * 100 <= seconds * BUSY_PERCENT


def wait_until_quiet() -> None:
    """Wait until others leave the machine's cores alone, as long as there is patience."""
    limit = min(5.0, patience.left)
    while True:
        watch = Watch()
        time.sleep(0.2)
        if watch.look()[1] or limit <= 0:
            return
        limit -= 0.2
        patience.left -= 0.2


def take(measure: Callable[[], float]) -> Figure:
    """Measure once."""
    watch = Watch()
    value = measure()
    figure = Figure(value, *watch.look())
    counted[figure.quiet] += 1
    return figure


def interleave(
    contestants: Mapping[str, Callable[[], float]],
    rounds: int,
    before: Callable[[], None] = lambda: None,
    *,
    wait: bool = True,
) -> Figures:
    """Run every contestant once a round, in an order drawn anew, after one round that is dropped.

    Args:
        contestants: by name, what to run; returns its figure.
        rounds: how many rounds; twice as many if others disturb and there is patience.
        before: run before each contestant, unmeasured.
        wait: for a quiet machine before each; for few and long rounds, not for many short.
    """
    figures: Figures = {name: [] for name in contestants}
    order = list(contestants)
    chance = random.Random(1)

    def play() -> dict[str, Figure]:
        chance.shuffle(order)
        found = {}
        for name in order:
            before()
            if wait:
                wait_until_quiet()
            found[name] = take(contestants[name])
        return found

    play()
    for number in range(2 * rounds):
        if number >= rounds and (patience.left <= 0 or _quiet(figures) >= rounds):
            break
        left, began = patience.left, time.monotonic()
        for name, figure in play().items():
            figures[name].append(figure)
        if number >= rounds:
            patience.left = left - (time.monotonic() - began)
    return figures


def _quiet(figures: Figures) -> int:
    """How many rounds were quiet all along."""
    return sum(all(one.quiet for one in each) for each in zip(*figures.values(), strict=True))


def typical(figures: Sequence[Figure]) -> float:
    """The median of the quiet ones, if there are enough, else of all."""
    quiet = [figure.value for figure in figures if figure.quiet]
    return median(quiet if len(quiet) >= ENOUGH else [figure.value for figure in figures])


def compare(
    what: str, figures: Figures, ours: str, theirs: str, unit: str, aim: float | None = None
) -> Ratio:
    """The ratio of two contestants; over 1 where ours is the better one."""
    pairs = list(zip(figures[ours], figures[theirs], strict=True))
    quiet = [pair for pair in pairs if pair[0].quiet and pair[1].quiet]
    counting = quiet if len(quiet) >= ENOUGH else pairs
    values = [(a.value, b.value) for a, b in counting]
    costs = [b.cost / a.cost for a, b in counting if a.cost]
    ratios = sorted(a / b if unit == "/s" else b / a for a, b in values)
    quarter = len(ratios) // 4
    return Ratio(
        what, median(a for a, _ in values), median(b for _, b in values), unit, median(ratios),
        (ratios[quarter], ratios[-1 - quarter]), median(costs or [1.0]), (len(quiet), len(pairs)),
        aim,
    )  # fmt: skip

"""Rounds and their ratios."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import psutil

BUSY_PERCENT = 15  # of all cores
Figures = dict[str, list[float]]

# How many measurements began while others kept the machine busy, and how many did not.
starts: Counter[str] = Counter()


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
        aim: the ratio to reach; None: there is none.
    """

    what: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    spread: tuple[float, float]
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


def wait_until_quiet(timeout: float = 3.0) -> None:
    """Wait, for so many seconds at most, until others leave the machine's cores alone."""
    deadline = time.monotonic() + timeout
    while (busy := psutil.cpu_percent(0.2) > BUSY_PERCENT) and time.monotonic() < deadline:
        pass
    starts["busy" if busy else "quiet"] += 1


def interleave(
    contestants: Mapping[str, Callable[[], float]],
    rounds: int,
    before: Callable[[], None] = lambda: None,
    *,
    quiet: bool = True,
) -> Figures:
    """Run every contestant once a round, in an order drawn anew, after one round that is dropped.

    Args:
        contestants: by name, what to run; returns its figure.
        rounds: how many rounds count.
        before: run before each contestant, unmeasured.
        quiet: wait for a quiet machine before each; for few and long rounds, not for many short.
    """
    figures: Figures = {name: [] for name in contestants}
    order = list(contestants)
    chance = random.Random(1)
    for number in range(rounds + 1):
        chance.shuffle(order)
        for name in order:
            before()
            if quiet:
                wait_until_quiet()
            figure = contestants[name]()
            if number:
                figures[name].append(figure)
    return figures


def compare(
    what: str, figures: Figures, ours: str, theirs: str, unit: str, aim: float | None = None
) -> Ratio:
    """The ratio of two contestants; over 1 where ours is the better one."""
    pairs = zip(figures[ours], figures[theirs], strict=True)
    ratios = sorted(a / b if unit == "/s" else b / a for a, b in pairs)
    quarter = len(ratios) // 4
    return Ratio(
        what, median(figures[ours]), median(figures[theirs]), unit, median(ratios),
        (ratios[quarter], ratios[-1 - quarter]), aim,
    )  # fmt: skip

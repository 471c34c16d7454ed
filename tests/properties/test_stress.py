"""Rules 1 and 2 under load: six writers on both sides while a backfill runs in two sessions."""

from __future__ import annotations

import os
import random
import threading
import time

import psycopg
import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from properties import shapes, statements
from properties.conftest import PROFILE
from properties.machine import ISOLATION
from properties.shapes import Shape
from properties.world import (
    CONFLICTS,
    World,
    connect,
    content,
    differences,
    drain,
    execute,
    finish_copy,
    naive_differences,
    run_script,
)

SECONDS = 6.0
SHAPES = (
    shapes.gear().with_keys(shapes.MANY_ITEMS),
    shapes.nasty().with_keys(shapes.MANY_PAIRS),
)
RUNS = int(os.environ.get("PGTANDEM_STRESS", "2" if PROFILE == "ci" else "50"))


class Examples:
    """Statements drawn once, beside Hypothesis: threads cannot draw."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.old = _examples(statements.old(shape), seed)
        self.new = _examples(statements.new(shape), seed + 1)


def _examples(strategy: st.SearchStrategy, number: int) -> list[statements.Statement]:
    found: list[statements.Statement] = []

    @seed(number)
    @settings(max_examples=300, phases=[Phase.generate])
    @given(strategy)
    def take(statement):
        found.append(statement)

    take()
    return found


def stress(world: World, shape: Shape, number: int, seconds: float = SECONDS) -> None:
    """One run: fails where, at the end, anything differs."""
    examples = Examples(shape, number)
    random_ = random.Random(number)
    stop = threading.Event()
    problems: list[BaseException] = []
    done = {"commits": 0, "conflicts": 0}

    def guarded(work, *arguments):
        def run():
            try:
                work(*arguments)
            except BaseException as error:
                problems.append(error)
                stop.set()

        return threading.Thread(target=run)

    def write(dsn, pool, isolation, first):
        choose = random.Random(first)
        with connect(dsn) as session:
            session.execute(f"SET default_transaction_isolation = '{isolation}'")
            session.execute("SET lock_timeout = '300ms'")
            session.execute("SET client_min_messages = error")
            while not stop.is_set():
                try:
                    with session.transaction():
                        for _ in range(choose.randint(1, 4)):
                            execute(session, choose.choice(pool))
                    done["commits"] += 1
                except psycopg.Error as error:
                    if error.sqlstate not in CONFLICTS | {"TD011", "TD013"}:
                        raise
                    done["conflicts"] += 1

    def work(dsn):
        with connect(dsn) as session:
            while not stop.is_set():
                session.execute(f"CALL pgtandem.backfill('{shape.name}', '{seconds}s')")
                time.sleep(0.02)

    def drains(dsn):
        with connect(dsn) as session:
            while not stop.is_set():
                session.execute(f"CALL pgtandem.drain('{shape.name}')")
                time.sleep(0.05)

    with world.database(shape) as dsn, connect(dsn) as owner:
        there = [
            dict(
                zip(
                    shape.source.columns,
                    (
                        *key,
                        *(
                            random_.choice(v)
                            for v in (*shape.source.values.values(), *shape.source.own.values())
                        ),
                    ),
                    strict=True,
                )
            )
            for key in shape.source.keys
        ]
        execute(owner, statements.insert(shape.source, there))
        run_script(owner, shape.script("deploy/sync"))
        threads = [
            guarded(write, dsn, pool, isolation, random_.random())
            for pool in (examples.old, examples.new)
            for isolation in ISOLATION
        ]
        threads += [guarded(work, dsn), guarded(work, dsn), guarded(drains, dsn)]
        for thread in threads:
            thread.start()
        stop.wait(seconds)
        stop.set()
        for thread in threads:
            thread.join(60)
        if problems:
            raise problems[0]
        finish_copy(owner, shape)
        drain(owner, shape)
        assert done["commits"] > 20, done
        assert naive_differences(owner, shape) == {}
        assert differences(owner, shape) == {}
        assert len(content(owner, shape.source)) <= len(shape.source.keys)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(RUNS))
def test_both_sides_agree_under_load(world, number):
    stress(world, SHAPES[number % 2], number)

"""The merge of danci and its undo: killed, and run again, while the canary works on."""

from __future__ import annotations

import random

import pytest

from chaos.victim import Victim
from helpers import ROOT, psql, sqitch

PROJECT = ROOT / "examples" / "danci"
STATES = "danci.word_learning_states"
# The canary counts a review of every fiftieth word, whether the state is ours or its own.
CANARY = f"UPDATE {STATES} SET review_count = review_count + 1000 WHERE word_id % 50 = 7"


@pytest.fixture
def danci(empty: Victim) -> Victim:
    """Two thousand learners, and the sync of their words."""
    psql(PROJECT / "legacy.sql", empty.dsn)
    psql(PROJECT / "generate.sql", empty.dsn, users=2000)
    sqitch("deploy", "--to-change", "words_expand", dsn=empty.dsn, project=PROJECT)
    psql(PROJECT / "deploy" / "words_sync.sql", empty.dsn)
    empty.slow_down(pause="20ms")
    return empty


def states(victim: Victim, more: int = 0) -> dict[tuple[str, int], str]:
    """Each row as text, by its key; with so many reviews more."""
    found = victim.execute(
        "SELECT user_id, word_id, (user_id, word_id, mastery_level, review_count + "
        f"{more}, interval_days, last_review_date, next_review_date)::text FROM {STATES}"
    )
    return {(user, word): row for user, word, row in found}


def is_theirs(key: tuple[str, int]) -> bool:
    return key[1] % 50 == 7


def kill(victim: Victim, what: str, call: str, reached: str) -> None:
    """Begin, and kill when so far; a session whose client was killed goes on by itself."""
    program = victim.start("psql", "-Xqc", f"CALL pgtandem.{call}('words')")
    if call == "backfill":
        victim.execute(CANARY)
    victim.until(f"SELECT count(*) > 0 AND ({reached}) FROM pgtandem.worker_status")
    victim.kill(what, program)
    victim.until("SELECT count(*) = 0 FROM pgtandem.worker_status")


@pytest.mark.parametrize("what", ["client", "backend", "server"])
def test_merge_and_undo_killed(danci: Victim, what: str) -> None:
    victim = danci
    before, counted = states(victim), [states(victim, 1000 * n) for n in (1, 2, 3)]
    chance = random.Random(what)
    times = 1 if what == "client" else 2
    done = "SELECT blocks_done::float / nullif(blocks, 0) FROM pgtandem.progress"
    kill(victim, what, "backfill", f"({done} WHERE mapping = 'words') > 0")
    victim.execute(CANARY)
    victim.execute("CALL pgtandem.backfill('words')")
    assert victim.value("SELECT count(*) FROM pgtandem_words.compared() WHERE changed") == 0
    victim.execute(CANARY)
    written = states(victim)
    assert len(written) > len(before) + 1000
    total = victim.value("SELECT pgtandem._undo_to_go('words')")
    for share in (chance.uniform(0.8, 1), chance.uniform(0.4, 0.7))[:times]:
        kill(victim, what, "undo", f"pgtandem._undo_to_go('words') < {share} * {total}")
    if victim.value("SELECT pgtandem._undo_to_go('words')"):
        victim.execute("CALL pgtandem.undo('words')")
    after = states(victim)
    for key in before.keys() | written.keys():
        if not is_theirs(key):
            assert after.get(key) == before.get(key)
        elif key in before:  # as they have left it, or as they had left it before we came
            assert after[key] in (written[key], *(each[key] for each in counted))
        else:  # ours; or theirs by now
            assert after.get(key, written[key]) == written[key]
    assert any(is_theirs(key) for key in after.keys() - before.keys())

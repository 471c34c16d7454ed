"""An import of documents: killed, and run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.victim import Victim
from command_line import PGTANDEM, pgtandem

DOCUMENTS = 40_000


@pytest.mark.parametrize(("what", "jobs"), [("server", "1"), ("server", "2"), ("backend", "2")])
def test_import_killed(empty: Victim, tmp_path: Path, what: str, jobs: str) -> None:
    """Chunks do not wait for the disk: what a crash takes away, it takes with how far it was."""
    victim = empty
    path = tmp_path / "users.json"
    path.write_text(
        "".join(
            f'{{"_id":{n},"text":"{"x" * 1000}"}}\n' if n % 10_000 else "broken\n"
            for n in range(DOCUMENTS)
        )
    )
    command = ("import", "mongo", str(path), "--into", "staging.users", "--jobs", jobs)
    for chunks in (1, 4):
        program = victim.start(str(PGTANDEM), *command, "--dsn", victim.dsn)
        victim.until(f"SELECT coalesce(max(chunks), 0) >= {chunks} FROM pgtandem.import")
        if victim.value("SELECT state = 'running' FROM pgtandem.import"):
            victim.kill(what, program)
    pgtandem(*command, dsn=victim.dsn, code=1)  # some were set aside
    # One import, or two where the first was done before it could be killed again.
    assert set(victim.execute("SELECT state, documents, set_aside FROM pgtandem.import")) == {
        ("complete", DOCUMENTS, 4)
    }
    assert victim.value("SELECT count(DISTINCT _id) FROM staging.users") == DOCUMENTS - 4
    assert victim.execute("SELECT DISTINCT line FROM pgtandem.import_bad ORDER BY 1") == [
        (1,), (10_001,), (20_001,), (30_001,),
    ]  # fmt: skip

"""pgtandem import mongo against COPY of the same lines, and against one INSERT a document."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.hand_mongo import migrate
from bench.measure import Figures, Section, compare, interleave
from bench.world import HERE, ROOT, World

DATABASE = "mongo"
GENERATOR = ROOT / "examples" / "mongo_tasks" / "generate.py"
SCRIPTED = 5000  # documents that the plan's script is measured with
COPY_AIM, SCRIPT_AIM, RATE_AIM = 0.6, 10.0, 0.9
BY_SCRIPT = "the plan's script"
LINES = (  # what, ours, theirs, aim; of each number of documents
    ("1 job, one core: COPY, text", "1, one core", "text, one core", COPY_AIM),
    ("1 job, one core: COPY, jsonb", "1, one core", "jsonb, one core", None),
    ("1 job: COPY, text", "1", "text", COPY_AIM),
    ("2 jobs: COPY, text", "2", "text", COPY_AIM),
    ("1 job: the plan's script", "1", BY_SCRIPT, SCRIPT_AIM),
)
NOTE = (
    "Subtasks of `examples/mongo_tasks`, canonical Extended JSON, {bytes:.0f} bytes each, into an "
    "empty table; documents a second of the whole command, from its start to its end (what it "
    "takes at all, 100 documents, is {start:.2f} s). COPY is psql's `\\copy` of the same lines "
    "into a table with one column and no index. It reads no JSON where the column is text; where "
    "it is jsonb, it reads it, but finds no field that is there twice and no document that is "
    "there twice, and stops at the first that is broken. *One core*: the client and all of the "
    "server's processes have the same one; the others have {cores}. The plan's script, "
    "made to work, is `bench/hand_mongo.py`: documents by the driver's `json_util`, one INSERT "
    "each, all in one transaction; measured with {scripted:,} documents, without the start of "
    "Python, into its own table. The last two lines are of the import alone, as it "
    "reports it itself: the start of the command would favour the larger file."
)


def _export(file: Path, count: int) -> None:
    """A file as mongoexport writes it, by the generator of the example."""
    spec = spec_from_file_location("generate", GENERATOR)
    assert spec
    assert spec.loader
    generate = sys.modules["generate"] = module_from_spec(spec)
    spec.loader.exec_module(generate)
    documents = generate.World(2 * count, 1, 1)
    with file.open("wb") as out:
        for number in range(count):
            value = generate.written(documents.subtask(number), "canonical")
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            out.write(text.encode() + b"\n")


def _first(file: Path, count: int, into: Path) -> None:
    with file.open("rb") as data:
        into.write_bytes(b"".join(islice(data, count)))


@contextmanager
def _one_core(world: World) -> Iterator[None]:
    """All that is measured runs on one core."""
    before = os.sched_getaffinity(0)
    server = psutil.Process(world.server.pid)
    everybody = [psutil.Process(), server, *server.children()]
    try:
        for each in everybody:  # sessions and programs that are started have what these have
            each.cpu_affinity([min(before)])
        yield
    finally:
        for each in everybody:
            each.cpu_affinity([*before])


class Contest:
    """The contestants, with the files of one directory."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.directory = directory
        self.reported: dict[str, list[float]] = defaultdict(list)  # documents/s, by the import

    def file(self, count: int) -> Path:
        """The export with so many documents."""
        return self.directory / f"{count}.json"

    def imported(self, count: int, jobs: int, name: str = "") -> float:
        """Documents a second."""
        began = time.monotonic()
        said = self.world.run(
            [sys.executable, "-m", "pgtandem", "import", "mongo", self.file(count), "--json",
             "--dsn", self.world.server.dsn(DATABASE), "--into", "staging.subtasks",
             "--jobs", str(jobs)],
            DATABASE,
        )  # fmt: skip
        seconds = time.monotonic() - began
        found = json.loads(said)
        assert found["inserted"] == count, said
        self.reported[name].append(count / found["seconds"])
        return count / seconds

    def copied(self, count: int, table: str) -> float:
        """The same of COPY."""
        began = time.monotonic()
        self.world.psql(HERE / "copy_lines.sql", DATABASE, table=table, lines=self.file(count))
        return count / (time.monotonic() - began)

    def scripted(self) -> float:
        """The same of the plan's script."""
        with self.world.connect(DATABASE) as session:
            began = time.monotonic()
            migrate(session, self.file(SCRIPTED), self.directory / "pg_subtasks.json")
            return SCRIPTED / (time.monotonic() - began)

    def alone(self, measure: Callable[[], float]) -> float:
        """The same on one core."""
        with _one_core(self.world):
            return measure()


def _contestants(contest: Contest, counts: tuple[int, int]) -> dict[str, Callable[[], float]]:
    found: dict[str, Callable[[], float]] = {BY_SCRIPT: contest.scripted}
    for count in counts:
        for jobs in (1, 2):
            name = f"{count:,}: {jobs}"
            found[name] = partial(contest.imported, count, jobs, name)
        found[f"{count:,}: text"] = partial(contest.copied, count, "as_text")
        if hasattr(os, "sched_setaffinity"):
            for name, measure in (
                ("1", partial(contest.imported, count, 1)),
                ("text", partial(contest.copied, count, "as_text")),
                ("jsonb", partial(contest.copied, count, "as_jsonb")),
            ):
                found[f"{count:,}: {name}, one core"] = partial(contest.alone, measure)
    return found


def _per_document(figures: Figures) -> Figures:
    """Processor time of one document, where contestants have different numbers of them."""

    def count(name: str) -> int:
        return SCRIPTED if name == BY_SCRIPT else int(name.partition(":")[0].replace(",", ""))

    return {
        name: [replace(each, cost=each.cost / count(name)) for each in some]
        for name, some in figures.items()
    }


def _reported(contest: Contest, figures: Figures, names: list[str]) -> Figures:
    """What the import says of itself, without the round that is dropped."""
    return {
        name: [
            replace(figure, value=value)
            for figure, value in zip(figures[name], contest.reported[name][1:], strict=True)
        ]
        for name in names
    }


def run(world: World, rounds: int) -> Section:
    """Compare; every figure is documents a second. `rows` of them, and a tenth of that."""
    world.database(DATABASE)
    world.run(["sqitch", "deploy", "--target", f"db:pg:{DATABASE}"], DATABASE)
    world.psql(HERE / "mongo.sql", DATABASE)
    few, many = world.rows // 10, world.rows
    section = Section("Import of documents")
    with TemporaryDirectory() as name:
        contest = Contest(world, Path(name))
        _export(contest.file(many), many)
        for count in (100, SCRIPTED, few):
            _first(contest.file(many), count, contest.file(count))

        def reset() -> None:
            world.psql(HERE / "reset_mongo.sql", DATABASE)

        figures = interleave(_contestants(contest, (few, many)), rounds, reset)
        found = _per_document(figures)
        for count in (few, many):
            for what, ours, theirs, aim in LINES:
                of = f"{count:,}: "
                one, other = of + ours, theirs if theirs == BY_SCRIPT else of + theirs
                if one in found:
                    said = f"{count:,} documents, {what}"
                    section.ratios.append(compare(said, found, one, other, "/s", aim))
        for jobs in (1, 2):
            more, less = f"{many:,}: {jobs}", f"{few:,}: {jobs}"
            reported = _reported(contest, found, [more, less])
            what = f"{many:,} documents, {jobs} job{'s' if jobs > 1 else ''}: {few:,}"
            section.ratios.append(compare(what, reported, more, less, "/s", RATE_AIM))
        reset()
        start = 100 / contest.imported(100, 1)
        size = contest.file(many).stat().st_size / many
        note = NOTE.format(bytes=size, start=start, cores=os.cpu_count(), scripted=SCRIPTED)
        section.notes.append(note)
    world.drop(DATABASE)
    return section

"""An import: chunks of documents into a staging table, each in a transaction of its own.

One thread reads the files and checks documents, each session writes chunks. They are committed in
the order of the files, so that the position of the last one says what is in.
"""

from __future__ import annotations

import gc
import json
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import psycopg
from psycopg import errors, sql

from pgtandem import db, deployed, mongo_documents, sessions
from pgtandem.errors import PgtandemError
from pgtandem.mongo_documents import Bad, Document
from pgtandem.mongo_files import Chunk, File, Piece, Place, Reader
from pgtandem.sessions import Connection

TRIES = 60  # of a chunk that is the next one, when others hold its rows; each waits a second
SWITCH = 0.001  # seconds after which a thread that waits for Python's lock gets it
# By these PostgreSQL says that it is the document, or what a trigger makes of it.
DOCUMENTS_FAULT = ("21", "22", "23", "54", "P0", "TD")
# What COPY sends in its binary format, in which PostgreSQL need not look for the end of each line.
COPY_BEGIN, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
THREE, INTEGER, BIGINT, NULL = b"\0\3", b"\0\0\0\4", b"\0\0\0\10", b"\xff\xff\xff\xff"
WAITED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
REASONS = {
    "22003": mongo_documents.NUMBER,
    "54001": mongo_documents.TOO_DEEP,
}


class StoppedError(Exception):
    """Another session has failed; this one has nothing to say."""


class AgainError(Exception):
    """A chunk has to be written again, as another one was in its way."""


@dataclass(frozen=True)
class Staging:
    """The staging table."""

    schema: str
    name: str
    exists: bool

    @property
    def identifier(self) -> sql.Identifier:
        """For a query."""
        return sql.Identifier(self.schema, self.name)


@dataclass
class Result:
    """What became of one chunk."""

    counts: dict[str, int] = field(default_factory=dict)
    bad: list[Bad] = field(default_factory=list)

    def add(self, **counts: int) -> None:
        """Count."""
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number


def find_staging(session: Connection, given: str, make: bool) -> Staging:
    """The staging table that somebody names; made, with its schema, where it is not there."""
    try:
        row = session.execute(db.load_query("import_name"), {"staging": given}).fetchone()
    except errors.InvalidParameterValue as error:
        row = None
        detail: str | None = error.diag.message_primary
    else:
        detail = None
    if row is None or len(row["parts"]) > 2 or row["schema"] is None:
        raise PgtandemError(
            f"{given} is no name of a table.",
            detail=detail,
            hint="""Write schema.table; odd names in double quotes: '"My Schema"."Users"'.""",
        )
    staging = Staging(row["schema"], row["parts"][-1], row["has_table"])
    if make and not staging.exists:
        with session.transaction():
            if not row["has_schema"]:
                name = sql.Identifier(staging.schema)
                session.execute(db.load_query("import_schema").format(schema=name))
            made = db.load_query("import_table").format(staging=staging.identifier)
            session.execute(made)
    return staging


class Turn:
    """Lets chunks commit in order, and lets those wait that are in the way of an earlier one."""

    def __init__(self, first: int) -> None:
        self._changed = threading.Condition()
        self._next = first
        self._contended = False
        self.failure: BaseException | None = None

    def _wait(self, number: int, gives_way: bool) -> None:
        with self._changed:
            while self._next != number or self.failure:
                if self.failure:
                    raise StoppedError
                if gives_way and self._contended:
                    raise AgainError
                self._changed.wait()

    def come(self, number: int) -> None:
        """Return when all chunks before are committed; AgainError if one needs what we hold."""
        self._wait(number, gives_way=True)

    def alone(self, number: int) -> None:
        """The same, after a rollback; those who hold something give way."""
        with self._changed:
            self._contended = True
            self._changed.notify_all()
        self._wait(number, gives_way=False)

    def done(self, number: int) -> None:
        """The chunk is committed."""
        with self._changed:
            self._next = number + 1
            self._contended = False
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self.failure = self.failure or failure
            self._changed.notify_all()


class Import:
    """One run of an import, or of a dry run where `number` is None."""

    def __init__(
        self, staging: Staging, number: int | None, fresh: bool, reader: Reader, place: Place,
        strict: bool,
    ) -> None:  # fmt: skip
        self.staging = staging
        self.number = number
        self.reasons: dict[str, dict[str, Any]] = {}  # of a dry run; else the database has them
        self.counts = Result()
        self.read = 0  # bytes of `file` on disk
        self.file = place.file
        self._fresh = fresh
        self._reader = reader
        self._place = place
        self._strict = strict
        self._turn = Turn(place.chunk + 1)
        self._late: BaseException | None = None  # what ended the reading
        self._chunks: queue.Queue[Chunk | None] = queue.Queue(maxsize=2)
        self._queries = self._load()

    @property
    def _import(self) -> dict[str, int]:
        return {"import": self.number or 0}

    def _load(self) -> dict[str, sql.Composed | sql.SQL]:
        # psycopg takes a % in a query with parameters for one, in a name, too.
        staging = sql.SQL(self.staging.identifier.as_string().replace("%", "%%"))
        if self.number is None:
            seen: sql.Composable = sql.Identifier("pg_temp", "pgtandem_seen")
        elif self._fresh:
            seen = db.load_query("import_written").format(staging=staging)
        else:
            seen = sql.Identifier("pgtandem", "import_seen")
        merge = "import_merge"
        if self.number is None:
            merge = "import_compare" if self.staging.exists else "import_count"
        return {
            "direct": db.load_query("import_direct").format(staging=self.staging.identifier),
            "repeated": db.load_query("import_repeated").format(seen=seen),
            "see": db.load_query("import_see").format(seen=seen),
            "merge": db.load_query(merge).format(staging=staging),
        }

    def run(
        self, target: db.Target, jobs: int, listen: Callable[[Connection], None],
        beat: Callable[[], object],
    ) -> None:  # fmt: skip
        """Write all chunks.

        Raises what the first chunk that failed raised; those before it are in.
        """
        with sessions.Team(target, jobs) as team, _tuned():
            for session in team.sessions:
                listen(session)
                with deployed.engine_errors(session):
                    session.execute(db.load_query("import_session"))
                if self.number is None:
                    session.execute(db.load_query("import_dry"))
            reading = threading.Thread(target=self._read, daemon=True)
            reading.start()
            try:
                futures = [team.start(session, self._work) for session in team.sessions]
                sessions.results(futures, 0.2, beat)
            except StoppedError:
                assert self._turn.failure
                raise self._turn.failure from None
            except BaseException as error:
                self._turn.fail(error)
                raise
            if self._late:
                raise self._late

    def _read(self) -> None:
        """Check documents while sessions write those before."""

        def skipped(number: int, file: File) -> None:
            self.file, self.read = number, file.on_disk()

        try:
            for chunk in self._reader.chunks(self._place, skipped):
                self._offer(chunk)
            self._offer(None)
        except StoppedError:
            return
        except BaseException as error:
            self._late = error  # what was read before goes in
            with suppress(StoppedError):
                self._offer(None)

    def _offer(self, chunk: Chunk | None) -> None:
        while not self._turn.failure:
            try:
                return self._chunks.put(chunk, timeout=0.2)
            except queue.Full:
                continue
        raise StoppedError

    def _work(self, session: Connection) -> None:
        while (chunk := self._chunks.get()) is not None:
            try:
                self._write(session, chunk)
            except StoppedError:
                raise
            except BaseException as error:
                self._turn.fail(error)
                raise
            self.file, self.read = chunk.file, chunk.read
        self._chunks.put(None)  # for the next session

    def _write(self, session: Connection, chunk: Chunk) -> None:
        """Write a chunk, again if others are in its way."""
        for attempt in range(TRIES):
            try:
                with session.transaction():
                    result = self._put_chunk(session, chunk)
                    self._turn.come(chunk.number)
                    self._note(session, chunk, result)
            except (AgainError, *WAITED) as error:
                if attempt == TRIES - 1:
                    raise self._gave_up(error) from error
                self._turn.alone(chunk.number)
            else:
                self._turn.done(chunk.number)
                return

    def _gave_up(self, error: Exception) -> Exception:
        if not isinstance(error, AgainError):
            return error
        return PgtandemError(
            f"{self.staging.schema}.{self.staging.name} does not keep what is written to it.",
            detail="A trigger drops rows, or others write the same documents all the time.",
            hint="What is before it is in. Drop the trigger, and run the command again.",
        )

    def _note(self, session: Connection, chunk: Chunk, result: Result) -> None:
        """In the transaction of the chunk: what was set aside, and how far it is."""
        if self._strict and result.bad:
            raise _strict(chunk.name, result.bad[0])
        result.add(documents=chunk.count, set_aside=len(result.bad))
        if self.number is None:
            for each in result.bad:
                self._count_reason(chunk.name, each)
        else:
            if result.bad:
                with session.cursor() as cursor:
                    cursor.executemany(
                        db.load_query("import_bad"),
                        [
                            {**vars(each), **self._import, "file": chunk.file, "name": chunk.name}
                            for each in result.bad
                        ],
                    )
            session.execute(
                db.load_query("import_advance"),
                {
                    **self._import, "chunk": chunk.number, "file": chunk.file, "line": chunk.line,
                    "position": chunk.position, "total": chunk.total, "digest": chunk.digest,
                    "counts": json.dumps(result.counts),
                },
            )  # fmt: skip
        self.counts.add(**result.counts)

    def _count_reason(self, name: str, bad: Bad) -> None:
        first = {
            "reason": bad.reason, "documents": 0, "name": name, "line": bad.line,
            "position": bad.position, "message": bad.message,
        }  # fmt: skip
        self.reasons.setdefault(bad.reason, first)["documents"] += 1

    def _put_chunk(self, session: Connection, chunk: Chunk) -> Result:
        result = Result()
        pieces = chunk.pieces
        if self.number is not None and self._fresh:
            try:
                with session.transaction():
                    copied, inserted = self._copy(session, self.number, pieces)
            except psycopg.Error as error:
                if not _is_documents_fault(error):
                    raise
            else:
                pieces = pieces[copied:]
                result.add(inserted=inserted)
        if some := [each for piece in pieces for each in piece.found[0]]:
            self._put(session, some, result)
        result.bad += chunk.bad
        result.bad.sort(key=lambda each: each.position)
        return result

    def _copy(self, session: Connection, number: int, pieces: list[Piece]) -> tuple[int, int]:
        """Write into an empty table, until there is an _id that only PostgreSQL can spell.

        Returns:
            How many pieces are in, and how many documents.
        """
        first = repeat(THREE + BIGINT + number.to_bytes(8))
        copied = 0
        with session.cursor() as cursor:
            with cursor.copy(self._queries["direct"]) as copy:
                copy.write(COPY_BEGIN)
                for piece in pieces:  # PostgreSQL reads one while the next is checked
                    ids, texts = piece.rows
                    if b"" in ids:
                        break
                    copy.write(_rows(first, ids, texts))
                    copied += 1
                copy.write(COPY_END)
            return copied, cursor.rowcount

    def _put(self, session: Connection, some: Sequence[Document], result: Result) -> None:
        """Write documents; of those that PostgreSQL refuses, find out which ones it does."""
        try:
            with session.transaction():
                counts, bad = self._merge(session, some)
        except psycopg.Error as error:
            if not _is_documents_fault(error):
                raise
            if len(some) > 1:
                # Where a line is no JSON, the _ids of its block may be those of other lines.
                some = [replace(each, id=b"") for each in some]
                middle = len(some) // 2
                self._put(session, some[:middle], result)
                self._put(session, some[middle:], result)
                return
            counts, bad = {}, [_refused(some[0], error)]
        result.add(**counts)
        result.bad += bad

    def _merge(
        self, session: Connection, some: Sequence[Document]
    ) -> tuple[dict[str, int], list[Bad]]:
        session.execute(db.load_query("import_clear"))
        with session.cursor() as cursor:
            with cursor.copy(db.load_query("import_copy")) as copy:
                places = [THREE + INTEGER + n.to_bytes(4) for n in range(len(some))]
                rows = _rows(places, [each.id for each in some], [each.text for each in some])
                copy.write(COPY_BEGIN + rows + COPY_END)
            cursor.execute(self._queries["repeated"], self._import)
            repeated = cursor.fetchall()
            if self.number is None or not self._fresh:
                cursor.execute(self._queries["see"], self._import)
                if cursor.rowcount != len(some) - len(repeated):
                    raise AgainError
            counts = cursor.execute(self._queries["merge"], self._import).fetchone()
        assert counts
        if not counts.pop("is_done"):
            raise AgainError
        kept = len(some) - len(repeated)
        counts["unchanged"] = kept - counts["inserted"] - counts["updated"]
        counts["repeated"] = sum(row["is_same"] for row in repeated)
        bad = [_duplicate(some[row["n"]], row["_id"]) for row in repeated if not row["is_same"]]
        return counts, bad


def _rows(
    firsts: Iterable[bytes], ids: Sequence[bytes], texts: Sequence[bytes]
) -> bytes:  # fmt: skip
    """Rows for COPY: a first field, an _id, NULL where it is empty, and a document."""
    return b"".join(
        [
            b"%s%s%s%s\x01%s"
            % (first, len(_id).to_bytes(4) if _id else NULL, _id, (len(text) + 1).to_bytes(4), text)
            for first, _id, text in zip(firsts, ids, texts, strict=False)
        ]
    )


def _is_documents_fault(error: psycopg.Error) -> bool:
    return bool(error.sqlstate) and str(error.sqlstate).startswith(DOCUMENTS_FAULT)


def _bad(document: Document, reason: str, message: str) -> Bad:
    raw = document.raw
    return Bad(document.line, document.position, reason, message, len(raw), raw)


def _duplicate(document: Document, identifier: str) -> Bad:
    message = f"Another document before it has the _id {identifier}."
    return _bad(document, mongo_documents.DUPLICATE, message)


def _refused(document: Document, error: psycopg.Error) -> Bad:
    reason = REASONS.get(str(error.sqlstate), mongo_documents.REFUSED)
    parts = (error.diag.message_primary, error.diag.message_detail, error.sqlstate)
    return _bad(document, reason, " ".join(part for part in parts if part))


def _strict(name: str, bad: Bad) -> PgtandemError:
    return PgtandemError(
        f"{name}, line {bad.line:,}, byte {bad.position:,}: {bad.reason}.",
        detail=f"{bad.message} {excerpt(bad.raw)}",
        hint="What is before it is in. Mend it and run the command again; without --strict it"
        " would be set aside.",
    )


def excerpt(raw: bytes) -> str:
    """The beginning of some bytes, for people."""
    text = raw[:60].decode(errors="backslashreplace")
    return text + ("…" if len(raw) > 60 else "")


@contextmanager
def _tuned() -> Iterator[None]:
    """Python as this work needs it.

    Nothing here makes cycles; looking for them takes twice the time of reading the JSON. And a
    session whose socket has room again waits for Python's lock: not for 5 ms, as usual, in which
    PostgreSQL would have read all there is.
    """
    was, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if was:
            gc.enable()

"""The files of an import, as chunks of documents: mongoexport and mongodump, plain or compressed.

A chunk ends where a document ends, so an import that was interrupted goes on after one. To find
the place again it reads what was before it, and compares its hash.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from pgtandem import mongo_documents as documents
from pgtandem.errors import PgtandemError
from pgtandem.mongo_documents import Bad, Document, UnfitError

BLOCK = 4 * 2**20  # bytes that are read at once, and about what one transaction writes
KEPT = 2**20  # bytes that are kept of what is no document and has no end
PIECE = 2**15  # bytes that are checked at once: their values fit into a processor's cache
HEAD = 4096  # bytes by which a format is told
GZIP, ZSTD, ARCHIVE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x6d\xe2\x99\x81"
BOM = b"\xef\xbb\xbf"
SEPARATORS = re.compile(r"[\s,\[\]\ufeff]*")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
NEXT_LINE = re.compile(r"\n,?(?=\{)")
NEAR_END = 16  # characters in which a number, a word or an escape may be cut


Found = tuple[list[Document], list[Bad]]


@dataclass
class Piece:
    """Documents that follow each other. Those of lines are looked at when they are asked for.

    Attributes:
        look: finds the good and the bad ones; is given `lines` and `ids`.
        data: their lines, without the last line end, where each document is one.
    """

    look: Callable[[list[bytes], list[bytes] | None], Found]
    data: bytes = b""

    @cached_property
    def lines(self) -> list[bytes]:
        """The same, split."""
        return self.data.split(b"\n")

    @cached_property
    def ids(self) -> list[bytes] | None:
        """The _ids of `lines`, as in Document; None where they do not go in as they are."""
        return documents.ids_of(self.data, self.lines) if self.data else None

    @cached_property
    def found(self) -> Found:
        """The good and the bad ones, each with its place."""
        return self.look(self.lines, self.ids)

    @property
    def rows(self) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """_ids and texts of the good ones, as in Document."""
        if self.ids is not None:
            return self.ids, self.lines
        return [each.id for each in self.found[0]], [each.text for each in self.found[0]]

    @property
    def bad(self) -> list[Bad]:
        """The bad ones."""
        return [] if self.ids is not None else self.found[1]

    @property
    def count(self) -> int:
        """Of good and bad ones."""
        return len(self.rows[0]) + len(self.bad)


@dataclass
class Chunk:
    """Documents that go in by one transaction, and where their file is after them.

    Attributes:
        number: from 1, over all files.
        file: number of the file, from 1; `name` is its name.
        line, position: lines and bytes of the file up to the end of this chunk.
        total: bytes of all files so far; `digest` is their SHA-256.
        pieces: the documents.
        read: bytes of the file on disk that were read, for the progress.
    """

    number: int
    file: int
    name: str
    line: int
    position: int
    total: int
    digest: str
    read: int
    pieces: list[Piece]

    @property
    def bad(self) -> list[Bad]:
        """The bad ones."""
        return [each for piece in self.pieces for each in piece.bad]

    @property
    def count(self) -> int:
        """Of good and bad ones."""
        return sum(piece.count for piece in self.pieces)


@dataclass(frozen=True)
class Place:
    """Where an import goes on: file, line, position, total and digest as of its last chunk."""

    chunk: int = 0
    file: int = 1
    line: int = 0
    position: int = 0
    total: int = 0
    digest: str | None = None


@contextmanager
def _damaged(name: str) -> Iterator[None]:
    """Say it where a compressed file is damaged or cut."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError) as error:
        raise PgtandemError(
            f"{name} is damaged: it cannot be decompressed to its end.",
            detail=str(error),
            hint="What was read before is in. Export or copy it anew, and run the command again.",
        ) from error


class File:
    """One file while it is read: what is in it, decompressed, and how far it is."""

    def __init__(self, name: str, format_: str) -> None:
        self.name = os.fsencode(name).decode(errors="replace")
        self._disk = self._open(name)
        with _damaged(name):
            self._data = self._decompressed()
            self.format = self._told(self._data.peek(HEAD)) if format_ == "auto" else format_
        self.line = 0
        self.position = 0
        self.is_open = False  # an array has begun and not ended

    @staticmethod
    def _open(name: str) -> io.BufferedReader:
        if name == "-":
            return cast(io.BufferedReader, sys.stdin.buffer)
        return Path(name).open("rb")  # closed by `close`

    def _decompressed(self) -> io.BufferedReader:
        head = self._disk.peek(4)[:4]
        if head.startswith(GZIP):
            return io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=self._disk)), BLOCK)
        if head == ZSTD:
            return io.BufferedReader(cast(Any, zstd.ZstdFile(self._disk)), BLOCK)
        return self._disk

    def _told(self, head: bytes) -> str:
        """The format, by the name and the first bytes."""
        if head.startswith(ARCHIVE):
            raise PgtandemError(
                f"{self.name} is an archive of mongodump.",
                hint="mongodump --out DIRECTORY writes a .bson file for each collection.",
            )
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise PgtandemError(
                f"{self.name} is in UTF-16.",
                hint="mongoexport writes UTF-8; iconv -f UTF-16 -t UTF-8 makes it so.",
            )
        suffixes = Path(self.name).suffixes[-2:]
        if ".bson" in suffixes or b"\x00" in head[:8]:
            return "bson"
        text = head.removeprefix(BOM).lstrip()
        # A document that begins with a line of its own goes over several lines (--pretty).
        return "array" if text.startswith(b"[") or re.match(rb"\{[ \t]*\r?\n", text) else "lines"

    def read(self, size: int) -> bytes:
        """Some bytes, fewer only at the end."""
        with _damaged(self.name):
            return self._data.read(size)

    def is_at_end(self) -> bool:
        """Whether nothing is left to read."""
        with _damaged(self.name):
            return not self._data.peek(1)

    def on_disk(self) -> int:
        """Bytes that were read of the file as it is on disk."""
        try:
            return self._disk.tell()
        except OSError:
            return 0

    def close(self) -> None:
        """Close it, unless it is standard input."""
        if self.name != "-":
            self._disk.close()


def describe(names: list[str]) -> list[dict[str, Any]]:
    """Name, size and time of each file; of standard input only the name."""
    found: list[dict[str, Any]] = []
    for name in names:
        if name == "-":
            found.append({"name": name, "size": None, "modified": None})
            continue
        path = Path(name)
        status = path.stat()
        if path.is_dir():
            raise PgtandemError(f"{name} is a directory.", hint="Name the files in it.")
        found.append(
            {
                "name": os.fsencode(name).decode(errors="replace"),
                "size": status.st_size if path.is_file() else None,  # a pipe has none
                "modified": datetime.fromtimestamp(status.st_mtime, UTC).isoformat(),
            }
        )
    return found


class Reader:
    """Reads files one after the other, as chunks."""

    def __init__(self, names: list[str], format_: str) -> None:
        self._names = names
        self._format = format_
        self._block = BLOCK
        self._hash = hashlib.sha256()
        self._number = 0
        self.total = 0

    def _take(self, file: File, data: bytes, lines: int) -> None:
        """Count what a chunk has used up."""
        self._hash.update(data)
        file.position += len(data)
        file.line += lines
        self.total += len(data)

    def _chunk(self, number: int, file: File, pieces: list[Piece]) -> Chunk:
        self._number += 1
        return Chunk(
            self._number, number, file.name, file.line, file.position, self.total,
            self._hash.hexdigest(), file.on_disk(), pieces,
        )  # fmt: skip

    def chunks(self, place: Place, skipped: Callable[[int, File], None]) -> Iterator[Chunk]:
        """All chunks after a place.

        Args:
            place: where to go on.
            skipped: called now and then while what is before the place is read again.

        Raises:
            PgtandemError: where it is not what it was, or is damaged.
        """
        self._number = place.chunk
        for number, name in enumerate(self._names, 1):
            file = File(name, self._format)
            try:
                if number <= place.file:
                    self._skip(number, file, place, skipped)
                if number >= place.file:
                    reading = {"bson": self._bson, "array": self._array}
                    yield from reading.get(file.format, self._lines)(number, file)
            finally:
                file.close()

    def _skip(
        self, number: int, file: File, place: Place, skipped: Callable[[int, File], None]
    ) -> None:
        """Read what is in already."""
        left = place.total - self.total if number < place.file else place.position
        last = b""
        while left > 0 and (data := file.read(min(left, self._block))):
            if file.position == 0:
                file.is_open = _begins_array(data)
            last = data.rstrip()[-1:] or last
            self._take(file, data, 0)
            left -= len(data)
            skipped(number, file)
        if number < place.file:
            return
        file.line = place.line
        file.is_open = file.is_open and last != b"]"
        if place.digest and (self.total, self._hash.hexdigest()) != (place.total, place.digest):
            raise PgtandemError(
                f"What was read of {file.name} the last time is not what is in it now.",
                detail=f"The first {place.total:,} bytes of the files have changed, or it is"
                " another file.",
                hint="Give the same files to go on, or --restart to begin anew: documents that"
                " are in already and are the same are not written again.",
                sqlstate="TD082",
            )

    def _lines(self, number: int, file: File) -> Iterator[Chunk]:
        rest = b""
        while data := file.read(self._block):
            rest += data
            if cut := rest.rfind(b"\n") + 1:
                yield self._block_of_lines(number, file, rest[:cut])
                rest = rest[cut:]
            elif len(rest) > documents.MAX_TEXT:
                chunk, rest = self._endless(number, file, rest)
                yield chunk
        if rest:
            yield self._block_of_lines(number, file, rest)

    def _endless(self, number: int, file: File, start: bytes) -> tuple[Chunk, bytes]:
        """A line that is no document, whatever is in it: it is never held as a whole.

        Returns:
            A chunk with that, and what was read after it.
        """
        line, position, cut = file.line + 1, file.position, 0
        self._take(file, start, 0)
        while not cut and (data := file.read(self._block)):
            cut = data.find(b"\n") + 1
            self._take(file, data[: cut or len(data)], 1 if cut else 0)
        size = file.position - position
        message = f"A line of {size:,} bytes; only its first {KEPT:,} are kept here."
        bad = Bad(line, position, documents.TOO_LARGE, message, size, start[:KEPT])
        return self._chunk(number, file, _piece([], [bad])), data[cut:] if cut else b""

    def _block_of_lines(self, number: int, file: File, block: bytes) -> Chunk:
        """A chunk of whole lines; only the last one of the file may lack its end."""
        start = len(BOM) if file.position == 0 and block.startswith(BOM) else 0
        pieces, lines = _pieces(block, start, file.line + 1, file.position)
        self._take(file, block, lines)
        return self._chunk(number, file, pieces)

    def _bson(self, number: int, file: File) -> Iterator[Chunk]:
        good: list[Document] = []
        bad: list[Bad] = []
        used: list[bytes] = []
        size = 0

        def flush() -> Chunk:
            self._take(file, b"".join(used), len(used))
            made = self._chunk(number, file, _piece([*good], [*bad]))
            for each in (good, bad, used):
                each.clear()
            return made

        while head := file.read(4):
            length = struct.unpack("<i", head)[0] if len(head) == 4 else 0
            line, position = file.line + len(used) + 1, file.position + size
            if 5 <= length <= documents.MAX_TEXT:
                raw = head + file.read(length - 4)
            if not 5 <= length <= documents.MAX_TEXT or len(raw) < length:
                if used:
                    yield flush()
                yield self._rest_of_bson(number, file, head if length < 5 or length
                                         > documents.MAX_TEXT else raw, line, position)  # fmt: skip
                return
            _sort(good, bad, line, position, raw, documents.from_bson)
            used.append(raw)
            size += length
            if size >= self._block:
                yield flush()
                size = 0
        if used:
            yield flush()

    def _rest_of_bson(
        self, number: int, file: File, start: bytes, line: int, position: int
    ) -> Chunk:
        """Where the length of a document is none, or the file ends before it, nothing follows."""
        size = len(start)
        self._take(file, start, 1)
        while data := file.read(self._block):
            start = start[:KEPT] + data[: max(KEPT - len(start), 0)]
            size += len(data)
            self._take(file, data, 0)
        message = f"No document can be found in the last {size:,} bytes of the file."
        bad = Bad(line, position, documents.TRUNCATED, message, size, start[:KEPT])
        return self._chunk(number, file, _piece([], [bad]))

    def _array(self, number: int, file: File) -> Iterator[Chunk]:
        """Documents that follow each other, in an array or not, on as many lines as they like."""
        # Of what is at the end the last chunk with a byte in it tells: none comes after it.
        rest, decoder = b"", documents.Decoder()
        while data := file.read(self._block):
            rest, at_end = rest + data, file.is_at_end()
            if file.position == 0:
                file.is_open = _begins_array(rest)
            scan = _Scan(rest, file, decoder, at_end, file.is_open)
            scan.run()
            file.is_open = scan.is_open
            if scan.used or scan.bad:
                self._take(file, rest[: scan.used], rest.count(b"\n", 0, scan.used))
                rest = rest[scan.used :]
                yield self._chunk(number, file, _piece(scan.good, scan.bad))
            elif len(rest) > documents.MAX_TEXT:
                raise PgtandemError(
                    f"{file.name} cannot be read after byte {file.position:,}, line"
                    f" {file.line + 1:,}.",
                    detail="No document ends within 64 MiB.",
                    hint="What is before it is in. Mend the file there, and run it again.",
                )


def _begins_array(data: bytes) -> bool:
    return data.removeprefix(BOM).lstrip().startswith(b"[")


class _Scan:
    """The documents in some bytes of a file, wherever their lines end.

    Attributes:
        good, bad: what was found.
        used: bytes that need not be looked at again.
        is_open: whether an array has begun and not ended.
    """

    def __init__(
        self, data: bytes, file: File, decoder: documents.Decoder, at_end: bool, is_open: bool
    ) -> None:  # fmt: skip
        self.good: list[Document] = []
        self.bad: list[Bad] = []
        self.used = 0
        self.is_open = is_open
        self._text = data.decode("utf-8", "surrogateescape")
        self._is_ascii = self._text.isascii()
        self._line, self._start = file.line + 1, file.position
        self._at = 0  # the character that `used` is at
        self._decoder = decoder
        self._at_end = at_end

    def _go_to(self, at: int) -> bytes:
        """Move on to a character, and return the bytes up to there."""
        passed = self._text[self._at : at]
        self._line += passed.count("\n")
        raw = passed.encode("utf-8", "surrogateescape")
        self.used += len(raw)
        self._at = at
        return raw

    def run(self) -> None:
        """Find them."""
        text = self._text
        while True:
            match = SEPARATORS.match(text, self._at)
            assert match
            if "]" in match[0]:
                self.is_open = False
            self._go_to(match.end())
            if self._at == len(text) or not self._document():
                break
        if self._at_end and self.is_open and self._at == len(text):
            message = "The file ends within an array; what came after is not in it."
            self.bad.append(
                Bad(self._line, self._start + self.used, documents.TRUNCATED, message, 0, b"")
            )

    def _document(self) -> bool:
        """Take one document; False where its end is not in sight yet."""
        text, line, position = self._text, self._line, self._start + self.used
        try:
            value, end, text = self._decoder.read(text, self._at)
        except (json.JSONDecodeError, RecursionError) as error:
            return self._broken(error, line, position)
        part = text[self._at : end]
        raw = self._go_to(end)
        check = partial(self._decoder.checked, value, part, len(raw))
        _sort(self.good, self.bad, line, position, raw, lambda _: check())
        return True

    def _broken(
        self, error: json.JSONDecodeError | RecursionError, line: int, position: int
    ) -> bool:
        is_cut = isinstance(error, json.JSONDecodeError) and (
            error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - NEAR_END
        )
        if is_cut and not self._at_end:
            return False
        end = self._end()
        if end is None:
            if not self._at_end:
                return False
            end = len(self._text)
        message = str(getattr(error, "msg", "MongoDB nests 100 levels at most."))
        if isinstance(error, json.JSONDecodeError):
            before = self._text[self._at : error.pos].encode("utf-8", "surrogateescape")
            message += f", at byte {len(before)} of it."
        reason = documents.BROKEN
        if isinstance(error, RecursionError):
            reason = documents.TOO_DEEP
        elif end == len(self._text):
            reason = documents.TRUNCATED
            self.is_open = False
        raw = self._go_to(end)
        self.bad.append(Bad(line, position, reason, message, len(raw), raw))
        return True

    def _end(self) -> int | None:
        """Where a broken document probably ends: its braces do, or another one begins a line."""
        depth, end = 0, None
        for token in TOKEN.finditer(self._text, self._at):
            depth += {"{": 1, "}": -1}.get(token[0], 0)
            if depth <= 0:
                end = token.end()
                break
        following = NEXT_LINE.search(self._text, self._at)
        if following and (end is None or following.end() < end):
            end = following.end()
        return end


def _sort(
    good: list[Document], bad: list[Bad], line: int, position: int, raw: bytes,
    check: Callable[[bytes], tuple[bytes, bytes]],
) -> None:  # fmt: skip
    """Add a document to the good or to the bad ones."""
    try:
        good.append(Document(line, position, raw, *check(raw)))
    except UnfitError as error:
        bad.append(Bad(line, position, error.reason, str(error), len(raw), raw))


def _piece(good: list[Document], bad: list[Bad]) -> list[Piece]:
    """What was looked at."""
    return [Piece(lambda *_: (good, bad))]


def _pieces(block: bytes, start: int, line: int, position: int) -> tuple[list[Piece], int]:
    """Lines in pieces of about PIECE bytes, and how many lines they are.

    Args:
        block: the lines; only the last one of a file may lack its end.
        start: where the first one begins.
        line: its number.
        position: of the block in the file.
    """
    pieces, first = [], line
    while start < len(block):
        end = block.find(b"\n", start + PIECE)
        is_whole = end >= 0 or block.endswith(b"\n")
        data = block[start:end] if end >= 0 else block[start:].removesuffix(b"\n")
        pieces.append(Piece(partial(_look, line, position + start, is_whole), data))
        line += data.count(b"\n") + 1
        start += len(data) + 1
    return pieces, line - first


def _look(
    number: int, position: int, is_whole: bool, lines: list[bytes], ids: list[bytes] | None
) -> Found:
    """The documents of lines: of those that have `ids` only the place is to be found."""
    good: list[Document] = []
    bad: list[Bad] = []
    decoder = documents.Decoder()
    for n, line in enumerate(lines):
        raw = line.removesuffix(b"\r")
        if ids is not None:
            good.append(Document(number + n, position, line, ids[n], line))
        elif raw.strip():
            has_end = is_whole or n < len(lines) - 1
            check = partial(documents.from_line, decoder=decoder, is_whole=has_end)
            _sort(good, bad, number + n, position, raw, check)
        position += len(line) + 1
    return good, bad

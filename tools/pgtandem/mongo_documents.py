"""Documents of MongoDB as Extended JSON: which of them JSONB holds unchanged, and how they go in.

Most are checked many at once: lines that orjson reads and writes again byte for byte have no field
twice, no broken UTF-8 and no number in an odd spelling. Only the others are looked at one by one.
What PostgreSQL alone can say (is it JSON, does JSONB take the number) it does say.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import bson
import orjson
from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

MAX_BSON = 16 * 2**20  # bytes; MongoDB holds no document that is larger
MAX_TEXT = 4 * MAX_BSON  # bytes; no document of MAX_BSON is longer as Extended JSON
OBJECT_ID = re.compile(r"[0-9a-f]{24}")
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
# What orjson reads and writes byte for byte, and JSONB does not keep: looked for one by one, as a
# pattern that begins with plain text is found ten times as fast as an alternative.
SUSPECTS = (re.compile(rb"\\u0000"), re.compile(rb"-0\.0(?![0-9])"))
USUAL_ID = re.compile(rb'\{"_id":\{"\$oid":"[0-9a-f]{24}"\}')
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
CONSTANT = re.compile(r'("(?:[^"\\]|\\.)*")|(-?Infinity|NaN)', re.DOTALL)
DOLLAR = re.compile(rb"\$[A-Za-z]+\x00")  # in BSON perhaps the name of a field
LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
BSON_AS_IT_IS: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)
CANONICAL = json_util.CANONICAL_JSON_OPTIONS.with_options(
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)

BROKEN = "broken JSON"
TRUNCATED = "truncated"
ENCODING = "invalid UTF-8"
NO_OBJECT = "no object"
NO_ID = "no _id"
TWICE = "field twice"
NUL_CHARACTER = "NUL character"
NUMBER = "number"
TOO_LARGE = "over 16 MiB"
TOO_DEEP = "nested too deeply"
AMBIGUOUS = "ambiguous"
BROKEN_BSON = "broken BSON"
DUPLICATE = "duplicate _id"
REFUSED = "refused by PostgreSQL"


class UnfitError(Exception):
    """A document that does not go in as it is."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Document:
    """A document and where it came from.

    Attributes:
        line: from 1; of BSON the number of the document.
        position: byte of the file, from 0.
        raw: its bytes in the file.
        id: its _id as pgtandem.mongo_id spells it; empty where PostgreSQL has to.
        text: as JSON for PostgreSQL, on one line.
    """

    line: int
    position: int
    raw: bytes
    id: bytes
    text: bytes


@dataclass(frozen=True)
class Bad:
    """A document that is set aside: where it was, why, its size and its bytes."""

    line: int
    position: int
    reason: str
    message: str
    size: int
    raw: bytes


def _spelled(value: Any) -> bytes:
    """An _id as pgtandem.mongo_id spells it, where that is plain; else PostgreSQL is asked."""
    kind = type(value)
    if kind is dict and len(value) == 1:
        (name, inner), *_ = value.items()
        if type(inner) is not str:
            return b""
        if name == "$oid" and OBJECT_ID.fullmatch(inner):
            return b'{"$oid": "%s"}' % inner.encode()
        if name in {"$numberInt", "$numberLong"} and INTEGER.fullmatch(inner):
            return _whole(int(inner))
    elif kind is str and PLAIN.fullmatch(value):
        return b'"%s"' % value.encode()
    elif kind is int:
        return _whole(value)
    return b""


def _whole(number: int) -> bytes:
    if number in INT32:
        return b'{"$numberInt": "%d"}' % number
    return b'{"$numberLong": "%d"}' % number if number in INT64 else b""


def _is_suspect(data: bytes) -> bool:
    """Whether something may be in it that JSONB does not keep, though orjson does."""
    return any(suspect.search(data) for suspect in SUSPECTS)


def ids_of(data: bytes, lines: list[bytes]) -> list[bytes] | None:
    """The _ids of some lines, each a document that goes in as it is.

    Args:
        data: the lines as they are in the file, without the last line end.
        lines: the same, split.

    Returns:
        Each _id as in Document; None where some line needs a look of its own. A line that is no
        JSON may go unnoticed where its neighbours make up for it; PostgreSQL notices.
    """
    joined = b"[%s]" % data.replace(b"\n", b",")
    if len(joined) > MAX_BSON or _is_suspect(joined):
        return None
    try:
        values = orjson.loads(joined)
        if len(values) != len(lines) or orjson.dumps(values) != joined:
            return None
        return [
            b'{"$oid": %s' % line[15:42] if USUAL_ID.match(line) else _spelled(value["_id"])
            for line, value in zip(lines, values, strict=True)
        ]
    except (ValueError, TypeError, KeyError):
        return None


class Decoder:
    """Reads JSON, and notes what JSONB would not keep. Not for two threads at once.

    What numbers are is PostgreSQL's to say; here only their spelling counts.
    """

    def __init__(self) -> None:
        self._problem: UnfitError | None = None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._pairs,
            parse_int=self._number,
            parse_float=self._number,
            parse_constant=lambda _: None,
        )

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            names = [name for name, _ in pairs]
            twice = json.dumps(next(name for name in names if names.count(name) > 1))
            self._problem = UnfitError(TWICE, f"The field {twice} is there twice in one object.")
        return fields

    def _number(self, text: str) -> None:
        if text[0] == "-" and not re.search("[1-9]", re.split("[eE]", text)[0]):
            self._problem = UnfitError(NUMBER, f"JSONB has no negative zero ({text}).")

    def read(self, text: str, start: int = 0) -> tuple[object, int, str]:
        """The value that begins at a place of a text, where it ends, and the text.

        Numbers are None. The text has " Infinity" for "+Infinity", which old exports write.

        Raises:
            json.JSONDecodeError: where it is no JSON.
            RecursionError: where it is nested a thousand times.
        """
        self._problem = None
        while True:
            try:
                return *self._decoder.raw_decode(text, start), text
            except json.JSONDecodeError as error:
                if not text.startswith("+Infinity", error.pos):
                    raise
                text = f"{text[: error.pos]} {text[error.pos + 1 :]}"

    def checked(self, value: object, text: str, size: int) -> tuple[bytes, bytes]:
        """What PostgreSQL gets of a value that was just read: its _id, as in Document, and text.

        Raises:
            UnfitError: with the reason.
        """
        if self._problem:
            raise self._problem
        return checked(value, text, size)


def checked(value: object, text: str, size: int) -> tuple[bytes, bytes]:
    """The same of a document, given as a value, as text, and its size in the file."""
    if not isinstance(value, dict):
        raise UnfitError(NO_OBJECT, "It is no JSON object.")
    if "_id" not in value:
        raise UnfitError(NO_ID, "It has no field _id.")
    if NUL.search(text):
        raise UnfitError(NUL_CHARACTER, "JSONB has no NUL character (\\u0000).")
    if size > MAX_BSON:
        _measure(text)
    if "NaN" in text or "Infinity" in text:
        text = CONSTANT.sub(lambda m: m[1] or f'{{"$numberDouble": "{m[2]}"}}', text)
    try:
        return _spelled(value["_id"]), text.encode().translate(LINE_ENDS)
    except UnicodeEncodeError as error:
        at = len(text[: error.start].encode("utf-8", "surrogateescape"))
        raise UnfitError(ENCODING, f"Byte {at} of it is no UTF-8.") from error


def _measure(text: str) -> None:
    """A text over 16 MiB may still be less as BSON."""
    try:
        size = len(bson.encode(json_util.loads(text, json_options=CANONICAL)))
    except Exception as error:  # json_util raises whatever it meets
        raise UnfitError(TOO_LARGE, f"Its size as BSON is unknown: {error}") from error
    if size > MAX_BSON:
        raise UnfitError(TOO_LARGE, f"MongoDB holds 16 MiB at most; it has {size:,} bytes.")


def from_line(raw: bytes, decoder: Decoder, is_whole: bool = True) -> tuple[bytes, bytes]:
    """What PostgreSQL gets of one line: the _id, as in Document, and the text.

    Args:
        raw: the line without its end.
        decoder: reads it.
        is_whole: whether it had an end.

    Raises:
        UnfitError: with the reason.
    """
    if not _is_suspect(raw) and len(raw) <= MAX_BSON:
        try:
            value = orjson.loads(raw)
            if orjson.dumps(value) == raw and type(value) is dict and "_id" in value:
                return _spelled(value["_id"]), raw
        except ValueError:
            pass
    try:
        text = raw.decode()
        start = len(text) - len(text.lstrip())
        value, end, text = decoder.read(text, start)
        if text[end:].strip():
            raise json.JSONDecodeError("More than one value", text, end)
        return decoder.checked(value, text, len(raw))
    except UnicodeDecodeError as error:
        raise UnfitError(ENCODING, f"Byte {error.start} of it is no UTF-8.") from error
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode())
        reason = BROKEN if is_whole else TRUNCATED
        raise UnfitError(reason, f"{error.msg}, at byte {at} of it.") from error
    except RecursionError as error:
        raise UnfitError(TOO_DEEP, "MongoDB nests 100 levels at most.") from error


def _means(text: str, raw: bytes) -> bool:
    """Whether a text, read again, is the same document."""
    try:
        value = json_util.loads(text, json_options=CANONICAL)
        return bson.encode(value, codec_options=BSON_AS_IT_IS) == raw
    except Exception:  # json_util raises whatever it meets
        return False


def from_bson(raw: bytes) -> tuple[bytes, bytes]:
    """The same of one document of a dump, as canonical Extended JSON.

    Raises:
        UnfitError: with the reason.
    """
    if len(raw) > MAX_BSON:
        raise UnfitError(TOO_LARGE, f"MongoDB holds 16 MiB at most; it has {len(raw):,} bytes.")
    try:
        value = bson.decode(raw, BSON_AS_IT_IS)
        if bson.encode(value, codec_options=BSON_AS_IT_IS) != raw:
            raise UnfitError(
                TWICE,
                "It is not the same when it is written again: a field is there twice, or has a"
                " type that MongoDB gave up (undefined, symbol, DBPointer).",
            )
        text = json_util.dumps(value, json_options=CANONICAL)
        # In JSON nobody can tell a field of that name from a value of that type.
        if DOLLAR.search(raw) and not _means(text, raw):
            raise UnfitError(
                AMBIGUOUS, 'It has a field whose name means a type in Extended JSON ("$date").'
            )
    except BSONError as error:
        raise UnfitError(BROKEN_BSON, str(error)) from error
    except RecursionError as error:
        raise UnfitError(TOO_DEEP, "MongoDB nests 100 levels at most.") from error
    return checked(value, text, 0)

"""Long lines of SQL, folded where SQL does not mind: between words of code, or within a literal."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

WIDTH = 100
TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<literal> (?<![\w$])[eE]?'(?:[^']|'')*' )
    | (?P<name> "(?:[^"]|"")*" )
    | (?P<dollar> \$(?:[A-Za-z_]\w*)?\$ )
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPED = re.compile(r"[eE]'(?:[^'\\]|''|\\.)*'", re.DOTALL)
COMMENT = re.compile(r" IS\n(?: +'(?:[^'\n]|'')*'\n)* +'(?:[^'\n]|'')*';\n")
WORDS = re.compile(
    r" (?=(?:AND|OR|(?<!DISTINCT )FROM|WHERE|ORDER BY|AS|THEN|ELSE|IS|RETURNS|WHEN|IN|ON) )"
)
# Not worth a line: the second argument of nullif(document #> path, 'null').
SHORT = re.compile(r" 'null'\)")
FARTHEST = 60  # columns: what hangs from a bracket farther right has too little room
LEAST = 40  # columns: a line that is broken earlier than here looks worse than one at a keyword


@dataclass(frozen=True)
class Span:
    """A stretch of a script that is not code.

    Attributes:
        start: offset of its first character.
        end: offset after its last character.
        divisible: whether it is a literal that may be cut in two at a space.
    """

    start: int
    end: int
    divisible: bool


def spans(script: str, foreign: str) -> list[Span]:
    """What of a script is comment, literal or quoted name, in its order.

    Args:
        script: SQL. Bodies in dollar quotes are code.
        foreign: a text whose own dollar quotes are literals, wherever they occur in the script.
    """
    found = []
    at = 0
    while match := TOKEN.search(script, at):
        at = match.end()
        if match["literal"] and match[0][0] in "eE":
            escaped = ESCAPED.match(script, match.start())
            at = escaped.end() if escaped else at
        elif match["dollar"]:
            closing = script.find(match[0], at)
            if match[0] not in foreign or closing < 0:
                continue  # ours: its body is code
            at = closing + len(match[0])
        found.append(Span(match.start(), at, match[0][0] == "'"))
    return found


def fold(script: str, foreign: str = "") -> str:
    """The same SQL in lines of at most WIDTH columns, as far as there is a place to break them."""
    script = _fold_remarks(COMMENT.sub(_join, script), foreign)
    opaque = spans(script, foreign)
    folded = []
    start = 0
    for line in script.split("\n"):
        end = start + len(line)
        here = [
            Span(s.start - start, s.end - start, s.divisible and s.start >= start and s.end <= end)
            for s in opaque
            if s.start < end and s.end > start
        ]
        folded += _fold_line(line, here)
        start = end + 1
    return "\n".join(folded)


def _join(comment: re.Match[str]) -> str:
    """The literals of a comment in one, where a line of it is too long."""
    if max(map(len, comment[0].split("\n"))) <= WIDTH:
        return comment[0]
    return re.sub(r"'\n +'", "", comment[0])


def _fold_remarks(script: str, foreign: str) -> str:
    """Lines that are a remark (-- ...), filled from the first that is too long to the last."""
    remarks = {s.start for s in spans(script, foreign) if script.startswith("-- ", s.start)}
    filled: list[str] = []
    rest = ""  # of a remark that was too long, with its indent
    start = 0
    for line in script.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        is_remark = start + len(indent) in remarks
        start += len(line) + 1
        if rest and is_remark and rest.startswith(f"{indent}-- "):
            line = f"{rest} {line[len(indent) + 3 :]}"  # noqa: PLW2901
        elif rest:
            filled.append(rest)
        rest = ""
        if is_remark and len(line) > WIDTH:
            first = f"{indent}-- "
            *done, rest = textwrap.wrap(
                line, WIDTH, subsequent_indent=first, break_long_words=False, break_on_hyphens=False
            )
            filled += done
        else:
            filled.append(line)
    return "\n".join([*filled, rest] if rest else filled)


def _fold_line(line: str, opaque: list[Span]) -> list[str]:
    lines: list[str] = []
    base = len(line) - len(line.lstrip()) + 4
    while len(line) > WIDTH:
        indent = len(line) - len(line.lstrip())
        inside = None
        cut = _cut_in_code(line, indent, opaque)
        if not cut:
            inside = _cut_in_literal(line, opaque)
            cut = None if inside else max(_places(line, indent, opaque), default=None)
        if cut:
            head, rest, shift = line[:cut], line[cut + 1 :], cut + 1
            column = _hanging(line, cut, indent if lines else base, opaque)
            if column + len(re.split(r"(?<=,) ", rest)[0]) > WIDTH:
                column = base
        elif inside:
            column, cut = inside
            head, rest, shift = line[:cut] + "'", "'" + line[cut:], cut - 1
        else:
            break
        lines.append(head)
        line = " " * column + rest
        opaque = [
            Span(max(s.start - shift, 0) + column, s.end - shift + column, s.divisible)
            for s in opaque
            if s.end > cut
        ]
    return [*lines, line]


def _is_code(offset: int, opaque: list[Span]) -> bool:
    return not any(s.start <= offset < s.end for s in opaque)


def _places(line: str, indent: int, opaque: list[Span]) -> list[int]:
    """Every space of the code that fits."""
    spaces = [i for i in range(indent + 1, WIDTH + 1) if line[i : i + 1] == " "]
    return [i for i in spaces if _is_code(i, opaque)]


def _cut_in_code(line: str, indent: int, opaque: list[Span]) -> int | None:
    """Where to break between words: the last comma that fits, else the last keyword."""
    places = _places(line, indent, opaque)
    commas = [
        i
        for i in places
        if line[i - 1] == "," and _is_code(i - 1, opaque) and not SHORT.match(line, i)
    ]
    words = [i for i in places if WORDS.match(line, i)]
    far = [i for i in commas if i > LEAST]
    # What follows a literal belongs to it: a key of a JSON object and its value.
    ends = {s.end for s in opaque if line[s.end - 1 : s.end] == "'"}
    for found in ([i for i in far if i - 1 not in ends], far, words, commas):
        if found:
            return found[-1]
    return None


def _cut_in_literal(line: str, opaque: list[Span]) -> tuple[int, int] | None:
    """The column of a literal that crosses the width, and where to cut it."""
    for span in opaque:
        if span.divisible and span.start < WIDTH <= span.end:
            cut = line.rfind(" ", span.start + 1, min(WIDTH, span.end) - 1) + 1
            if cut > span.start + 1:
                return span.start, cut
    return None


def _hanging(line: str, cut: int, otherwise: int, opaque: list[Span]) -> int:
    """The column of the next line: behind the innermost bracket that is open where it begins."""
    opened: list[int] = []
    inside = False  # brackets that an earlier line has opened
    for offset, character in enumerate(line):
        if not _is_code(offset, opaque):
            continue
        if character in "([":
            opened.append(offset + 1)
        elif character in ")]":
            inside = inside or (not opened and offset > cut)
            del opened[-1:]
        if offset == cut:
            near = [column for column in opened if column <= FARTHEST]
            if near:
                return near[-1]
            opened = []
    return len(line) - len(line.lstrip()) if inside else otherwise

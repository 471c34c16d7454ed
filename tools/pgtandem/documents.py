"""Columns of a target that are paths in a JSONB document: SQL that reads, builds and merges them.

NULL, a missing path and a JSON null mean the same, NULL; what is written for it is a JSON null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from pgtandem import sqltext

STEP = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
TIMES = frozenset({"timestamptz", "timestamp", "date", "time", "timetz"})
INTEGERS = frozenset({"smallint", "integer", "bigint"})
SCALARS = TIMES | INTEGERS | sqltext.TEXTS | {"bpchar", "boolean", "numeric", "uuid"}
PAIRS = 50  # a function takes at most 100 arguments
SHORT = 60  # columns of an object that stays on one line

Path = tuple[str, ...]
Leaf = tuple[Path, str]


def split(name: str) -> tuple[str, Path] | None:
    """The document's column and the path of a name as a.b.c or a."b.b".c; None where it is none."""
    steps: list[str] = []
    at = 0
    while match := STEP.match(name, at):
        steps.append(match[1].replace('""', '"') if match[1] is not None else match[2])
        at = match.end()
        if at == len(name):
            return (steps[0], tuple(steps[1:])) if len(steps) > 1 else None
        if name[at] != ".":
            return None
        at += 1
    return None


def array(path: Iterable[str]) -> str:
    """A path as a literal of text[]."""
    steps = ",".join(
        step
        if re.fullmatch(r"\w+", step, re.ASCII) and step.lower() != "null"
        else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for step in path
    )
    return sqltext.literal("{" + steps + "}").strip()


def is_scalar(declared: str) -> bool:
    """Whether values of a type stand in a document as a string, a number or a boolean."""
    return sqltext.base_type(declared) in SCALARS


def value(document: str, path: Path) -> str:
    """What stands at a path, as jsonb; NULL where nothing, or a JSON null, does."""
    return f"nullif({document} #> {array(path)}, 'null')"


def to_json(expression: str, declared: str) -> str:
    """A typed value as it compares with what stands in a document: jsonb, NULL for NULL."""
    base = sqltext.base_type(declared)
    if base == "jsonb":
        return f"nullif({expression}, 'null')"
    if base == "json":
        return f"nullif({expression}::jsonb, 'null')"
    return f"pgtandem.json_of({expression})" if base == "timestamptz" else f"to_jsonb({expression})"


def argument(expression: str, declared: str) -> str:
    """The same as an argument of jsonb_build_object, which converts most types by itself."""
    instant = sqltext.base_type(declared) == "timestamptz"
    return to_json(expression, declared) if instant else expression


def typed(document: str, path: Path, declared: str) -> str:
    """What stands at a path as a value of the declared type; a cast that fails raises."""
    base = sqltext.base_type(declared)
    text = f"({document} #>> {array(path)})"
    if base in {"json", "jsonb"}:
        return value(document, path) + ("::json" if base == "json" else "")
    if base in INTEGERS:
        return f"{text}::numeric::{base}"
    if base.endswith("[]"):
        return f"pgtandem.array_of({document} #> {array(path)})::{declared}"
    return sqltext.cast(text, declared)


def same(left: str, right: str, declared: str) -> str:
    """A condition: two values are the same, dates and times by their instant, NULL like a value."""
    if sqltext.base_type(declared) in TIMES:
        return f"({left} IS NOT DISTINCT FROM {right} OR pgtandem.same_time({left}, {right}))"
    return f"{left} IS NOT DISTINCT FROM {right}"


def differ(left: str, right: str, declared: str) -> str:
    """The opposite of `same`."""
    if sqltext.base_type(declared) in TIMES:
        return f"({left} IS DISTINCT FROM {right} AND NOT pgtandem.same_time({left}, {right}))"
    return f"{left} IS DISTINCT FROM {right}"


def build(leaves: list[Leaf], depth: int = 0) -> str:
    """A document of these paths and SQL values, and nothing else."""
    return _objects(_pairs(leaves, lambda step, inner: build(inner, depth + 1)), depth)


def merge(document: str, leaves: list[Leaf], where: Path) -> str:
    """The document with these paths replaced, and all else as it was.

    What a path leads through is made an object where it is missing or null; pgtandem.as_object
    raises where it is anything else, and names `where`.
    """
    pairs = _pairs(
        leaves,
        lambda step, inner: merge(
            f"{document} -> {sqltext.literal(step).strip()}", inner, (*where, step)
        ),
    )
    return f"pgtandem.as_object({document}, {array(where)}) || {_objects(pairs, len(where) - 1)}"


def build_some(leaves: list[Leaf], wanted: Mapping[str, str], depth: int) -> str:
    """The same, but of the first steps alone for which a condition, by step, holds."""
    steps: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        steps.setdefault(leaf[0][0], []).append(leaf)
    return "\n|| ".join(
        f"CASE WHEN {wanted[step]}\n   THEN {build(inside, depth)}\n   ELSE '{{}}' END"
        for step, inside in steps.items()
    )


def graft(document: str, image: str, paths: Iterable[Path], where: Path) -> str:
    """The document with what stands at these paths of an image, another document.

    Of the first steps, the image may leave out some: there the document stays as it was. The rest
    is as in `merge`.
    """
    steps: dict[str, list[Path]] = {}
    for path in paths:
        steps.setdefault(path[0], []).append(path[1:])
    objects = {step: below for step, below in steps.items() if below[0]}
    margin = "\n" + " " * 4 * (len(where) + 1)
    parts = [f"pgtandem.as_object({document}, {array(where)})"]
    if len(objects) < len(steps):
        parts.append(image)
    if objects:
        grafted = []
        for step, below in objects.items():
            key = sqltext.literal(step).strip()
            inner = graft(f"{document} -> {key}", f"({image} -> {key})", below, (*where, step))
            made = f"jsonb_build_object({key},{margin}        {inner})"
            grafted.append(
                f"CASE WHEN {image} ? {key} THEN {made}{margin}    ELSE '{{}}' END"
                if len(where) == 1
                else made
            )
        parts.append(f"({margin}    " + f"{margin} || ".join(grafted) + ")")
    return f"{margin}    || ".join(parts) if len(where) > 1 else " || ".join(parts)


def _pairs(leaves: list[Leaf], inner: Callable[[str, list[Leaf]], str]) -> Iterator[str]:
    """Key and value of each step at the first level, as arguments of jsonb_build_object."""
    levels: dict[str, list[Leaf]] = {}
    for path, sql in leaves:
        levels.setdefault(path[0], []).append((path[1:], sql))
    for step, below in levels.items():
        sql = below[0][1] if not below[0][0] else inner(step, below)
        yield f"{sqltext.literal(step).strip()}, {sql}"


def _objects(pairs: Iterable[str], depth: int) -> str:
    """The pairs as one object; a long one with a line for each of them."""
    listed = list(pairs)
    parts = [listed[i : i + PAIRS] for i in range(0, len(listed), PAIRS)]
    return " || ".join(f"jsonb_build_object({_lines(part, depth)})" for part in parts)


def _lines(pairs: list[str], depth: int) -> str:
    line = ", ".join(pairs)
    if len(line) <= SHORT:
        return line
    outer = "\n" + " " * 4 * (depth + 4)
    return f"{outer}    " + f",{outer}    ".join(pairs) + outer

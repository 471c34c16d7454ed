"""Names, types and tokens of SQL: the little that has to be known of it without a database."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MAX_NAME = 63  # bytes; PostgreSQL cuts what is longer, silently
SAFE = re.compile(r"[a-z_][a-z0-9_$]*")
# Keywords that PostgreSQL (14 to 18) does not take as a column or table name without quotes.
RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary
    bit boolean both case cast char character check coalesce collate collation column
    concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user dec decimal default
    deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int
    integer intersect interval into is isnull join json json_array json_arrayagg json_exists
    json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national
    natural nchar none normalize not notnull null nullif numeric offset on only or order out
    outer overlaps overlay placing position precision primary real references returning
    right row select session_user setof similar smallint some substring symmetric
    system_user table tablesample then time timestamp to trailing treat trim true union
    unique user using values varchar variadic verbose when where window with xmlattributes
    xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable
    """.split()  # noqa: SIM905
)
# Types whose = is missing, or calls equal what is not the same value.
AS_TEXT = frozenset(
    "json xml point line lseg box path polygon circle interval citext tsquery".split()  # noqa: SIM905
)
ALIASES = {
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "bool": "boolean",
    "float8": "double precision",
    "float4": "real",
    "float": "double precision",
    "decimal": "numeric",
    "character varying": "varchar",
    "character": "bpchar",
    "char": "bpchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "bit varying": "varbit",
}
SAME_JSON = frozenset(
    "smallint integer bigint numeric boolean uuid text varchar bpchar date timestamp".split()  # noqa: SIM905
)
TEXTS = frozenset({"text", "varchar"})
TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<string> [eE]'(?:[^'\\]|''|\\.)*' | [bBxXnN]?'(?:[^']|'')*' | \$(\w*)\$.*?\$\3\$ )
    | "(?P<quoted>(?:[^"]|"")+)"
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$]*)
    """,
    re.VERBOSE | re.DOTALL,
)
NAME_PART = r'(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\U0010ffff][\w$]*)'


def ident(name: str) -> str:
    """An identifier as SQL, quoted only where it must be."""
    if SAFE.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal that means the same whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def text_array(texts: list[str]) -> str:
    """An array of texts as SQL."""
    return "ARRAY[" + ", ".join(literal(text) for text in texts) + "]::text[]"


def split_name(table: str) -> tuple[str, str] | None:
    """The schema and the table of a qualified name as SQL writes it; None where it is none."""
    match = re.fullmatch(rf"({NAME_PART})\.({NAME_PART})", table.strip())
    if not match:
        return None
    schema, name = (_fold(part) for part in match.groups())
    return schema, name


def _fold(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else lower(part)


def lower(word: str) -> str:
    """A name without quotes as PostgreSQL folds it: only A to Z."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


def qualified(table: str) -> str:
    """A table's name as SQL, each part quoted only where it must be."""
    parts = split_name(table)
    if parts is None:
        raise ValueError(table)
    return ".".join(ident(part) for part in parts)


def fitting(name: str, room: int = MAX_NAME) -> str:
    """The name, or where it is longer than so many bytes its beginning and a hash of all of it."""
    data = name.encode()
    if len(data) <= room:
        return name
    digest = hashlib.sha256(data).hexdigest()[:8]
    return data[: room - 9].decode(errors="ignore") + "_" + digest


def mentioned(expression: str, columns: Iterable[str]) -> list[str]:
    """The columns that an expression may read, in their order; rather one too many than too few.

    A whole-row reference (`source`, `source.*`) reads them all.
    """
    names = {
        match["quoted"].replace('""', '"') if match["quoted"] else lower(match["word"])
        for match in TOKEN.finditer(expression)
        if match["quoted"] or match["word"]
    }
    columns = list(columns)
    if re.search(r"\bsource\b(?!\s*\.\s*[\"\w])", expression, re.IGNORECASE):
        return columns
    return [column for column in columns if column in names]


def members(expression: str, name: str) -> list[str | None]:
    """What an expression reads of a row called `name`: its columns, None for all of it."""
    found: list[str | None] = []
    tokens = [m for m in TOKEN.finditer(expression) if not m["string"] and not m["comment"]]
    for token in tokens:
        before, after = expression[: token.start()].rstrip(), expression[token.end() :].lstrip()
        if (token["quoted"] or lower(token["word"] or "")) != name or before.endswith((".", "::")):
            continue
        if not after.startswith("."):
            found += [] if after.startswith("(") else [None]
            continue
        member = re.match(NAME_PART, after[1:].lstrip())
        found.append(_fold(member[0]) if member else None)
    return found


def flaw(expression: str) -> str | None:
    """What is wrong with an expression before PostgreSQL sees it, or None.

    It goes into larger statements, so it must end where it seems to end.
    """
    rest, opened = TOKEN.sub(_blank, expression), 0
    if any("\n" in m["string"] for m in TOKEN.finditer(expression) if m["string"]):
        return "a string runs over a line's end; write E'\\n' for a line break"
    for mark, what in (("'", "a string"), ('"', "a quoted name"), ("/*", "a comment")):
        if mark in rest:
            return f"{what} has no end"
    if re.search(r"\$\w*\$", rest):
        return "a dollar-quoted string has no end"
    for mark, what in ((";", "semicolon"), ("\\", "backslash outside a string")):
        if mark in rest:
            return f"an expression has no {what}"
    for letter in rest:
        opened += (letter in "([") - (letter in ")]")
        if opened < 0:
            break
    return None if opened == 0 else "a parenthesis has no partner"


def _blank(token: re.Match[str]) -> str:
    return " " if token["comment"] or token["string"] or token["quoted"] else token[0]


def closed(expression: str) -> str:
    """The expression without the comments that would swallow what is rendered behind it."""
    return TOKEN.sub(
        lambda m: "" if (m["comment"] or "").startswith("--") else m[0], expression
    ).strip()


def base_type(declared: str) -> str:
    """A type without its modifier, under one name: varchar(20) and character varying: varchar."""
    text = re.sub(r"\(\s*\d+(\s*,\s*-?\d+)?\s*\)", "", declared.strip().lower())
    text = re.sub(r"\s+", " ", text).strip()
    array = "[]" if text.endswith("[]") else ""
    text = text.removesuffix("[]").strip()
    return ALIASES.get(text, text) + array


def cast(expression: str, declared: str) -> str:
    """The expression as the type of the column, without its modifier.

    An explicit cast to varchar(3) would cut the value and one to numeric(6, 2) would round it, both
    silently; the column itself raises, or is found to differ.
    """
    if '"' in declared:
        return f"{expression}::{declared}"
    base = base_type(declared)
    return f"{expression}::{'text' if base == 'bpchar' else 'varbit' if base == 'bit' else base}"


def same(left: str, right: str, declared: str, as_text: bool = False) -> str:
    """A condition that is true where two values of a type are the same, NULL like a value."""
    return _compared(left, right, declared, as_text, "IS NOT DISTINCT FROM")


def differ(left: str, right: str, declared: str, as_text: bool = False) -> str:
    """The opposite of `same`."""
    return _compared(left, right, declared, as_text, "IS DISTINCT FROM")


def _compared(left: str, right: str, declared: str, as_text: bool, operator: str) -> str:
    if as_text:
        return f'{left}::text COLLATE "C" {operator} {right}::text COLLATE "C"'
    # Operators of a type outside pg_catalog are out of reach where the search_path is pinned.
    if "." in declared or base_type(declared).removesuffix("[]") in AS_TEXT:
        return f"{left}::text {operator} {right}::text"
    return f"{left} {operator} {right}"


def identifies(declared: str) -> bool:
    """Whether values of a type can be a key: they have an =, and equal ones look the same."""
    base = base_type(declared).rpartition(".")[2]
    return base not in AS_TEXT | {"jsonb", "record"} and not base.endswith("[]")


def same_json_everywhere(declared: str) -> bool:
    """Whether the JSON of a value is the same whatever the session's TimeZone and the like are."""
    return base_type(declared) in SAME_JSON


def needs_cast(declared_source: str, declared_target: str) -> bool:
    """Whether a plain column has to be cast to be compared with the target's."""
    one, other = base_type(declared_source), base_type(declared_target)
    return one != other and not {one, other} <= TEXTS


def zone_dependent(declared_source: str, declared_target: str) -> bool:
    """Whether a cast between two types depends on the session's TimeZone."""
    zoned, local = {"timestamptz", "timetz"}, {"timestamp", "time", "date"}
    one, other = base_type(declared_source), base_type(declared_target)
    return (one in zoned and other in local) or (one in local and other in zoned)

"""Three files as mongoexport writes them: users.json, tasks.json, dramatiq_tasks.json.

They stand for the exports that you have. Nothing is needed but Python:

    python3 generate.py first            # what is there when the move begins, oddities included
    python3 generate.py second           # what was written since, as with --query on updated_at
    python3 generate.py full             # all there is in the end; some documents are gone

The same arguments give the same files. --form writes the other spellings of Extended JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

Document = dict[str, Any]
EXPORTS = ("first", "second", "full")
FORMS = ("canonical", "relaxed", "v1")
START = datetime(2021, 3, 1, tzinfo=UTC)
NAMES = ("小雨", "Ana", "Chloé", "🔮 oracle", "O'Neill", "", " space ", "null", '"quoted"', "塔罗")
STATUS = ("pending", "processing", "completed", "failed", "cancelled")
RATIOS = ("1:1", "16:9", "9:16", "4:3")
INT = range(-(2**31), 2**31)


class Oid(str):
    """An ObjectId: 24 digits."""

    __slots__ = ()


class World:
    """All documents of the three collections, at a moment: 1 the first export, 2, or 3."""

    def __init__(self, documents: int, seed: int, moment: int) -> None:
        self.users = max(documents // 10, 20)
        self.tasks = self.users * 2
        self.subtasks = max(documents - self.users - self.tasks, self.tasks)
        self.seed = seed
        self.moment = moment

    def collections(self) -> dict[str, list[Document]]:
        """The documents of each collection, in the order of their _id."""
        grown = self.moment > 1
        kinds: dict[str, tuple[Callable[[int], Document], int, Callable[[int], bool]]] = {
            "users": (self.user, self.users + grown * 5, self.user_gone),
            "tasks": (self.task, self.tasks + grown * 10, self.task_gone),
            "dramatiq_tasks": (self.subtask, self.subtasks + grown * 30, self.subtask_gone),
        }
        return {
            name: [make(n) for n in range(count) if not gone(n)]
            for name, (make, count, gone) in kinds.items()
        }

    def user_gone(self, number: int) -> bool:
        """Whether the user has left by the third moment."""
        return self.moment > 2 and number % 33 == 9

    def task_gone(self, number: int) -> bool:
        """Tasks go with their users."""
        return self.user_gone(self.owner(number))

    def subtask_gone(self, number: int) -> bool:
        """Subtasks go with their tasks."""
        return self.task_gone(self.parent(number))

    def owner(self, task: int) -> int:
        """Whose task it is."""
        return task % self.users

    def parent(self, subtask: int) -> int:
        """Whose subtask it is: one of the tasks that have an id."""
        task = (subtask * 7) % self.tasks
        return task if task % 20 not in {1, 2, 3} else task - task % 20

    def email(self, number: int) -> str:
        """Some addresses are there twice, until somebody notices."""
        if number % 50 == 17 and self.moment == 1:
            return self.email(number - 1).upper()
        return f"user{number}@example.com"

    def _random(self, kind: str, number: int) -> Random:
        return Random(f"{self.seed} {kind} {number}")

    def _common(self, kind: str, number: int, dice: Random) -> Document:
        at = START + timedelta(minutes=37 * number, milliseconds=dice.randrange(1000))
        letter = {"user": "a", "task": "b", "subtask": "c"}[kind]
        identifier: Any = Oid(f"{int(at.timestamp()):08x}{letter * 8}{number:08x}")
        if number % 70 == 30:
            identifier = f"{kind}-{number} 🔑" if number % 140 == 30 else number
        document = {"_id": identifier, "created_at": at, "updated_at": at}
        if number % 10 == 0 and self.moment > 1:
            document["updated_at"] = at + timedelta(days=900 + self.moment)
        if number % 23 == 4:
            del document["created_at"], document["updated_at"]
        if number % 29 == 4:
            document["__v"] = 0
        if number % 40 == 20 and self.moment == 1:
            document["beta"] = {"since": at}  # which no mapping knows
        return document

    def user(self, number: int) -> Document:
        """A document of the collection users."""
        dice = self._random("user", number)
        document = self._common("user", number, dice) | {
            "email": self.email(number),
            "hashed_password": f"$2b$12${dice.getrandbits(128):032x}",
            "fullname": f"{dice.choice(NAMES)} {number}",
            "roles": ["user", "admin"] if number % 25 == 0 else ["user"],
            "is_active": number % 11 != 0,
        }
        if number % 8 == 3:
            del document["roles"], document["is_active"]
        if number % 30 == 7:
            document["fullname"] = None
        if number % 30 == 8:
            del document["fullname"]
        return document

    def task_id(self, number: int) -> Any:
        """The id that the old application gave a task; some have none."""
        dice = self._random("task id", number)
        return {1: ..., 2: None, 3: ""}.get(number % 20, str(UUID(int=dice.getrandbits(128))))

    def task(self, number: int) -> Document:
        """A document of the collection tasks."""
        dice = self._random("task", number)
        done = number % 10 == 0 and self.moment > 1
        document = self._common("task", number, dice) | {
            "id": self.task_id(number),
            "task_name": f"{dice.choice(NAMES)} {number}",
            "username": f"user{self.owner(number)}@example.com",
            "tags": [dice.choice(NAMES) for _ in range(number % 4)],
            "variables": {"v1": {"values": [1, 2.5, None, "三"], "at": START}, "n": 2**40},
            "settings": {"size": {"w": 1024, "h": 768}, "seed": Oid("5ca4bbcea2dd94ee58162a68")},
            "status": "processing" if done else STATUS[number % 2],
            "total_images": number % 7 if number % 6 else float(number % 7),
            "all_subtasks_completed": False,
            "is_deleted": number % 31 == 0,
            "priority": 1 + number % 10,
        }
        if document["id"] is ...:
            del document["id"]
        if number % 9 == 5:
            for name in ("tags", "variables", "settings", "status", "total_images", "priority"):
                del document[name]
        if number % 60 == 40 and self.moment == 1:
            document["total_images"] = 1.5
        if number % 60 == 50 and self.moment == 1:
            document["priority"] = "high"
        return document

    def subtask(self, number: int) -> Document:
        """A document of the collection dramatiq_tasks."""
        dice = self._random("subtask", number)
        status = STATUS[number % 5] if number % 10 or self.moment == 1 else "completed"
        parent = self.task_id(self.parent(number))
        if number % 90 == 10 and self.moment == 1:
            parent = str(UUID(int=dice.getrandbits(128)))  # nobody's
        document = self._common("subtask", number, dice) | {
            "id": str(UUID(int=self._random("subtask id", number).getrandbits(128))),
            "parent_task_id": parent,
            "variable_indices": [number % 3, None, 0, None, None, None],
            "variable_types_map": {"v1": "style"},
            "type_to_variable": {"style": "v1"},
            "status": status,
            "result": {"url": f"https://example.com/{number}.png", "ms": 1234.5}
            if status == "completed"
            else None,
            "error": "out of memory 💥" if status == "failed" else None,
            "retry_count": number % 3,
            "prompts": [{"type": "text", "value": dice.choice(NAMES), "weight": 0.1}],
            "ratio": RATIOS[number % 4],
            "seed": dice.getrandbits(40) if number % 3 else None,
            "use_polish": number % 2 == 0,
        }
        if number % 9 == 5:
            for name in ("variable_indices", "result", "error", "retry_count", "prompts", "ratio"):
                del document[name]
            del document["seed"], document["use_polish"]
        return document


def written(value: Any, form: str) -> Any:
    """A value as Extended JSON of a form."""
    if isinstance(value, dict):
        return {name: written(each, form) for name, each in value.items()}
    if isinstance(value, list):
        return [written(each, form) for each in value]
    if isinstance(value, Oid):
        return {"$oid": str(value)}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return canonical(value) if form == "canonical" else shorter(value, form)


def canonical(value: datetime | float) -> Document:
    """A date or a number with its type."""
    if isinstance(value, datetime):
        return {"$date": {"$numberLong": str(round(value.timestamp() * 1000))}}
    if isinstance(value, float):
        return {"$numberDouble": repr(value)}
    return {"$numberInt" if value in INT else "$numberLong": str(value)}


def shorter(value: datetime | float, form: str) -> Any:
    """The same where the type need not be seen."""
    if isinstance(value, datetime):
        return {"$date": value.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if form == "v1" and isinstance(value, int) and value not in INT:
        return {"$numberLong": str(value)}
    return value


def spoilt(lines: list[bytes]) -> Iterator[bytes]:
    """The lines with documents among them that no import can take."""
    yield from lines[:5]
    yield b'{"_id": {"$oid": "ffffffffffffffffffffff01"}, "email": broken}'
    yield b'{"email": "nobody@example.com", "fullname": "no _id"}'
    yield b'{"_id": {"$oid": "ffffffffffffffffffffff02"}, "fullname": "nul \\u0000"}'
    yield b'{"_id": {"$oid": "ffffffffffffffffffffff03"}, "fullname": "\xff\xfe"}'
    yield lines[0][:-1] + b', "again": true}'
    yield from lines[5:-1]
    yield lines[-1][: len(lines[-1]) // 2]  # the disk was full


def changed(before: list[Document], after: list[Document], always: int) -> list[Document]:
    """The documents that are new, or not as they were; one, which was cut short, in any case."""
    known = {repr(each["_id"]): each for each in before}
    return [
        each
        for number, each in enumerate(after)
        if number == always or each != known.get(repr(each["_id"]))
    ]


def exported(export: str, documents: int, seed: int) -> dict[str, list[Document]]:
    """What an export has of each collection."""
    collections = World(documents, seed, EXPORTS.index(export) + 1).collections()
    if export != "second":
        return collections
    first = World(documents, seed, 1)
    before = first.collections()
    return {
        name: changed(before[name], some, first.users - 1) for name, some in collections.items()
    }


def main() -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("export", choices=EXPORTS)
    parser.add_argument("--into", type=Path, default=Path(), help="directory; . if not given")
    parser.add_argument("--documents", type=int, default=5000, help="about how many in all")
    parser.add_argument("--form", choices=FORMS, default="canonical", help="of Extended JSON")
    parser.add_argument("--seed", type=int, default=1, help="other documents")
    parser.add_argument("--clean", action="store_true", help="first: no document that is none")
    asked = parser.parse_args()
    collections = exported(asked.export, asked.documents, asked.seed)
    asked.into.mkdir(parents=True, exist_ok=True)
    for name, documents in collections.items():
        lines = [
            json.dumps(
                written(each, asked.form), ensure_ascii=False, separators=(",", ":")
            ).encode()
            for each in documents
        ]
        if asked.export == "first" and name == "users" and not asked.clean:
            lines = list(spoilt(lines))
        path = asked.into / f"{name}.json"
        path.write_bytes(b"\n".join(lines) + b"\n")
        sys.stdout.write(f"{path}: {len(lines):,} documents\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

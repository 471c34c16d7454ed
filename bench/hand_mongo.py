"""The plan's own script for subtasks, made to work: one document after the other."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from bson import json_util
from psycopg.types.json import Jsonb

from bench.world import script


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _converted(subtask: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": subtask.get("id") or str(uuid.uuid4()),
        "parent_task_id": subtask.get("parent_task_id") or None,
        "variable_indices": subtask.get("variable_indices", [None] * 6),
        "variable_types_map": subtask.get("variable_types_map", {}),
        "type_to_variable": subtask.get("type_to_variable", {}),
        "status": subtask.get("status", "pending"),
        "result": subtask.get("result"),
        "error": subtask.get("error"),
        "retry_count": subtask.get("retry_count", 0),
        "prompts": subtask.get("prompts", []),
        "ratio": subtask.get("ratio", "1:1"),
        "seed": subtask.get("seed"),
        "use_polish": subtask.get("use_polish", False),
        "created_at": subtask.get("created_at", _now()),
        "updated_at": subtask.get("updated_at", _now()),
        "rating": None,
        "evaluate": None,
    }


def migrate(session: psycopg.Connection[Any], export: Path, converted: Path) -> None:
    """Convert an export, write that as the plan does, and insert it in one transaction.

    What did not work in the plan: Extended JSON is read by the driver's own json_util, and as
    COPY has no FORMAT json, each document is an INSERT.
    """
    with export.open(encoding="utf-8") as file:
        subtasks = [json_util.loads(line) for line in file]
    found = [_converted(subtask) for subtask in subtasks]
    converted.write_text(json.dumps(found, indent=2, default=str), encoding="utf-8")
    with session.transaction():
        for row in json.loads(converted.read_text(encoding="utf-8")):
            values = {
                name: Jsonb(value) if isinstance(value, dict | list) else value
                for name, value in row.items()
            }
            session.execute(script("hand_mongo_insert"), values)

"""Every mistake in a mapping file, told with its line and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedBase, CommentedMap

from pgtandem.errors import PgtandemError


class Mistakes:
    """Collects the mistakes of one file, each with its line."""

    def __init__(self, path: Path, tree: Any) -> None:
        self.path = path
        self.tree = tree
        self.found: list[tuple[int, str]] = []

    def line(self, location: tuple[int | str, ...]) -> int:
        """The line of a location in the document, or of its nearest parent."""
        node, line = self.tree, 1
        for step in location:
            if not isinstance(node, CommentedBase):
                break
            try:
                position = (
                    node.lc.key(step) if isinstance(node, CommentedMap) else node.lc.item(step)
                )
                line = position[0] + 1
                node = node[step]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                break
        return line

    def add(self, location: tuple[int | str, ...], message: str) -> None:
        """Note a mistake at a place of the document."""
        self.found.append((self.line(location), message))

    def stop_if_any(self) -> None:
        """Raise PgtandemError where there is a mistake, with all of them."""
        if self.found:
            lines = [f"{self.path}:{line}: {text}" for line, text in sorted(self.found)]
            raise PgtandemError(
                f"{self.path} is no valid mapping.",
                detail="\n".join(lines),
                hint="docs/mapping.md explains every key.",
            )


def nearest(name: str, names: Iterator[str] | list[str] | dict[str, Any]) -> str:
    """The question "did you mean ...?" for the most similar valid name, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else ""

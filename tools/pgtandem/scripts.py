"""The rendered scripts in a Sqitch project: what is there, what should be, and writing it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pgtandem import render
from pgtandem.errors import PgtandemError
from pgtandem.project import Project
from pgtandem.spec import Mapping

MARK = "\n-- Rendered by pgtandem "
State = Literal["equal", "missing", "differs", "foreign"]


@dataclass(frozen=True)
class Script:
    """One script, as it is and as it should be.

    Attributes:
        kind: deploy, revert or verify.
        phase: its phase.
        path: where it belongs.
        text: what the mapping renders to.
        found: what is there; None: nothing.
    """

    kind: str
    phase: str
    path: Path
    text: str
    found: str | None

    @property
    def state(self) -> State:
        """Whether it is as it should be; foreign: somebody wrote it by hand."""
        if self.found is None:
            return "missing"
        if self.found == self.text:
            return "equal"
        return "differs" if MARK in self.found else "foreign"

    def diff(self) -> str:
        """A unified diff from what is there to what should be."""
        before, after = (self.found or "").splitlines(True), self.text.splitlines(True)
        name = str(self.path)
        old = name if self.found is not None else "/dev/null"
        return "".join(difflib.unified_diff(before, after, old, name))


def change(mapping: Mapping, phase: str) -> str:
    """The name of the Sqitch change of a phase."""
    return f"{mapping.name}_{phase}"


def compare(project: Project, mapping: Mapping) -> list[Script]:
    """Every script of a mapping, as it is and as it should be."""
    rendered = render.scripts(
        mapping, project.name, _former(project, mapping), _former_index(project, mapping)
    )
    found = []
    for path, text in rendered.items():
        kind, phase = path.parts[0], path.stem.removeprefix(f"{mapping.name}_")
        where = project.script(kind, path.stem)
        there = where.read_text(encoding="utf-8") if where.is_file() else None
        found.append(Script(kind, phase, where, text, there))
    return found


def missing_changes(project: Project, mapping: Mapping) -> list[str]:
    """The phases that are not in the plan."""
    planned = project.changes()
    return [p for p in render.phases(mapping) if change(mapping, p) not in planned]


def _former(project: Project, mapping: Mapping) -> render.Former | None:
    tag = project.reworked_from(change(mapping, "expand"))
    if tag is None:
        return None
    expand, sync = (_kept(project, mapping, phase, tag) for phase in ("expand", "sync"))
    backfilled = project.script("deploy", change(mapping, "backfill"), tag).is_file()
    return render.Former(tag, expand, sync, "backfill" if backfilled else "sync")


def _former_index(project: Project, mapping: Mapping) -> str | None:
    tag = project.reworked_from(change(mapping, "index"))
    return _kept(project, mapping, "index", tag) if tag else None


def _kept(project: Project, mapping: Mapping, phase: str, tag: str) -> str:
    """The deploy script of a phase as it was at a tag."""
    script = project.script("deploy", change(mapping, phase), tag)
    if not script.is_file():
        raise PgtandemError(
            f"{script} is missing.",
            detail="It is what the mapping was before its rework; its revert is made from it.",
            hint="Sqitch wrote it at the rework: take it from your version control.",
        )
    return script.read_text(encoding="utf-8")


def write(project: Project, mapping: Mapping, *, force: bool = False) -> list[Script]:
    """Write the scripts that are missing or differ, and add phases to the plan.

    Args:
        project: the DBA's Sqitch project.
        mapping: a valid mapping.
        force: overwrite scripts that may be deployed, or were written by hand.

    Returns:
        The scripts that were written.
    """
    found = compare(project, mapping)
    if not force:
        _refuse_foreign(found)
        _refuse_deployed(project, mapping, found)
    if "index" in missing_changes(project, mapping):
        project.take_out(change(mapping, "contract"))  # and put it back behind it
    for phase in missing_changes(project, mapping):
        needs = render.requires(mapping, phase)
        project.add(change(mapping, phase), needs, render.NOTES[phase])
    written = [script for script in found if script.state != "equal"]
    for script in written:
        script.path.parent.mkdir(parents=True, exist_ok=True)
        script.path.write_text(script.text, encoding="utf-8")
    return written


def rework(project: Project, mapping: Mapping) -> list[Script]:
    """Let Sqitch rework the phases, then write the scripts; nothing where nothing differs.

    Where nothing but the indexes changed, index alone. A contract in the plan moves behind them: it
    comes last, and is not deployed yet. Where the new mapping has none, it goes.
    """
    found = compare(project, mapping)
    if all(script.state in {"equal", "missing"} for script in found):
        return write(project, mapping)
    _refuse_foreign(found)
    missing = missing_changes(project, mapping)
    if absent := [phase for phase in missing if phase not in {"index", "contract"}]:
        raise PgtandemError(
            f"The mapping {mapping.name} has no {absent[0]} in {project.plan}.",
            hint="Only what was deployed is reworked: render it without --rework.",
        )
    contract = project.take_out(change(mapping, "contract"))
    differing = {s.phase for s in found if s.kind == "deploy" and s.state == "differs"}
    image = render.PHASES[:3] if differing.intersection(render.PHASES[:3]) else ()
    index = "index" in render.phases(mapping) and "index" not in missing
    phases = [*image, *(["index"] if index and (image or "index" in differing) else [])]
    if phases and not project.has_tag_after(change(mapping, phases[-1])):
        old = _former_hash(found)
        names = [f"{mapping.name}-{old}", *(f"{mapping.name}-{old}-{n}" for n in range(2, 100))]
        project.tag(
            next(name for name in names if name not in project.tags()),
            f"The mapping {mapping.name} before it changed.",
        )
    for phase in phases:
        extra = list(render.REWORK_REQUIRES) if phase == "expand" else []
        project.rework(change(mapping, phase), extra, f"{render.NOTES[phase]}, reworked")
    ends = "contract" in render.phases(mapping)
    if contract and not ends:
        for kind in project.folders:
            project.script(kind, change(mapping, "contract")).unlink(missing_ok=True)
    last = ends and (contract or "contract" in missing)
    added = [*(["index"] if "index" in missing else []), *(["contract"] if last else [])]
    for phase in added:
        needs = render.requires(mapping, phase)
        project.add(change(mapping, phase), needs, render.NOTES[phase])
    return write(project, mapping, force=True)


def _former_hash(found: list[Script]) -> str:
    header = next(script.found for script in found if script.kind == "deploy") or ""
    return header.partition("SHA-256 ")[2][:8] or "before"


def _refuse_foreign(found: list[Script]) -> None:
    if foreign := [str(script.path) for script in found if script.state == "foreign"]:
        raise PgtandemError(
            f"{foreign[0]} was not rendered by pgtandem, and would be overwritten.",
            detail=f"All of them: {', '.join(foreign)}.",
            hint="Rename the mapping or the change; --force overwrites.",
        )


def _refuse_deployed(project: Project, mapping: Mapping, found: list[Script]) -> None:
    planned = project.changes()
    changed = [
        change(mapping, script.phase)
        for script in found
        if script.kind == "deploy"
        and script.state == "differs"
        and change(mapping, script.phase) in planned
    ]
    if changed:
        raise PgtandemError(
            f'The mapping "{mapping.name}" has changed, and its changes stand in the plan.',
            detail=f"They would be edited: {', '.join(changed)}. Where one of them is deployed, "
            "Sqitch would not deploy it again.",
            hint="Deployed anywhere: pgtandem render --rework. Never deployed: --force.",
        )

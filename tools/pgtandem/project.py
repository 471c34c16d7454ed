"""The DBA's own Sqitch project: its name, its plan, its folders. Sqitch itself writes the plan."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pgtandem import db
from pgtandem.errors import PgtandemError

KINDS = ("deploy", "revert", "verify")
CHANGE = re.compile(r"(?P<name>[^\s@%#]\S*)( \[(?P<requires>[^\]]*)\])? \d{4}-")


@dataclass(frozen=True)
class Project:
    """A Sqitch project.

    Attributes:
        directory: where sqitch.conf is, and where Sqitch is run.
        plan: the plan file.
        folders: for each of deploy, revert and verify its folder.
    """

    directory: Path
    plan: Path
    folders: dict[str, Path]

    @property
    def name(self) -> str:
        """The name that the plan's %project says."""
        for line in self._lines():
            if line.startswith("%project="):
                return line.partition("=")[2].strip()
        raise PgtandemError(f"{self.plan} names no %project.", hint="sqitch init NAME --engine pg")

    def _lines(self) -> list[str]:
        return self.plan.read_text(encoding="utf-8").splitlines()

    def changes(self) -> list[str]:
        """The changes in the order of the plan; a reworked one is there more than once."""
        return [match["name"] for line in self._lines() if (match := CHANGE.match(line))]

    def tags(self) -> list[str]:
        """The tags in the order of the plan, without their @."""
        return [line[1:].split()[0] for line in self._lines() if line.startswith("@")]

    def reworked_from(self, change: str) -> str | None:
        """The tag under which the form of a change before its last rework stands; None: no form."""
        last = None
        for line in self._lines():
            match = CHANGE.match(line)
            if match and match["name"] == change:
                before = re.search(rf"(?:^| ){re.escape(change)}@(\S+)", match["requires"] or "")
                last = before[1] if before else None
        return last

    def script(self, kind: str, change: str, tag: str | None = None) -> Path:
        """Where a script of a change is, or was at a tag."""
        return self.folders[kind] / f"{change}{'@' + tag if tag else ''}.sql"

    def add(self, change: str, requires: list[str], note: str) -> None:
        """Let Sqitch append a change to the plan; it writes empty scripts where none are."""
        self._sqitch("add", change, *_options(requires), "--note", note)

    def rework(self, change: str, requires: list[str], note: str) -> None:
        """Let Sqitch rework a change: its scripts are kept under the last tag."""
        self._sqitch("rework", change, *_options(requires), "--note", note)

    def tag(self, name: str, note: str) -> None:
        """Let Sqitch tag the last change of the plan."""
        self._sqitch("tag", name, "--note", note)

    def has_tag_after(self, change: str) -> bool:
        """Whether a tag stands behind the last instance of a change, as a rework needs it."""
        found = False
        for line in self._lines():
            match = CHANGE.match(line)
            if match and match["name"] == change:
                found = False
            elif line.startswith("@"):
                found = True
        return found

    def take_out(self, change: str) -> bool:
        """Take the last change of that name, not deployed yet, out of the plan; say whether it was.

        Raises:
            PgtandemError: where another change requires it, or it is tagged.
        """
        lines = self._lines()
        places = [
            n for n, line in enumerate(lines) if (m := CHANGE.match(line)) and m["name"] == change
        ]
        if not places:
            return False
        place = places[-1]
        behind = lines[place + 1 :]
        needed = re.compile(rf"\[[^\]]*(?<![^\s\[]){re.escape(change)}(?=[\s@\]])")
        users = [line.split()[0] for line in behind if CHANGE.match(line) and needed.search(line)]
        if users or any(line.startswith("@") for line in behind[:1]):
            raise PgtandemError(
                f"{change} cannot move behind the reworked changes.",
                detail=f"It is required by {', '.join(users)}." if users else "It has a tag.",
                hint=f"If it was never deployed, move it to the end of {self.plan} by hand; if it "
                "was, the mapping has reached its end and no longer changes.",
            )
        self.plan.write_text("\n".join(lines[:place] + behind) + "\n", encoding="utf-8")
        return True

    def _sqitch(self, command: str, *arguments: str) -> None:
        try:
            done = subprocess.run(
                ["sqitch", "--quiet", command, *arguments], cwd=self.directory, text=True,
                check=False, stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise PgtandemError(
                "Sqitch is not installed.", hint="apt-get install sqitch libdbd-pg-perl"
            ) from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            nameless = re.search(r"(?i)cannot find your (name|email)|user\.(name|email)", said)
            raise PgtandemError(
                f"sqitch {command} {arguments[0]} failed.",
                detail=said,
                hint="sqitch config --user user.name 'Your Name'; "
                "sqitch config --user user.email you@example.org"
                if nameless
                else None,
            )


def name_of(directory: Path) -> str | None:
    """The name of the Sqitch project in a directory; None where there is none."""
    if not any((directory / name).is_file() for name in ("sqitch.conf", "sqitch.plan")):
        return None  # without asking Sqitch, which takes its time
    try:
        return find(directory).name
    except PgtandemError:
        return None


def _options(requires: list[str]) -> list[str]:
    return [word for change in requires for word in ("--requires", change)]


def find(directory: Path) -> Project:
    """The Sqitch project in a directory.

    Raises:
        PgtandemError: where there is none.
    """
    settings = db.sqitch_settings(directory)

    def setting(name: str, default: Path) -> Path:
        value = settings.get(f"engine.pg.{name}") or settings.get(f"core.{name}")
        return Path(directory, value) if value else default

    top = setting("top_dir", directory)
    plan = setting("plan_file", top / "sqitch.plan")
    if not plan.is_file():
        raise PgtandemError(
            "There is no Sqitch project here.",
            detail=f"{plan} does not exist.",
            hint="Go to the directory of sqitch.plan, or make a project: sqitch init NAME "
            "--engine pg",
        )
    return Project(directory, plan, {kind: setting(f"{kind}_dir", top / kind) for kind in KINDS})

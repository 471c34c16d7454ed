"""Where the files are that travel with the package, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def project() -> Path:
    """The directory of the engine's Sqitch project: sqitch.plan, deploy/, revert/, verify/."""
    installed = PACKAGE / "_project"
    return installed if installed.is_dir() else PACKAGE.parent.parent


def triggers() -> Path:
    """The directory of the sync triggers' templates."""
    return project() / "triggers"


def templates() -> Path:
    """The directory of all other templates."""
    return PACKAGE / "templates"


def queries() -> Path:
    """The directory of the SQL that the command line sends."""
    return PACKAGE / "queries"

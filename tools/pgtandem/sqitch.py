"""The engine's own Sqitch project: deploying it, and knowing what is in its plan."""

from __future__ import annotations

import os
import subprocess

from pgtandem import db, paths
from pgtandem.errors import PgtandemError

DEFAULT_REGISTRY = "sqitch"


def _environment(target: db.Target | None = None) -> dict[str, str]:
    """The caller's, less the settings that would point Sqitch at another project."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"SQITCH_CONFIG", "SQITCH_TARGET"}
    }
    return kept | (target.environment() if target else {})


def _run(
    *arguments: str, target: db.Target | None = None, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["sqitch", *arguments],
            cwd=paths.project(), env=_environment(target), text=True, check=False,
            capture_output=capture,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise PgtandemError(
            "Sqitch is not installed.", hint="apt-get install sqitch libdbd-pg-perl"
        ) from error


def registry() -> str:
    """The schema in which Sqitch keeps its books, as the caller's sqitch.conf says."""
    return db.sqitch_settings().get("engine.pg.registry", DEFAULT_REGISTRY)


def plan() -> dict[str, str]:
    """The engine's changes in order: Sqitch's ID of each, and its name."""
    done = _run("plan", "--no-headers", "--format", "format:%H %n")
    if done.returncode:
        raise PgtandemError("Sqitch cannot read the engine's plan.", detail=done.stderr.strip())
    lines = (line.partition(" ") for line in done.stdout.splitlines() if line)
    return {identity: name for identity, _, name in lines}


def deploy(target: db.Target) -> None:
    """Deploy the engine into a database, verifying each change; what Sqitch says goes through.

    Raises:
        PgtandemError: where Sqitch fails. Changes before the failing one stay deployed.
    """
    done = _run(
        "deploy", "--target", target.sqitch_uri(), "--registry", registry(),
        "--verify", "--mode", "change",
        target=target, capture=False,
    )  # fmt: skip
    if done.returncode:
        raise PgtandemError(
            "Sqitch did not deploy the engine; what it says is above.",
            detail=f"The database was named by {target.named_by}.",
            hint="Changes that were deployed stay; run pgtandem init again once it is mended.",
        )

"""`python tools/demo NAME`: play examples/NAME/demo.py on a throw-away server."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from stage import ROOT, DemoFailedError, Stage

FEWEST = 100  # rows, for both applications to have some


def main(name: str) -> int:
    """Play one example; the exit status says whether everything was as announced."""
    script = ROOT / "examples" / name / "demo.py"
    spec = importlib.util.spec_from_file_location(f"demo_{name}", script)
    if spec is None or spec.loader is None or not script.exists():
        known = sorted(p.parent.name for p in (ROOT / "examples").glob("*/demo.py"))
        sys.stderr.write(f"There is no demo {name!r}. There are: {', '.join(known)}.\n")
        return 2
    asked = os.environ.get("ROWS") or "0"
    if not asked.isdigit() or 0 < int(asked) < FEWEST:
        sys.stderr.write(f"ROWS={asked} is no number of rows; write {FEWEST} or more.\n")
        return 2
    scenario = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenario)
    # SIGTERM and SIGHUP end it as Ctrl-C does: writers, children and server go.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with Stage(name, keep=bool(os.environ.get("KEEP"))) as stage:
            scenario.play(stage, rows=int(asked) or scenario.ROWS)
            stage.finish()
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; nothing is left behind.\n")
        return 130
    except DemoFailedError as error:
        sys.stderr.write(f"\nDEMO FAILED: {error}\n")
        return 1
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).name if len(sys.argv) > 1 else "gear"))

"""pgtandem backfill: copy what was in the source before its triggers."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from typing import Any

import click
import psycopg
from rich.console import Console

from pgtandem import db, deployed, options, output, sessions
from pgtandem.errors import PgtandemError
from pgtandem.parameters import Duration

POLL_SECONDS = 0.3
LISTED_FAILURES = 10
INTERRUPTED_EXIT = 130


class Monitor:
    """Looks at the progress, in a session of its own that may be lost and made again."""

    def __init__(self, target: db.Target, name: str) -> None:
        self._target = target
        self._name = name
        self._connection = sessions.connect(target)

    @property
    def connection(self) -> sessions.Connection:
        """The session, a new one if the last was lost."""
        if self._connection.closed:
            self._connection = sessions.connect(self._target)
        return self._connection

    def progress(self) -> dict[str, Any]:
        """The mapping's row of pgtandem.progress."""
        row = self.connection.execute(db.load_query("progress"), {"mapping": self._name}).fetchone()
        if row is None:
            raise PgtandemError(f'Mapping "{self._name}" was removed meanwhile.')
        return row

    def failures(self) -> list[dict[str, Any]]:
        """Some of the keys that failed."""
        return self.connection.execute(
            db.load_query("failures"), {"mapping": self._name, "limit": LISTED_FAILURES}
        ).fetchall()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def _call(session: sessions.Connection, name: str, max_time: float | None) -> None:
    session.execute(db.load_query("backfill"), {"mapping": name, "max_time": max_time})


def _describe(row: dict[str, Any]) -> str:
    words = [f"{row['rows_done']:,} rows"]
    if row["rows_per_second"] is not None:
        words.append(f"{row['rows_per_second']:,}/s")
    if row["eta"] is not None:
        words.append(f"{row['eta']} to go")
    words.append(output.counted(row["workers"], "worker", "workers"))
    if row["failed"]:
        words.append(f"{row['failed']:,} set aside")
    if row["waiting_for"]:
        words.append(f"waits for {row['waiting_for']}")
    return ", ".join(words)


def _watch(
    futures: list[Future[None]], monitor: Monitor, meter: output.Meter, remarks: output.Remarks
) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=POLL_SECONDS)
        for future in done:
            error = future.exception()
            if error and sessions.is_lost(error):
                remarks.say(f"A worker was lost: {' '.join(str(error).split())}")
        try:
            row = monitor.progress()
        except (psycopg.OperationalError, PgtandemError):
            continue  # the workers tell, if the server is gone; at the end we look again
        meter.show(float(row["percent"] or 0), _describe(row))


def _final(name: str, futures: list[Future[None]], monitor: Monitor) -> dict[str, Any]:
    """The progress at the end; where the server is gone, an error that says how to go on."""
    try:
        return monitor.progress()
    except (psycopg.OperationalError, PgtandemError) as error:
        lost = [each for future in futures if (each := future.exception())]
        raise PgtandemError(
            "The database went away.",
            detail=" ".join(str(each).strip() for each in [*lost[:1], error]),
            hint="What was copied stays copied. When it is back, run it again:"
            f" pgtandem backfill {name}",
        ) from error


def _judge(
    name: str, futures: list[Future[None]], final: dict[str, Any], monitor: Monitor, out: Console
) -> str:
    """The state in one word; raises what the workers raised, unless it does not matter any more."""
    errors = [error for future in futures if (error := future.exception())]
    refused = any(getattr(error, "sqlstate", None) == "TD007" for error in errors)
    if final["copy_state"] == "complete" and not refused:
        return "complete"
    for error in errors:
        if not isinstance(error, psycopg.Error):
            raise error
        if error.sqlstate == "TD008":
            out.print(f"Rows of {name} that cannot be copied, for example:")
            output.print_failures(monitor.failures(), out)
        if not sessions.is_lost(error):
            raise error
    if errors:
        raise PgtandemError(
            f"{len(errors)} of {len(futures)} workers lost their sessions.",
            detail=f"{' '.join(str(errors[0]).split())}. What was copied stays copied:"
            f" {final['percent'] or 0} %.",
            hint=f"Run it again, it goes on from there: pgtandem backfill {name}",
        )
    return "stopped"


@click.command()
@options.mapping
@click.option(
    "--jobs", "-j", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True,
    help="Sessions that copy at once.",
)  # fmt: skip
@click.option(
    "--max-time", metavar="TIME", type=Duration(),
    help="Stop after a whole chunk when this is over: 90s, 30min, 1h30m.",
)  # fmt: skip
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    jobs: int,
    max_time: float | None,
    as_json: bool,
) -> None:
    """Copy what was in the source before its triggers existed.

    Everybody goes on writing. Each chunk is a transaction of its own, of about 0.2 s. It locks no
    row of the source, unless it has to overwrite what the target held before; then those of the
    chunk. Stop it with Ctrl-C and run it again as you like: it goes on where it was. "pgtandem
    pause" lets it wait.

    Exit status: 0 the copy is complete, 1 stopped by --max-time, 2 error, 130 stopped by Ctrl-C.
    """
    errors = output.stderr()
    remarks = output.Remarks(errors)
    began = time.monotonic()
    with db.postgres_errors(), sessions.interruptible():
        monitor = Monitor(target, name)
        mapping = deployed.find(monitor.connection, name)
        before = monitor.progress()
        try:
            with (
                sessions.Team(target, jobs) as team,
                output.Meter(errors, f"backfill {name}") as meter,
            ):
                futures = []
                for session in team.sessions:
                    remarks.listen(session)
                    futures.append(team.start(session, _call, name, max_time))
                _watch(futures, monitor, meter, remarks)
            final = _final(name, futures, monitor)
            state = _judge(name, futures, final, monitor, errors)
        except KeyboardInterrupt:
            final, state = monitor.progress(), "interrupted"
        failures = monitor.failures()
        monitor.close()

    seconds = round(time.monotonic() - began, 3)
    rows = int(final["rows_done"] - before["rows_done"])
    if as_json:
        output.print_json(
            {
                "mapping": name, "state": state, "percent": final["percent"] or 0,
                "rows": rows, "seconds": seconds, "rows_per_second": round(rows / seconds),
                "rows_in_all": final["rows_done"], "blocks": final["blocks"],
                "blocks_done": final["blocks_done"], "queued": final["queued"],
                "failed": final["failed"],
                "failures": [failure | {"key": output.key(failure)} for failure in failures],
            }
        )  # fmt: skip
    elif state == "complete":
        output.say(
            f"{name}: the copy is complete. {rows:,} rows in {seconds:,.1f} s"
            f" ({rows / seconds:,.0f}/s), {final['rows_done']:,} in all."
        )
        following = deployed.next_step(name, mapping.phase, "complete")
        errors.print(f"Next: {following}")
    if state != "complete":
        how = "Stopped by its time limit" if state == "stopped" else "Interrupted"
        errors.print(
            f"{how} at {final['percent'] or 0} %: {rows:,} rows in {seconds:,.1f} s. What is"
            f" copied stays; to go on from there: pgtandem backfill {name}"
        )
        context.exit(1 if state == "stopped" else INTERRUPTED_EXIT)

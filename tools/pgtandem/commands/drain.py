"""pgtandem drain: work off the recheck queue."""

from __future__ import annotations

import time

import click

from pgtandem import db, deployed, options, output, recheck, sessions
from pgtandem.parameters import Duration

LISTED_FAILURES = 20


@click.command()
@options.mapping
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C, looking again and again.")
@click.option(
    "--interval", metavar="TIME", type=Duration(), default="1s", show_default=True,
    help="Time between two looks of --follow.",
)  # fmt: skip
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    follow: bool,
    interval: float,
    as_json: bool,
) -> None:
    """Settle the keys that wait in the queue.

    They are of failed syncs, rows that the backfill set aside, differences to repair, and of every
    write in mode queued. Each key is made to hold in the target what the source says now. What is
    queued meanwhile is for the next drain (or --follow). A key that fails again stays in the queue,
    is listed, and is tried later: "pgtandem retry" makes that now.

    Exit status: 0 nothing is left, 1 entries remain, 2 error.
    """
    errors = output.stderr()
    with db.postgres_errors(), sessions.interruptible():
        # The work is done in a thread, so that Ctrl-C is taken at once.
        with sessions.Team(target, 1) as team:
            session = team.sessions[0]
            mapping = deployed.find(session, name)
            remarks = output.Remarks(errors)
            remarks.listen(session)
            try:
                while True:
                    work = team.start(session, recheck.drain, name)
                    sessions.results([work], 1.0, lambda: None)
                    if not follow:
                        break
                    time.sleep(interval)
            except KeyboardInterrupt:
                if not follow:
                    raise
        with sessions.connect(target) as session:
            left = recheck.left(session, name)
            failures = recheck.failures(session, name, LISTED_FAILURES)
    if as_json:
        output.print_json(
            {
                "mapping": name, "left": left["left"], "failed": left["failed"],
                "failures": [each | {"key": output.key(each)} for each in failures],
            }
        )  # fmt: skip
    elif not left["left"]:
        output.say(f"{name}: the queue is empty.")
    else:
        entries = output.counted(left["left"], "entry", "entries")
        output.say(f"{name}: {entries} left, {left['failed']:,} of them failed.")
        output.print_failures(failures)
        if failures:
            remarks.say(recheck.after_failures(name))
        elif mapping.copy_state == "open":
            remarks.say(f"They wait for the end of the backfill: pgtandem backfill {name}")
    if left["left"]:
        context.exit(1)

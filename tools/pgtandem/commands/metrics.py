"""pgtandem metrics: the figures for Prometheus."""

from __future__ import annotations

import threading

import click
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from pgtandem import db, exporter, options, output, sessions
from pgtandem.errors import PgtandemError, UnreachableError
from pgtandem.parameters import Listen


def _serve(registry: CollectorRegistry, address: str, port: int) -> None:
    """Answer scrapes until Ctrl-C or SIGTERM."""
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        raise PgtandemError(
            f"Cannot listen on {address}:{port}.",
            detail=error.strerror or str(error),
            hint="Another program has the port, or the address is not of this machine: --listen"
            " :9188",
        ) from error
    shown = f"[{address}]" if ":" in address else address
    output.stderr().print(f"Metrics on http://{shown}:{server.server_port}/metrics")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()
        server.server_close()
        thread.join()


def _first(target: db.Target, names: tuple[str, ...], survive: bool) -> exporter.Once | None:
    """A scrape at once, so that a wrong name is an error and not a metric; None: it is lost."""
    try:
        with db.postgres_errors():
            return exporter.Once(target, names)
    except UnreachableError as error:
        if not survive:
            raise
        output.stderr().print(error.format_message())
        return None


@click.command()
@click.argument("names", nargs=-1, metavar="[MAPPING]...")
@click.option(
    "--listen", metavar="ADDRESS:PORT", type=Listen(),
    help="Serve them over HTTP until Ctrl-C; :PORT for this machine alone.",
)  # fmt: skip
@options.database
def command(target: db.Target, names: tuple[str, ...], listen: tuple[str, int] | None) -> None:
    """Print the figures of all mappings, or some, for Prometheus.

    With --listen it answers each scrape with the figures of that moment, in a session of its own
    that reads only and waits a second at most for a lock. Where the database is lost,
    pgtandem_up is 0 until it is back. There is neither TLS nor a password: listen on the loopback
    address, or put a proxy in front.

    Exit status: 0 good, which is also how Ctrl-C and SIGTERM end --listen; 2 error.
    """
    with sessions.interruptible():
        once = _first(target, names, survive=listen is not None)
        if listen:
            registry = CollectorRegistry()
            registry.register(exporter.Exporter(target, names, output.stderr().print))
            _serve(registry, *listen)
        elif once:
            click.echo(generate_latest(once).decode(), nl=False)
            if once.found.errors:
                raise once.found.errors[0]

"""The command line: finds the commands and is the one place where errors end."""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module

import click
import psycopg

from pgtandem import __version__, commands
from pgtandem.errors import ERROR_EXIT, PgtandemError

INTERRUPTED_EXIT = 130  # as shells report Ctrl-C


class CommandPackage(click.Group):
    """Each module of `pgtandem.commands` is a command; it is imported when it is needed.

    A module named lock_tables would be the command lock-tables, and import_ is import, which Python
    has taken. It holds `command`.
    """

    @staticmethod
    def _modules() -> dict[str, str]:
        names = (module.name for module in pkgutil.iter_modules(commands.__path__))
        return {
            name.rstrip("_").replace("_", "-"): name for name in names if not name.startswith("_")
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(self._modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in (modules := self._modules()):
            return None
        module = import_module(f"{commands.__name__}.{modules[cmd_name]}")
        command: click.Command = module.command
        return command


@click.group(
    name="pgtandem",
    cls=CommandPackage,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Move live PostgreSQL data from an old shape to a new one while both stay in use.

    Exit status: 0 good, 1 differences or a closed gate, 2 error, 130 interrupted.
    """


def run(program: Callable[[], object]) -> int:
    """Run a click program and turn how it ends into an exit status, errors told on stderr."""
    try:
        result = program()
    except BrokenPipeError:
        # Whoever read it has seen enough; what Python still holds back goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR_EXIT
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        PgtandemError(f"{where}{error.strerror or error}").show()
        return ERROR_EXIT
    except psycopg.Error as error:
        PgtandemError.from_postgres(error).show()
        return ERROR_EXIT
    except click.ClickException as error:
        error.show()
        return ERROR_EXIT
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED_EXIT
    return result if isinstance(result, int) else 0


def main() -> None:
    """The console script."""
    sys.exit(run(lambda: cli.main(prog_name="pgtandem", standalone_mode=False)))

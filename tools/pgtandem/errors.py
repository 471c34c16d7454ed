"""The one kind of error that a person sees: what happened, the values, what to type next."""

from __future__ import annotations

from typing import IO, Any

import click
import psycopg

ERROR_EXIT = 2  # 0 good, 1 differences or a closed gate, 2 error


class PgtandemError(click.ClickException):
    """An error with a message, a detail and a hint, as PostgreSQL gives them.

    Attributes:
        message: what happened, in one sentence.
        detail: the values that matter.
        hint: what to type next.
        sqlstate: PostgreSQL's code where the database raised it; pgtandem's own begin with TD.
    """

    exit_code = ERROR_EXIT

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.hint = hint
        self.sqlstate = sqlstate

    @classmethod
    def from_postgres(cls, error: psycopg.Error) -> PgtandemError:
        """Carry over what PostgreSQL said; libpq's own errors have a message only."""
        diagnostic = error.diag
        return cls(
            diagnostic.message_primary or str(error).strip() or type(error).__name__,
            detail=diagnostic.message_detail,
            hint=diagnostic.message_hint,
            sqlstate=error.sqlstate,
        )

    def format_message(self) -> str:
        """The lines that `show` prints after "Error: "."""
        message = self.message + (f" (SQLSTATE {self.sqlstate})" if self.sqlstate else "")
        lines = [message]
        if self.detail:
            lines.append(f"Detail: {self.detail}")
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error on standard error."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


class UnreachableError(PgtandemError):
    """There is no connection to the database; later there may be."""

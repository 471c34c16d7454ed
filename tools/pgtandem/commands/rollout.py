"""pgtandem rollout: feature flags in the database, and who has them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import psycopg
from rich.text import Text

from pgtandem import db, deployed, options, output, sessions
from pgtandem.errors import PgtandemError

LISTED = 10  # users of a list, and changes, in the details of a flag
LISTS = {"allow": "on the allow list", "deny": "on the deny list", "none": "on no list"}
RULES = {
    "off": "it is off for everybody",
    "deny": "the deny list",
    "allow": "the allow list",
    "on": "it is on for everybody",
}

flag_name = click.argument("flag", metavar="FLAG")
users_given = click.argument("users", metavar="USER...", nargs=-1, required=True)
why = click.option("--reason", metavar="TEXT", help="Why; it stays in the history of the flag.")


@contextmanager
def _session(target: db.Target) -> Iterator[sessions.Connection]:
    with db.postgres_errors(), sessions.connect(target) as session:
        output.Remarks(output.stderr()).listen(session)
        try:
            with deployed.engine_errors(session):
                yield session
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise PgtandemError(
                "Flags cannot be changed here: this is a standby, or read-only.",
                hint="Connect to the primary.",
                sqlstate=error.sqlstate,
            ) from error


def _run(session: sessions.Connection, query: str, **parameters: object) -> dict[str, Any]:
    row = session.execute(db.load_query(f"rollout_{query}"), parameters).fetchone()
    assert row
    return row


def _all(session: sessions.Connection) -> dict[str, dict[str, Any]]:
    return {row["flag"]: row for row in session.execute(db.load_query("rollout_status")).fetchall()}


def _find(session: sessions.Connection, flag: str) -> dict[str, Any]:
    """The state of a flag; TD050 where there is none."""
    flags = _all(session)
    if flag in flags:
        return flags[flag]
    near = difflib.get_close_matches(flag, flags, n=1)
    raise PgtandemError(
        f'There is no flag "{flag}".',
        detail=f"Flags: {', '.join(flags) or 'none'}.",
        hint=f'Did you mean "{near[0]}"?' if near else "pgtandem rollout status lists them.",
        sqlstate="TD050",
    )


def _history(session: sessions.Connection, flag: str | None, limit: int) -> list[dict[str, Any]]:
    return session.execute(
        db.load_query("rollout_history"), {"flag": flag, "limit": limit}
    ).fetchall()


def _say_change(flag: str, change: dict[str, Any]) -> None:
    """Say from what to what a flag went."""
    was, becomes = change["was"], change["becomes"]
    if was is None:
        output.say(f"{flag}: a new flag, {becomes}.")
    elif was == becomes:
        output.say(f"{flag}: {becomes} already; nothing was changed.")
    elif becomes == "off":
        output.say(f"{flag}: from {was} to off, for everybody, the allow list included.")
    elif change["lowers"]:
        output.say(f"{flag}: from {was} to {becomes}. Some who had it have it no longer.")
    else:
        output.say(f"{flag}: from {was} to {becomes}.")


def _state(row: dict[str, Any]) -> str:
    return f"{row['percentage']} %" if row["state"] == "percentage" else row["state"]


@click.group()
def command() -> None:
    """Switch a feature on for some, for more, for all.

    An application asks SELECT pgtandem.enabled(FLAG, USER). The first rule that applies decides:
    off; the deny list; the allow list; on; a cohort; the percentage.
    """


@command.command("set")
@flag_name
@click.argument("state", metavar="STATE")
@why
@options.database
def set_(target: db.Target, flag: str, state: str, reason: str | None) -> None:
    """Set FLAG to on, off or a percentage, and make it where there is none.

    Raising the percentage never switches anybody off. 0 leaves it to the allow list and the
    cohorts; off is off for everybody, and for a flag that is there only: it may be misspelt.
    """
    with _session(target) as session:
        if state.strip().lower() == "off":
            _find(session, flag)  # in a hurry, a name that is misspelt must not look like a success
        change = _run(session, "set", flag=flag, state=state, reason=reason)
    _say_change(flag, change)


@command.command("next")
@flag_name
@why
@options.database
def next_(target: db.Target, flag: str, reason: str | None) -> None:
    """Raise FLAG to its next stage: 1, 5, 20, 100 % if not told otherwise."""
    with _session(target) as session:
        change = _run(session, "next", flag=flag, reason=reason)
    _say_change(flag, change)


@command.command()
@flag_name
@why
@options.database
def back(target: db.Target, flag: str, reason: str | None) -> None:
    """Lower FLAG to the stage before; before the first it is off."""
    with _session(target) as session:
        change = _run(session, "back", flag=flag, reason=reason)
    _say_change(flag, change)


@command.command()
@flag_name
@click.argument("percentages", metavar="PERCENTAGE...", nargs=-1, required=True, type=int)
@why
@options.database
def stages(target: db.Target, flag: str, percentages: Sequence[int], reason: str | None) -> None:
    """Replace the stages of FLAG, such as 2 10 50 100. The flag stays where it is."""
    with _session(target) as session:
        _run(session, "stages", flag=flag, stages=list(percentages), reason=reason)
    output.say(f"{flag}: its stages are {', '.join(map(str, percentages))}.")


def _list_users(
    target: db.Target, flag: str, which: str, users: Sequence[str], reason: str | None
) -> None:
    with _session(target) as session:
        changed = _run(
            session, "users", flag=flag, list=which, users=list(users), reason=reason
        )["changed"]  # fmt: skip
        is_off = _find(session, flag)["state"] == "off"
    already = len(set(users)) - changed
    said = f"{output.counted(changed, 'user is', 'users are')} {LISTS[which]} now"
    output.say(f"{flag}: {said}" + (f", {already:,} already." if already else "."))
    if is_off and which == "allow":
        output.say(
            f"It is off for everybody. For the allow list alone: pgtandem rollout set {flag} 0"
        )


@command.command()
@flag_name
@users_given
@why
@options.database
def allow(target: db.Target, flag: str, users: Sequence[str], reason: str | None) -> None:
    """Let users have FLAG at any percentage, unless it is off."""
    _list_users(target, flag, "allow", users, reason)


@command.command()
@flag_name
@users_given
@why
@options.database
def deny(target: db.Target, flag: str, users: Sequence[str], reason: str | None) -> None:
    """Keep users from FLAG, even if it is on."""
    _list_users(target, flag, "deny", users, reason)


@command.command()
@flag_name
@users_given
@why
@options.database
def forget(target: db.Target, flag: str, users: Sequence[str], reason: str | None) -> None:
    """Take users from both lists of FLAG."""
    _list_users(target, flag, "none", users, reason)


@command.command()
@flag_name
@click.argument("function", metavar="FUNCTION")
@click.option("--remove", is_flag=True, help="Take the cohort from the flag.")
@why
@options.database
def cohort(
    target: db.Target, flag: str, function: str, remove: bool, reason: str | None
) -> None:  # fmt: skip
    """Let a FUNCTION of yours, such as app.has_paid, say who else has FLAG.

    It takes the user as text and returns a boolean, reads only, and is of your own making:
    docs/rollout.md has one to copy.
    """
    with _session(target) as session:
        query = "remove_cohort" if remove else "add_cohort"
        changed = _run(session, query, flag=flag, cohort=function, reason=reason)["changed"]
        cohorts = _find(session, flag)["cohorts"]
    said = f"its cohorts are {', '.join(cohorts)}" if cohorts else "it has no cohort"
    output.say(f"{flag}: {said}" + ("." if changed else "; nothing was changed."))


@command.command()
@flag_name
@why
@options.database
def drop(target: db.Target, flag: str, reason: str | None) -> None:
    """Remove FLAG with its lists and cohorts, once nobody asks for it. Its history stays."""
    with _session(target) as session:
        _run(session, "drop", flag=flag, reason=reason)
    output.say(f"{flag}: dropped. For an application that still asks, it is off.")


def _print_history(changes: Sequence[dict[str, Any]]) -> None:
    output.print_table(
        ("when", "flag", "what", "from", "to", "who", "reason"),
        (
            (
                each["changed_at"], each["flag"],
                " ".join(filter(None, (each["what"], each["subject"]))),
                each["old"], each["new"], each["role"], each["reason"],
            )
            for each in changes
        ),
    )  # fmt: skip


def _print_flag(row: dict[str, Any], listed: Sequence[dict[str, Any]]) -> None:
    def some(which: str) -> str | None:
        names = [each["user"] for each in listed if each["list"] == which]
        more = [f"and {len(names) - LISTED:,} more"] if len(names) > LISTED else []
        return ", ".join(names[:LISTED] + more) or None

    output.print_table(
        ("", ""),
        (
            ("flag", row["flag"]),
            ("state", _state(row)),
            ("stages", ", ".join(map(str, row["stages"]))),
            ("allow list", some("allow")),
            ("deny list", some("deny")),
            ("cohorts", ", ".join(row["cohorts"]) or None),
            ("changed", row["changed_at"]),
            ("by", row["changed_by"]),
        ),
    )


@command.command()
@click.argument("flag", metavar="[FLAG]", required=False)
@options.as_json
@options.database
def status(target: db.Target, flag: str | None, as_json: bool) -> None:
    """Say where each flag is, or one of them in detail.

    For psql and dashboards it is in the view pgtandem.rollout_status.
    """
    with _session(target) as session:
        if flag is None:
            flags = list(_all(session).values())
            if as_json:
                output.print_json({"flags": flags})
            elif not flags:
                output.say("There is no flag yet. To make one: pgtandem rollout set NAME 1")
            else:
                output.print_table(
                    ("flag", "state", "allowed", "denied", "changed", "by", "cohorts"),
                    (
                        (
                            each["flag"], _state(each), each["allowed"], each["denied"],
                            each["changed_at"], each["changed_by"],
                            ", ".join(each["cohorts"]) or None,
                        )
                        for each in flags
                    ),
                )  # fmt: skip
            return
        row = _find(session, flag)
        listed = session.execute(db.load_query("rollout_listed"), {"flag": flag}).fetchall()
        changes = _history(session, flag, LISTED)
    if as_json:
        output.print_json({**row, "users": listed, "history": changes})
        return
    _print_flag(row, listed)
    output.show(Text("\nlast changes", "bold"))
    _print_history(changes)


@command.command()
@click.argument("flag", metavar="[FLAG]", required=False)
@click.option(
    "--limit", metavar="N", type=click.IntRange(1), default=50, show_default=True,
    help="How many of the last changes.",
)  # fmt: skip
@options.as_json
@options.database
def history(target: db.Target, flag: str | None, limit: int, as_json: bool) -> None:
    """Say who changed a flag, or any, when, from what to what, and why; the latest last.

    Also of flags that were dropped. All of it is in the table pgtandem.flag_change.
    """
    with _session(target) as session:
        changes = _history(session, flag, limit)
        if flag is not None and not changes:
            _find(session, flag)
    if as_json:
        output.print_json({"history": changes})
    elif changes:
        _print_history(changes)
    else:
        output.say("Nothing was changed yet.")


@command.command()
@flag_name
@click.argument("user", metavar="USER")
@options.as_json
@options.database
def check(target: db.Target, flag: str, user: str, as_json: bool) -> None:
    """Say whether USER has FLAG, and which rule says so."""
    with _session(target) as session:
        row = _find(session, flag)
        found = _run(session, "check", flag=flag, user=user)
    if as_json:
        output.print_json({"flag": flag, "user": user, **found, "state": row["state"],
                           "percentage": row["percentage"]})  # fmt: skip
        return
    rule = found["rule"]
    is_on = "on" if found["enabled"] else "off"
    because = RULES.get(rule) or (
        f"bucket {found['bucket']} of 0 to 99, and it is at {row['percentage']} %"
        if rule in {"percentage", "outside"}
        else f"the {rule}"
    )
    output.say(f"{flag} is {is_on} for {user}: {because}.")

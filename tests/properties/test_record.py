"""Rule 4: in record mode the old application's statements end as they would without us.

The same statements run on the source and on a twin without triggers, while the target is as hostile
as can be: it refuses values, its rows are locked by the new application, it is not there at all.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from properties import shapes, statements
from properties.shapes import Shape
from properties.world import World, connect, content, drain, execute, naive_differences, run_script

TWIN = "twin.source"
OURS = 0.03  # seconds that our lock_timeout lets a transaction wait

HOSTILE = {
    "nothing": "",
    "check": "ALTER TABLE {target} ADD CHECK ({noted} IS DISTINCT FROM 'a') NOT VALID",
    "unique": "CREATE UNIQUE INDEX ON {target} ({noted})",
    "raise": "CREATE FUNCTION twin.refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE 'no' USING ERRCODE = 'XX123'; END $$; "
    "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {target} "
    "FOR EACH ROW EXECUTE FUNCTION twin.refuse()",
    "swallow": "CREATE FUNCTION twin.swallow() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NULL; END $$; "
    "CREATE TRIGGER swallow BEFORE INSERT OR UPDATE OR DELETE ON {target} "
    "FOR EACH ROW EXECUTE FUNCTION twin.swallow()",
    "rows locked": "BEGIN; SELECT FROM {target} FOR UPDATE",
    "table locked": "BEGIN; LOCK TABLE {target}",
    "renamed": "ALTER TABLE {target} RENAME {noted} TO gone",
    "dropped": "DROP TABLE {target} CASCADE",
}


def outcome(connection: psycopg.Connection, statement: statements.Statement) -> object:
    """The number of rows, or the SQLSTATE."""
    try:
        return execute(connection, statement)
    except psycopg.Error as error:
        return error.sqlstate


def the_old_application_never_notices(world: World, shape: Shape) -> None:
    """The property, for a shape that may be broken on purpose."""
    source, twin = shape.source, replace(shape.source, table=TWIN)
    # The cascades go through other tables, which have no twin.
    write = st.lists(statements.writes(source), min_size=1, max_size=4)

    @given(
        there=statements.rows(source, 0, 5),
        hostile=st.sampled_from(sorted(HOSTILE)),
        isolation=st.sampled_from(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]),
        transactions=st.lists(write, max_size=3),
    )
    def check(there, hostile, isolation, transactions):
        with ExitStack() as stack:
            dsn = stack.enter_context(world.database(shape))
            owner, app, new = (stack.enter_context(connect(dsn)) for _ in range(3))
            owner.execute("CREATE SCHEMA twin")
            owner.execute(f"CREATE TABLE {TWIN} (LIKE {source.table} INCLUDING ALL)".encode())
            if source.deferrable:  # LIKE forgets that
                owner.execute(
                    "ALTER TABLE twin.source DROP CONSTRAINT source_pkey, "
                    f"ADD PRIMARY KEY ({', '.join(source.key)}) DEFERRABLE".encode()
                )
            for side in (source, twin) if there else ():
                execute(owner, statements.insert(side, there))
            run_script(owner, shape.script("deploy/sync"))
            owner.execute(f"CALL pgtandem.backfill('{shape.name}')")
            hostility = HOSTILE[hostile].replace("{target}", shape.target.table)
            try:
                new.execute(hostility.replace("{noted}", shape.target.noted).encode())
            except psycopg.errors.UniqueViolation:
                return
            app.execute(f"SET default_transaction_isolation = '{isolation}'")
            for transaction in transactions:
                app.execute("BEGIN")
                for statement in transaction:
                    start = time.monotonic()
                    app.execute("SAVEPOINT s")
                    ours = outcome(app, statement)
                    if isinstance(ours, str):
                        app.execute("ROLLBACK TO s")
                    took = time.monotonic() - start
                    same = replace(
                        statement,
                        sql=statement.sql.replace(source.table.replace("%", "%%"), TWIN)
                        if not statement.rows
                        else statement.sql.replace(source.table, TWIN),
                    )
                    app.execute("SAVEPOINT s")
                    theirs = outcome(app, same)
                    if isinstance(theirs, str):
                        app.execute("ROLLBACK TO s")
                    assert ours == theirs, f"{statement!r}: {ours}, without us {theirs}"
                    assert took < 1, f"{statement!r} took {took} s"
                app.execute("COMMIT")  # raises where we made the transaction fail
            assert content(owner, source) == content(owner, source, TWIN)
            if hostile in ("rows locked", "table locked"):
                # What was held up is in the queue, and nothing else is wrong.
                new.execute("ROLLBACK")
                drain(owner, shape)
                assert naive_differences(owner, shape) == {}

    check()


@pytest.mark.parametrize("shape", [shapes.gear(), shapes.nasty()], ids=lambda shape: shape.name)
def test_the_old_application_never_notices(world, shape):
    the_old_application_never_notices(world, shape)

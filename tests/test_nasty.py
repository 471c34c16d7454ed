"""Every odd name and type, the whole road and back."""

from __future__ import annotations

import psycopg
import pytest

from mappings import build, nasty

SOURCE = '"Old Schema ""x"""."select"'
TARGET = """"Neu.Schema"."Tabelle mit 63 bytes, ""%I"", $1 und 'ö'xxxxxxxxxxxxxxxxxxxxxxxx\""""


def differing(connection: psycopg.Connection) -> list:
    return connection.execute(
        "SELECT key, columns, source, target FROM pgtandem_nasty.compared() "
        "WHERE changed OR NOT in_source OR NOT in_target"
    ).fetchall()


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ordinary", "partitioned"])
def test_the_whole_road_with_nasty_names(dsn, kind):
    built = build(dsn, *nasty(kind))
    with psycopg.connect(dsn, autocommit=True) as connection:

        def one(query, *parameters):
            return connection.execute(query, parameters or None).fetchone()[0]

        connection.execute(
            f'INSERT INTO {SOURCE} ("Id, Teil 1", "user", "order") VALUES (500, \'a\', \'ab$\\\')'
        )
        assert one(f'SELECT "Bestellung" FROM {TARGET} WHERE "Nr." = 500') == ("%a\\$")
        built.deploy("backfill")
        assert differing(connection) == []
        assert one(f"SELECT count(*) FROM {TARGET}") > 300
        connection.execute(
            f'UPDATE {SOURCE} SET ort = point(1, 2), "Id, Teil 1" = 1000 + "Id, Teil 1"'
        )
        connection.execute(
            f'UPDATE {TARGET} SET "Nr." = "Nr." + 1, "Länge" = \'1 day\', "b\\t" = \'%\\\''
        )
        assert one("SELECT count(*) FROM pgtandem.sync_failure") == 0
        connection.execute(f"DELETE FROM {SOURCE} WHERE \"user\" = 'ö'")
        connection.execute(f'UPDATE {SOURCE} SET "gelöscht" = NOT "gelöscht" WHERE "user" = \'a\'')
        connection.execute("CALL pgtandem.drain('nasty')")
        assert differing(connection) == []
        for side in (SOURCE, TARGET):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(f"TRUNCATE {side}")
            assert refused.value.sqlstate == "TD014"
        connection.execute("CALL pgtandem.compare('nasty')")
        old = connection.execute(f"SELECT * FROM {SOURCE} ORDER BY 1, 2").fetchall()
        built.deploy("contract")
        assert connection.execute(f"SELECT * FROM {SOURCE} ORDER BY 1, 2").fetchall() == old
        connection.execute(f'UPDATE {SOURCE} SET "100% ""sure""" = \'view\'')
        built.revert("contract")
        assert differing(connection) == []
        assert one(f'SELECT count(*) FROM {SOURCE} WHERE "100% ""sure""" = \'view\'') > 300
        built.revert("backfill", "sync", "expand")

"""Every odd name and type, the whole road and back."""

from __future__ import annotations

import psycopg
import pytest

from command_line import as_json
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
        built.deploy("index")
        built.deploy("index")
        document = as_json("verify", "nasty", "--area", "place", dsn=dsn)
        assert [area["area"] for area in document["areas"]] == ["100 % \"$$\" 'ö'", "place", None]
        connection.execute("SELECT pg_stat_force_next_flush()")  # reads that contract would see
        connection.execute("CALL pgtandem.compare('nasty')")
        old = connection.execute(f"SELECT * FROM {SOURCE} ORDER BY 1, 2").fetchall()
        built.deploy("contract")
        assert connection.execute(f"SELECT * FROM {SOURCE} ORDER BY 1, 2").fetchall() == old
        connection.execute(f'UPDATE {SOURCE} SET "100% ""sure""" = \'view\'')
        built.revert("contract")
        assert differing(connection) == []
        assert one(f'SELECT count(*) FROM {SOURCE} WHERE "100% ""sure""" = \'view\'') > 300
        built.revert("index", "backfill", "sync", "expand")


LEAVING = """[Größe, '100% "sure"', $dollar$, order, 🎒, new, json doc, ort, dauer, 'b\\s',
  'eine Spalte mit 63 bytes: 100 % "sure" $$ \\ \'\'é\'\' 🎒yyyyyyyyyy', Unmapped]"""


@pytest.mark.both
@pytest.mark.parametrize("kind", ["ordinary", "partitioned"])
@pytest.mark.parametrize("more", ["", "gelöscht"])
def test_columns_with_nasty_names_leave_and_come_back(dsn, kind, more):
    """A composite key, a filter over a column that stays, or leaves, types without an equality."""
    mapping, legacy = nasty(kind)
    leaving = LEAVING.replace("]", f", {more}]") if more else LEAVING
    mapping = mapping.replace("contract: {", f"contract: {{columns: {leaving}, ")
    built = build(dsn, mapping, legacy, ("expand", "sync", "backfill"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        columns = ", ".join(
            f'"{name}"'
            for (name,) in connection.execute(
                "SELECT replace(attname, '\"', '\"\"') FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                (SOURCE,),
            )
        )
        content = f"SELECT ROW({columns})::text FROM {SOURCE} ORDER BY 1".encode()
        connection.execute("CALL pgtandem.compare('nasty')")
        before = connection.execute(content).fetchall()
        built.deploy("contract")
        left = connection.execute(f"SELECT * FROM {SOURCE} LIMIT 0".encode()).description
        assert [c.name for c in left] == ["Id, Teil 1", "user"] + ([] if more else ["gelöscht"])
        built.revert("contract")
        assert connection.execute(content).fetchall() == before
        assert differing(connection) == []
        connection.execute("CALL pgtandem.compare('nasty')")
        built.deploy("contract")
        connection.execute(f"UPDATE {TARGET} SET \"d$\" = 'since' WHERE \"group\" = 'a'".encode())
        connection.execute(f"DELETE FROM {TARGET} WHERE \"group\" = 'ö'".encode())
        built.revert("contract")
        assert differing(connection) == []
        written = f"SELECT count(*) FROM {SOURCE} WHERE \"$dollar$\" = 'since'"
        assert connection.execute(written.encode()).fetchone()[0] > 10
        rest = (
            f"SELECT count(*) FROM {SOURCE} "
            'WHERE "user" = \'ö\' AND NOT "gelöscht" AND "Größe" % 7 <> 3'
        )
        assert connection.execute(rest.encode()).fetchone() == (0,)
        built.revert("backfill", "sync", "expand")

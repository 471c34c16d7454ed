"""Joins, rows and in place with every odd name and type, the whole road and back."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

from typing import Any

import psycopg
import pytest

from mappings import build, nasty_derived

SOURCE = '"Old Schema ""x"""."select"'
OTHER = """"other %s 'ö'\""""
TARGET = """"Neu.Schema"."Tabelle mit 63 bytes, ""%I"", $1 und 'ö'xxxxxxxxxxxxxxxxxxxxxxxx\""""
LONG = """"eine Spalte mit 63 bytes: 100 % ""sure"" $$ \\ 'é' \N{SCHOOL SATCHEL}yyyyyyyyyy\""""

JOINS = (
    f"""INSERT INTO {OTHER}."Pay, ""%I"" $1" ("AT", "Nr", "c$", "100%")
        SELECT "when", "Nr. %", "order", 1 FROM {SOURCE} WHERE "user" IN ('u3', 'u4')""",
    f"""UPDATE {OTHER}."Pay, ""%I"" $1" SET "AT" = "AT" + interval '30 minutes' WHERE "Nr" < 3""",
    f"""UPDATE {OTHER}."Pay, ""%I"" $1" SET "v_new" = false, "c$" = 'c %1' WHERE "Nr" > 6""",
    f"""UPDATE {OTHER}."group" SET "u\\" = CASE "u\\" WHEN 'u1' THEN 'u2' ELSE 'u1' END WHERE "u\\" IN ('u1', 'u2')""",
    f"""UPDATE {OTHER}."group" SET "table" = '%s' || "table" WHERE "u\\" = 'u7'""",
    f"""DELETE FROM {OTHER}."from" WHERE id % 3 = 0""",
    f"""UPDATE {OTHER}."from" SET "desc" = NULL WHERE id % 7 = 0""",
    f"""UPDATE {OTHER}."from" SET "desc" = '{{"a":  1}}' WHERE id % 5 = 0""",
    f"""UPDATE {OTHER}."limit" SET "V" = 'k''\\0' WHERE id < 5""",
    f"""UPDATE {SOURCE} SET p_key = 'k''\\3' WHERE "user" < 'u3'""",
    f"""UPDATE {SOURCE} SET "when" = "when" - interval '1 year', "Nr. %" = -"Nr. %" WHERE "user" IN ('u10', 'u11')""",
    f"""UPDATE {SOURCE} SET "user" = 'U' || "user" WHERE "user" > 'u5'""",
    f"""DELETE FROM {SOURCE} WHERE "user" = 'u21'""",
)
ROWS = (
    f"""UPDATE {SOURCE} SET "json doc" = "json doc" - 'b''"' WHERE "Nr. %" % 2 = 0""",
    f"""UPDATE {SOURCE} SET "json doc" = "json doc" || '{{"a %s": "%", "none %s": 1}}' WHERE "Nr. %" % 5 = 0""",
    f"""UPDATE {SOURCE} SET "user" = 'ö' WHERE "Nr. %" < 10""",
    f"""UPDATE {SOURCE} SET "gelöscht" = true WHERE "Nr. %" BETWEEN 20 AND 30""",
    f"""UPDATE {SOURCE} SET "when" = "when" + interval '1 hour', "Nr. %" = "Nr. %" + 1000 WHERE "Nr. %" > 80""",
    f"""DELETE FROM {SOURCE} WHERE "Nr. %" BETWEEN 40 AND 50""",
)
IN_PLACE = (
    f'''UPDATE {SOURCE} SET "order" = 'Bo %', "100% ""sure""" = '$$' WHERE "Id, Teil 1" < 20''',
    f"""UPDATE {SOURCE} SET "out" = true WHERE "Id, Teil 1" IN (30, 31)""",
    f"""UPDATE {SOURCE} SET "order" = 'Out O' WHERE "Id, Teil 1" IN (30, 31)""",
    f"""UPDATE {SOURCE} SET "out" = false WHERE "Id, Teil 1" IN (30, 31)""",
    f"""UPDATE {SOURCE} SET "last's" = 'Last', {LONG} = 'new %' WHERE "Id, Teil 1" IN (40, 41)""",
    f"""UPDATE {SOURCE} SET "Größe" = '3 hours', "Doc" = '[1 ]' WHERE "Id, Teil 1" IN (50, 51)""",
    f"""UPDATE {SOURCE} SET "user" = CASE "user" WHEN 'a' THEN 'b' ELSE 'a' END WHERE "Id, Teil 1" > 190""",
    f"""INSERT INTO {SOURCE} ("Id, Teil 1", "user", "order", hours) VALUES (900, 'a', 'Eve X', 2), (901, 'b', 'Eve Y', 3)""",
    f"""INSERT INTO {SOURCE} ("Id, Teil 1", "user", "first %s", "last's") VALUES (902, 'a', 'Ö', '%'), (903, 'b', '%', 'I')""",
)
WRITES = {"joins": JOINS, "rows": ROWS, "in_place": IN_PLACE, "merge": JOINS}


@pytest.mark.both
@pytest.mark.parametrize(
    ("kind", "zone"),
    [(kind, zone) for kind in WRITES for zone in ("UTC", "Europe/Berlin")][:-1],
)
def test_the_whole_road(dsn: str, kind: str, zone: str) -> None:
    built = build(dsn, *nasty_derived(kind))
    schema = f"pgtandem_nasty_{kind}"
    with psycopg.connect(dsn, autocommit=True) as connection:

        def run(query: str) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

        def differing() -> list[tuple[Any, ...]]:
            return run(
                f"SELECT key, columns, source, target FROM {schema}.compared() "
                "WHERE changed OR NOT in_source OR NOT in_target"
            )

        run(f"SET timezone = '{zone}'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'")
        writes = WRITES[kind]
        run(writes[0])
        assert differing() != []
        run(f"CALL pgtandem.backfill('nasty_{kind}')")
        assert differing() == []
        built.deploy("backfill")
        for statement in writes[1:]:
            before = run(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {SOURCE} AS t")
            run(statement)
            run("RESET ALL")
            run(f"CALL pgtandem.drain('nasty_{kind}')")
            assert differing() == [], statement
            run(f"SET timezone = '{zone}'; SET datestyle = 'SQL, DMY'")
            assert before
        if kind != "in_place":
            run(f"DELETE FROM {TARGET} WHERE ctid = (SELECT min(ctid) FROM {TARGET})")
            found = run(f"SELECT key FROM {schema}.compared() WHERE NOT in_target")
            assert len(found) == 1
            run(
                f"SELECT pgtandem.queue('nasty_{kind}', key, 'difference') "
                f"FROM {schema}.compared() WHERE NOT in_target"
            )
            keys = f"(SELECT jsonb_agg(key) FROM {schema}.compared() WHERE NOT in_target)"
            assert run(f"SELECT in_source, in_target FROM {schema}.compared_keys({keys})") == [
                (True, False)
            ]
            run(f"CALL pgtandem.drain('nasty_{kind}')")
            assert differing() == []
            with pytest.raises(psycopg.Error) as refused:
                run(f"TRUNCATE {SOURCE} CASCADE")
            assert refused.value.sqlstate == "TD014"
        assert run("SELECT sqlstate, message FROM pgtandem.sync_failure") == []
        if kind == "in_place":
            levels = run(
                f'SELECT DISTINCT "level" FROM {SOURCE} WHERE "Id, Teil 1" < 200 ORDER BY 1'
            )
            assert [level for (level,) in levels] == ["50 % of a", "50 % of it's"]
    built.revert("backfill", "sync", "expand")

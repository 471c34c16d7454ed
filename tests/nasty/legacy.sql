-- Names that break careless quoting, types without an equality, a composite key, a filter.
SET client_min_messages = warning;
CREATE SCHEMA "Old Schema ""x""";
CREATE TABLE "Old Schema ""x"""."select" (
    "Id, Teil 1" integer NOT NULL,
    "user" text NOT NULL,
    "Größe" numeric(12, 4),
    "100% ""sure""" text,
    "$dollar$" varchar(50),
    "order" text,
    "🎒" text,
    new boolean,
    "json doc" json,
    ort point,
    dauer interval,
    "b\s" text,
    "eine Spalte mit 63 bytes: 100 % ""sure"" $$ \ 'é' 🎒yyyyyyyyyy" text,
    "gelöscht" boolean NOT NULL DEFAULT false,
    "Unmapped" timestamptz,
    PRIMARY KEY ("Id, Teil 1", "user")
);
-- end of source
CREATE SCHEMA "Neu.Schema";
CREATE TABLE "Neu.Schema"."Tabelle mit 63 bytes, ""%I"", $1 und 'ö'xxxxxxxxxxxxxxxxxxxxxxxx" (
    "Nr." integer NOT NULL,
    "group" text NOT NULL,
    "Grösse %s" numeric(12, 4),
    "sicher?" text,
    "d$" varchar(50),
    "Bestellung" text,
    "🏔️'s" text,
    source boolean,
    "Dokument" json,
    place point,
    "Länge" interval,
    "b\t" text,
    "eine Spalte mit 63 bytes: 100 % ""sure"" $$ \ 'é' 🎒yyyyyyyyyy" text,
    status text NOT NULL,
    "Stempel" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("group", "Nr.")
);
DO $roles$
BEGIN
    GRANT USAGE ON SCHEMA "Old Schema ""x""", "Neu.Schema" TO old_app, new_app;
    GRANT ALL ON ALL TABLES IN SCHEMA "Old Schema ""x""" TO old_app;
    GRANT ALL ON ALL TABLES IN SCHEMA "Neu.Schema" TO new_app;
EXCEPTION
    WHEN undefined_object THEN
        NULL;
END;
$roles$;

INSERT INTO "Old Schema ""x"""."select"
SELECT n,
       (ARRAY['a', 'A', '', 'it''s', '"b"', '100 % $1', 'ö', 'o' || chr(776), '\', '🎒'])[1 + n % 10],
       CASE WHEN n % 11 > 0 THEN n / 7.0 END,
       CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'sure ' || n END,
       CASE WHEN n % 3 > 0 THEN '$' || n || '$ ' END,
       CASE WHEN n % 4 > 0 THEN 'ab%$\ ' || n END,
       CASE WHEN n % 6 > 0 THEN repeat('🏔️', n % 4) || chr(8205) || n END,
       (ARRAY[true, false, NULL])[1 + n % 3],
       CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'null' ELSE '{"b": 1,  "a": "%", "b": 2}' END::json,
       CASE WHEN n % 5 > 0 THEN point(n / 3.0, -n) END,
       (ARRAY['1 day', '24:00:00', '1 mon -1 day', NULL]::interval[])[1 + n % 4],
       CASE WHEN n % 2 > 0 THEN '\' || n END,
       CASE WHEN n % 7 > 0 THEN repeat('x', n) END,
       n % 9 = 0,
       now()
FROM generate_series(1, 400) AS n;
ANALYZE "Old Schema ""x"""."select";

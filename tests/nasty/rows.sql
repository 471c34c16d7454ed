-- Rows with every odd name.
CREATE SCHEMA "Old Schema ""x""";
CREATE SCHEMA "Neu.Schema";
CREATE TABLE "Old Schema ""x"""."select" (
    "when" timestamptz, "Nr. %" integer, "user" text, "json doc" jsonb, "gelöscht" boolean DEFAULT false,
    PRIMARY KEY ("when", "Nr. %")
);
CREATE TABLE "Neu.Schema"."Tabelle mit 63 bytes, ""%I"", $1 und 'ö'xxxxxxxxxxxxxxxxxxxxxxxx" (
    "t" timestamptz, "group" integer, "kind" text, "user" text, "value %s" jsonb, "Größe" interval, "own's" text,
    PRIMARY KEY ("t", "group", "user", "kind")
);
INSERT INTO "Old Schema ""x"""."select"
SELECT '2025-10-26 00:30+00'::timestamptz + n % 4 * interval '30 minutes', n, 'u%' || n % 3,
       jsonb_build_object('a %s', n, 'b''"', jsonb_build_object('$1', n), 'c\', NULL) - CASE n % 3 WHEN 0 THEN 'a %s' ELSE 'c\' END
FROM generate_series(1, 90) AS n;

-- Joins with every odd name, and keys of three columns of odd types.
CREATE SCHEMA "Old Schema ""x""";
CREATE SCHEMA "other %s 'ö'";
CREATE DOMAIN "other %s 'ö'"."Code" AS text CHECK (VALUE <> '');
CREATE TABLE "Old Schema ""x"""."select" (
    "when" timestamptz, "Nr. %" numeric(12, 3), "order" "other %s 'ö'"."Code", "user" char(6) NOT NULL,
    "p_key" text, "eine Spalte mit 63 bytes: 100 % ""sure"" $$ \ 'é' 🎒yyyyyyyyyy" text, "Unmapped" integer DEFAULT 0,
    PRIMARY KEY ("when", "Nr. %", "order"), UNIQUE ("user")
);
CREATE INDEX ON "Old Schema ""x"""."select" (p_key);
CREATE TABLE "other %s 'ö'"."Pay, ""%I"" $1" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "AT" timestamptz, "Nr" numeric, "c$" "other %s 'ö'"."Code", "100%" numeric, "v_new" boolean DEFAULT true
);
CREATE INDEX ON "other %s 'ö'"."Pay, ""%I"" $1" ("AT", "Nr");
CREATE TABLE "other %s 'ö'"."group" ("table" text PRIMARY KEY, "u\" char(6));
CREATE INDEX ON "other %s 'ö'"."group" ("u\");
CREATE TABLE "other %s 'ö'"."from" (id integer PRIMARY KEY, "to" text, "Größe" interval, "desc" json);
CREATE INDEX ON "other %s 'ö'"."from" ("to");
CREATE TABLE "other %s 'ö'"."limit" (id integer PRIMARY KEY, "V" varchar(20), n double precision);
CREATE INDEX ON "other %s 'ö'"."limit" ("V");
CREATE SCHEMA "Neu.Schema";
CREATE TABLE "Neu.Schema"."Tabelle mit 63 bytes, ""%I"", $1 und 'ö'xxxxxxxxxxxxxxxxxxxxxxxx" (
    "when" timestamptz, "Nr. %" numeric, "group" "other %s 'ö'"."Code", "Summe %" numeric, "last's" text,
    "Länge" interval, "$n$" bigint, "status" text, UNIQUE ("when", "Nr. %", "group")
);
INSERT INTO "Old Schema ""x"""."select"
SELECT '2025-03-30 00:30+00'::timestamptz + n % 5 * interval '30 minutes', n % 7 + n / 1000.0, 'c %' || n % 3, 'u' || n,
       CASE WHEN n % 2 = 0 THEN 'k''\' || n % 4 END, 'x' || n
FROM generate_series(1, 60) AS n;
INSERT INTO "other %s 'ö'"."Pay, ""%I"" $1" ("AT", "Nr", "c$", "100%")
SELECT "when", "Nr. %", "order", "Nr. %" * 2
FROM "Old Schema ""x"""."select", generate_series(1, 2) WHERE "user" <> 'u3';
INSERT INTO "other %s 'ö'"."group" SELECT 'g%' || n, 'u' || n FROM generate_series(1, 70) AS n;
INSERT INTO "other %s 'ö'"."from" SELECT n, 'g%' || n % 65, n * interval '1 hour', '{"a": 1}' FROM generate_series(1, 150) AS n;
INSERT INTO "other %s 'ö'"."limit" SELECT n, 'k''\' || n % 5, n FROM generate_series(1, 20) AS n;

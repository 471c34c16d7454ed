-- A table that is its own target, with every odd name.
CREATE SCHEMA "Old Schema ""x""";
CREATE TABLE "Old Schema ""x"""."select" (
    "Id, Teil 1" integer, "user" text, "100% ""sure""" text, "order" text, "hours" numeric, "Unmapped" integer DEFAULT 0,
    "eine Spalte mit 63 bytes: 100 % ""sure"" $$ \ 'é' 🎒yyyyyyyyyy" text, "first %s" text, "last's" varchar(30), "Größe" interval,
    "Doc" json, "json doc" json, "level" text NOT NULL DEFAULT '50 % $$ ''', "out" boolean DEFAULT false,
    PRIMARY KEY ("Id, Teil 1", "user")
) PARTITION BY LIST ("user");
CREATE TABLE "Old Schema ""x"""."a %s" PARTITION OF "Old Schema ""x"""."select" FOR VALUES IN ('a');
CREATE TABLE "Old Schema ""x"""."b ""I""" (
    "out" boolean DEFAULT false, "level" text NOT NULL DEFAULT '50 % $$ ''', "gone" text, "json doc" json, "Doc" json,
    "Größe" interval, "last's" varchar(30), "first %s" text,
    "eine Spalte mit 63 bytes: 100 % ""sure"" $$ \ 'é' 🎒yyyyyyyyyy" text, "Unmapped" integer DEFAULT 0, "hours" numeric,
    "order" text, "100% ""sure""" text, "user" text NOT NULL, "Id, Teil 1" integer NOT NULL,
    PRIMARY KEY ("Id, Teil 1", "user")
);
ALTER TABLE "Old Schema ""x"""."b ""I""" DROP COLUMN "gone";
ALTER TABLE "Old Schema ""x"""."select" ATTACH PARTITION "Old Schema ""x"""."b ""I""" DEFAULT;
INSERT INTO "Old Schema ""x"""."select" ("Id, Teil 1", "user", "100% ""sure""", "order", "hours", "json doc")
SELECT n, CASE n % 2 WHEN 0 THEN 'a' ELSE 'it''s' END, 'x%' || n, 'Ada ' || n, n, '{"b": 1,  "b": 2}'
FROM generate_series(1, 200) AS n;

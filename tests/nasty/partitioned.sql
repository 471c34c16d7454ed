-- Names that break careless quoting, types without an equality, a composite key, partitions.
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
) PARTITION BY RANGE ("Id, Teil 1");
CREATE TABLE "Old Schema ""x"""."select % 1" PARTITION OF "Old Schema ""x"""."select"
    FOR VALUES FROM (MINVALUE) TO (200);
CREATE TABLE "Old Schema ""x"""."select 'rest'" PARTITION OF "Old Schema ""x"""."select"
    FOR VALUES FROM (200) TO (1000) PARTITION BY LIST ("user");
CREATE TABLE "Old Schema ""x"""."rest a" PARTITION OF "Old Schema ""x"""."select 'rest'"
    FOR VALUES IN ('a', 'A');
CREATE TABLE "Old Schema ""x"""."rest" PARTITION OF "Old Schema ""x"""."select 'rest'" DEFAULT;
CREATE TABLE "Old Schema ""x"""."default" PARTITION OF "Old Schema ""x"""."select" DEFAULT;
-- end of source

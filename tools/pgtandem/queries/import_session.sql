-- What one chunk holds, before it goes where it belongs.
SET lock_timeout = '1s';
SET client_encoding = 'UTF8';
-- A crash of the server may lose the last chunks, and with each its position: a run goes on before
-- them. What says that an import is complete is committed by another session, and waits for all.
SET synchronous_commit = off;
CREATE TEMPORARY TABLE pgtandem_chunk (
    n        integer PRIMARY KEY,
    spelled  text,
    document jsonb NOT NULL,
    _id      text GENERATED ALWAYS AS (
                 coalesce(spelled, pgtandem.mongo_id(document -> '_id'))) STORED NOT NULL,
    hash     bigint GENERATED ALWAYS AS (hashtextextended(document::text, 0)) STORED
) ON COMMIT DELETE ROWS;

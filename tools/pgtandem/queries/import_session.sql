-- What one chunk holds, before it goes where it belongs.
SET lock_timeout = '1s';
CREATE TEMPORARY TABLE pgtandem_chunk (
    n        integer PRIMARY KEY,
    spelled  text,
    document jsonb NOT NULL,
    _id      text GENERATED ALWAYS AS (
                 coalesce(spelled, pgtandem.mongo_id(document -> '_id'))) STORED NOT NULL,
    hash     bigint GENERATED ALWAYS AS (hashtextextended(document::text, 0)) STORED
) ON COMMIT DELETE ROWS;

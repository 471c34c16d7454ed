-- Tests pgtandem:throttle. Changes nothing; needs pgTAP in the search path. A slot that retains WAL
-- takes a superuser: tests/test_routines.py.

BEGIN;

SELECT plan(18);

SELECT pgtandem.register_mapping('shop', repeat('a', 64), 'pgtandem.event', 'pgtandem.event',
                                 ARRAY['id'], '{}', '0.1.0');
CREATE FUNCTION pg_temp.throttle(p_settings jsonb, p_seconds double precision, p_wal_bytes numeric)
RETURNS text LANGUAGE sql AS $$
    WITH settled AS (
        SELECT jsonb_populate_record(pgtandem.mapping_of('shop'),
                                     jsonb_build_object('settings', p_settings)) AS mapping
    )
    SELECT concat_ws(': ', t.reason, t.seconds)
    FROM settled, pgtandem._throttle(settled.mapping, p_seconds, p_wal_bytes) AS t;
$$;

-- _setting
SELECT is(
    pgtandem._setting('{"backfill": {"pause": "3s"}}', 'backfill', 'pause', '1s'), '3s', 'a setting'
);
SELECT is(pgtandem._setting('{"backfill": {}}', 'backfill', 'pause', '1s'), '1s', 'a default');
SELECT is(pgtandem._setting('{}', 'backfill', 'pause', '1s'), '1s', 'without the section too');
SELECT is(pgtandem._setting('{}', 'backfill', 'pause', NULL), NULL, 'or no default');

-- wal_status; that it has rows: tests/test_metrics.py
SELECT columns_are('pgtandem', 'wal_status', ARRAY['kind', 'name', 'bytes']);

-- _throttle
SELECT is(pg_temp.throttle('{}', 0.2, 1e9), '0', 'nothing to wait for');
SELECT is(
    pg_temp.throttle('{"backfill": {"pause": "50ms"}}', 0.2, 0), 'the pause between chunks: 0.05',
    'a pause between chunks'
);
SELECT is(
    pg_temp.throttle('{"backfill": {"max_wal_rate": "10MB"}}', 0.5, 5 * 1024 * 1024), '0',
    'WAL at the rate that is allowed'
);
SELECT is(
    pg_temp.throttle('{"backfill": {"max_wal_rate": "10MB"}}', 0.5, 20 * 1024 * 1024),
    'WAL rate 40 MB/s, limit 10 MB/s: 1.5', 'too much of it: as long as brings it down to the rate'
);
SELECT is(
    pg_temp.throttle('{"backfill": {"max_wal_rate": "10MB", "pause": "1s"}}', 0.5,
                     20 * 1024 * 1024),
    'WAL rate 40 MB/s, limit 10 MB/s: 1.5', 'which counts more than the pause'
);

-- _is_large
CREATE TEMPORARY TABLE large AS SELECT 1::smallint AS one FROM generate_series(1, 1000100);
ANALYZE large;
SELECT ok(pgtandem._is_large('pg_temp.large'), 'over a million rows');
SELECT ok(NOT pgtandem._is_large('pgtandem.event'), 'not so many');
UPDATE pgtandem.mapping SET source = 'pg_temp.large' WHERE name = 'shop';
SELECT is(pg_temp.throttle('{}', 0.2, 1e9), 'the pause between chunks: 0.02',
          'a tenth of the chunk''s time');
SELECT is(pg_temp.throttle('{"backfill": {"pause": "0s"}}', 0.2, 1e9), '0', 'but not if told');
SELECT is(pg_temp.throttle('{"backfill": {"pause": "50ms"}}', 0.2, 0),
          'the pause between chunks: 0.05', 'or told otherwise');
UPDATE pgtandem.mapping SET source = target WHERE name = 'shop';

UPDATE pgtandem.mapping SET paused_by = 'Ana' WHERE name = 'shop';
SELECT is(pg_temp.throttle('{}', 0.2, 0), 'paused by Ana: 0.5', 'somebody paused it');
SELECT is(
    pg_temp.throttle('{"backfill": {"max_wal_rate": "10MB"}}', 0.5, 20 * 1024 * 1024),
    'paused by Ana: 0.5', 'which counts most'
);
SELECT throws_ok(
    $$ SELECT pg_temp.throttle('{"backfill": {"max_lag": "a lot"}}', 0.2, 0) $$,
    '22023', NULL, 'a limit that is no size is an error, not no limit'
);

SELECT * FROM finish();

ROLLBACK;

-- Deploy pgtandem:progress to pg
-- requires: worker
-- requires: chunk
-- requires: comparison
-- Locks nothing that exists.

-- Was Sqitch killed after the commit below, before it noted it? Then nothing is left to do.
SELECT to_regclass('pgtandem.progress') IS NOT NULL AS done \gset
\if :done
    \quit
\endif

BEGIN;

CREATE VIEW pgtandem.queue_status AS
SELECT q.mapping,
       q.side,
       q.reason,
       count(q.id) AS entries,
       count(q.id) FILTER (WHERE q.sqlstate IS NOT NULL) AS failed,
       min(q.queued_at) AS oldest
FROM (
    SELECT r.mapping, r.side, r.reason, r.id, r.sqlstate, r.queued_at
    FROM pgtandem.recheck AS r
    UNION ALL
    SELECT m.name, 'target', k.reason, NULL, NULL, NULL
    FROM pgtandem.mapping AS m
    CROSS JOIN (VALUES ('gone'), ('queued'), ('sync'), ('copy'), ('difference')) AS k (reason)
) AS q
GROUP BY q.mapping, q.side, q.reason;
COMMENT ON VIEW pgtandem.queue_status IS 'The queue of each mapping by side and reason.';
COMMENT ON COLUMN pgtandem.queue_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.queue_status.side IS
    'target: what a drain works off. source, archive: what contract keeps for its revert.';
COMMENT ON COLUMN pgtandem.queue_status.reason IS 'Why: see pgtandem.recheck.';
COMMENT ON COLUMN pgtandem.queue_status.entries IS 'Entries.';
COMMENT ON COLUMN pgtandem.queue_status.failed IS 'Those of them with an error.';
COMMENT ON COLUMN pgtandem.queue_status.oldest IS 'When the oldest one was queued; NULL: none.';

CREATE VIEW pgtandem.failure_status AS
SELECT m.name AS mapping,
       k.reason,
       f.failures,
       f.last_failed_at
FROM pgtandem.mapping AS m
CROSS JOIN (VALUES ('sync'), ('copy')) AS k (reason)
CROSS JOIN LATERAL (
    SELECT count(*) AS failures, max(s.failed_at) AS last_failed_at
    FROM pgtandem.sync_failure AS s
    WHERE s.mapping = m.name AND s.reason = k.reason
) AS f;
COMMENT ON VIEW pgtandem.failure_status IS
    'How many writes could not be carried over at once, repaired ones too.';
COMMENT ON COLUMN pgtandem.failure_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.failure_status.reason IS 'sync: in a trigger. copy: in a chunk.';
COMMENT ON COLUMN pgtandem.failure_status.failures IS 'Since the mapping is deployed.';
COMMENT ON COLUMN pgtandem.failure_status.last_failed_at IS 'The last of them; NULL: none.';

CREATE VIEW pgtandem.comparison_status AS
SELECT m.name AS mapping,
       c.id AS comparison,
       c.started_at,
       c.finished_at,
       c.source_rows,
       c.target_rows,
       c.missing,
       c.extra,
       c.changed,
       c.missing + c.extra + c.changed AS differences,
       c.hash = m.hash AS counts,
       coalesce(l.started_at = c.started_at, false) AS clean,
       l.started_at AS last_clean
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL (
    SELECT * FROM pgtandem.comparison AS x
    WHERE x.mapping = m.name AND x.scope = 'full'
    ORDER BY x.id DESC LIMIT 1
) AS c
LEFT JOIN LATERAL (
    SELECT x.started_at FROM pgtandem.comparison AS x
    WHERE x.mapping = m.name AND x.scope = 'full' AND x.hash = m.hash
      AND x.started_at > m.copy_changed AND x.missing + x.extra + x.changed = 0
    ORDER BY x.id DESC LIMIT 1
) AS l ON true;
COMMENT ON VIEW pgtandem.comparison_status IS
    'The last full comparison of each mapping that has one.';
COMMENT ON COLUMN pgtandem.comparison_status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.comparison_status.comparison IS 'Its number.';
COMMENT ON COLUMN pgtandem.comparison_status.started_at IS 'When its snapshot was taken.';
COMMENT ON COLUMN pgtandem.comparison_status.finished_at IS 'When its result was stored.';
COMMENT ON COLUMN pgtandem.comparison_status.source_rows IS 'Rows of the image.';
COMMENT ON COLUMN pgtandem.comparison_status.target_rows IS 'Rows of the target.';
COMMENT ON COLUMN pgtandem.comparison_status.missing IS 'Images that the target lacked.';
COMMENT ON COLUMN pgtandem.comparison_status.extra IS 'Rows of the target without an image.';
COMMENT ON COLUMN pgtandem.comparison_status.changed IS 'Rows that differed.';
COMMENT ON COLUMN pgtandem.comparison_status.differences IS 'The sum of these three.';
COMMENT ON COLUMN pgtandem.comparison_status.counts IS
    'Made with the mapping that is deployed now.';
COMMENT ON COLUMN pgtandem.comparison_status.clean IS
    'It counts, is newer than the copy, and found no difference.';
COMMENT ON COLUMN pgtandem.comparison_status.last_clean IS
    'When the snapshot of the last one was taken that was clean; NULL: none was.';

CREATE VIEW pgtandem.progress AS
SELECT m.name AS mapping,
       m.copy_state,
       c.blocks,
       c.blocks_done,
       CASE WHEN m.copy_state = 'complete' THEN 100.0
            ELSE round(100.0 * c.blocks_done / nullif(c.blocks, 0), 1) END AS percent,
       c.rows_done,
       CASE WHEN m.copy_state = 'open'
            THEN round((c.recent_rows / nullif(c.recent_seconds, 0))::numeric)
       END AS rows_per_second,
       CASE WHEN m.copy_state = 'open'
            THEN make_interval(secs => round(
                     ((c.blocks - c.blocks_done) * c.recent_seconds
                      / nullif(c.recent_blocks, 0))::numeric)::double precision)
       END AS eta,
       w.workers,
       CASE WHEN m.copy_state = 'open'
            THEN coalesce('paused by ' || m.paused_by, w.waiting_for)
       END AS waiting_for,
       q.queued,
       q.failed,
       q.delay,
       c.chunks,
       c.chunks_done
FROM pgtandem.mapping AS m
CROSS JOIN LATERAL (
    SELECT coalesce(sum(k.last_block - k.first_block), 0) AS blocks,
           coalesce(sum(k.last_block - k.first_block) FILTER (WHERE k.done_at IS NOT NULL), 0)
               AS blocks_done,
           coalesce(sum(k.rows), 0) AS rows_done,
           count(k.id) AS chunks,
           count(k.done_at) AS chunks_done,
           sum(k.rows) FILTER (WHERE k.done_at > s.since) AS recent_rows,
           sum(k.last_block - k.first_block) FILTER (WHERE k.done_at > s.since) AS recent_blocks,
           extract(epoch FROM clock_timestamp()
                   - greatest(s.since, min(k.done_at - make_interval(secs => k.seconds))))
               AS recent_seconds
    FROM (SELECT clock_timestamp() - interval '30 seconds' AS since) AS s
    LEFT JOIN pgtandem.chunk AS k ON k.mapping = m.name
    GROUP BY s.since
) AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS workers, string_agg(DISTINCT r.waiting_for, '; ') AS waiting_for
    FROM pgtandem.worker_status AS r
    WHERE r.mapping = m.name
) AS w
CROSS JOIN LATERAL (
    SELECT sum(r.entries)::bigint AS queued, sum(r.failed)::bigint AS failed,
           clock_timestamp() - min(r.oldest) AS delay
    FROM pgtandem.queue_status AS r
    WHERE r.mapping = m.name AND r.side = 'target'
) AS q;
COMMENT ON VIEW pgtandem.progress IS 'Where each backfill is, how fast, what it waits for.';
COMMENT ON COLUMN pgtandem.progress.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.progress.copy_state IS 'none, open or complete.';
COMMENT ON COLUMN pgtandem.progress.blocks IS 'Blocks of the source that are to be copied.';
COMMENT ON COLUMN pgtandem.progress.blocks_done IS 'Blocks that are copied.';
COMMENT ON COLUMN pgtandem.progress.percent IS 'Of the blocks.';
COMMENT ON COLUMN pgtandem.progress.rows_done IS 'Rows that the chunks wrote.';
COMMENT ON COLUMN pgtandem.progress.rows_per_second IS 'Over the last 30 seconds of an open copy.';
COMMENT ON COLUMN pgtandem.progress.eta IS 'Time still needed at the rate of the last 30 seconds.';
COMMENT ON COLUMN pgtandem.progress.workers IS 'Sessions that are copying.';
COMMENT ON COLUMN pgtandem.progress.waiting_for IS 'What they wait for; NULL: they work.';
COMMENT ON COLUMN pgtandem.progress.queued IS 'Entries in the recheck queue.';
COMMENT ON COLUMN pgtandem.progress.failed IS 'Those of them with an error.';
COMMENT ON COLUMN pgtandem.progress.delay IS 'Age of the oldest of them; NULL: there are none.';
COMMENT ON COLUMN pgtandem.progress.chunks IS 'Chunks of the backfill.';
COMMENT ON COLUMN pgtandem.progress.chunks_done IS 'Those that are copied.';

CREATE VIEW pgtandem.failures AS
SELECT r.mapping, r.key, r.reason, r.sqlstate, r.message, r.attempts, r.queued_at, r.not_before
FROM pgtandem.recheck AS r
WHERE r.side = 'target' AND r.sqlstate IS NOT NULL;
COMMENT ON VIEW pgtandem.failures IS 'The queued keys that failed, with their last error.';
COMMENT ON COLUMN pgtandem.failures.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.failures.key IS 'JSON array of the key columns.';
COMMENT ON COLUMN pgtandem.failures.reason IS 'sync, copy, gone or difference: why it was queued.';
COMMENT ON COLUMN pgtandem.failures.sqlstate IS 'Of the last error.';
COMMENT ON COLUMN pgtandem.failures.message IS 'Of the last error.';
COMMENT ON COLUMN pgtandem.failures.attempts IS 'How often a drain tried it.';
COMMENT ON COLUMN pgtandem.failures.queued_at IS 'Since when it is queued.';
COMMENT ON COLUMN pgtandem.failures.not_before IS 'When it is tried again.';

CREATE VIEW pgtandem.status AS
SELECT m.name AS mapping,
       m.phase,
       m.source::text AS source,
       m.target::text AS target,
       p.copy_state,
       p.percent,
       p.queued,
       p.failed,
       l.finished_at AS last_comparison,
       l.differences,
       coalesce(l.counts, false) AS comparison_counts,
       m.hash,
       p.delay,
       l.last_clean
FROM pgtandem.mapping AS m
JOIN pgtandem.progress AS p ON p.mapping = m.name
LEFT JOIN pgtandem.comparison_status AS l ON l.mapping = m.name;
COMMENT ON VIEW pgtandem.status IS 'Where are we: a line for each mapping.';
COMMENT ON COLUMN pgtandem.status.mapping IS 'Name of the mapping.';
COMMENT ON COLUMN pgtandem.status.phase IS 'The last phase that was deployed.';
COMMENT ON COLUMN pgtandem.status.source IS 'The old table.';
COMMENT ON COLUMN pgtandem.status.target IS 'The new table.';
COMMENT ON COLUMN pgtandem.status.copy_state IS 'none, open or complete.';
COMMENT ON COLUMN pgtandem.status.percent IS 'Of the backfill.';
COMMENT ON COLUMN pgtandem.status.queued IS 'Entries in the recheck queue.';
COMMENT ON COLUMN pgtandem.status.failed IS 'Those of them with an error.';
COMMENT ON COLUMN pgtandem.status.last_comparison IS 'When the last full comparison finished.';
COMMENT ON COLUMN pgtandem.status.differences IS 'What it found.';
COMMENT ON COLUMN pgtandem.status.comparison_counts IS
    'Made with the mapping that is deployed now.';
COMMENT ON COLUMN pgtandem.status.hash IS 'SHA-256 of the mapping, in hex.';
COMMENT ON COLUMN pgtandem.status.delay IS 'Age of the oldest entry of the queue.';
COMMENT ON COLUMN pgtandem.status.last_clean IS
    'When the snapshot of the last clean full comparison with this mapping was taken.';

COMMIT;

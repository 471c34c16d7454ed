-- Tests danci:reviews_sync, right after it: the copy is open. Changes nothing; needs pgTAP in the
-- search path.

BEGIN;

SELECT plan(3);

SELECT results_eq(
    $$ SELECT phase, copy_state, copy_strategy FROM pgtandem.mapping WHERE name = 'reviews' $$,
    $$ VALUES ('sync', 'open', 'overwrite') $$,
    'the copy is open'
);
SELECT is_empty(
    $$ SELECT tgname FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'danci.word_learning_states'::regclass
          AND tgname ~ 'pgtandem_reviews_(write|update|moved)' $$,
    'no trigger carries anything: a repair is no sync'
);

INSERT INTO danci.users (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'test');
INSERT INTO danci.word_learning_states (user_id, word_id, last_review_date)
VALUES ('00000000-0000-4000-8000-000000000001', 1, now());
SELECT is(
    (SELECT next_review_date FROM danci.word_learning_states
      WHERE user_id = '00000000-0000-4000-8000-000000000001'), NULL,
    'so what the application writes stays as it writes it'
);

SELECT * FROM finish();

ROLLBACK;

-- Milliseconds from the commit of a payment to that of the entitlement, for the payments after one
-- turn; fails where one did not come.
SELECT CASE WHEN t.current_tier = 'L1'
            THEN (extract(epoch FROM pg_xact_commit_timestamp(t.xmin)
                                     - pg_xact_commit_timestamp(p.xmin)) * 1000)::float8 END
FROM hand.payer AS h
JOIN vibelife.payments AS p ON p.user_id = h.user_id AND p.status = 'completed'
JOIN vibelife.user_entitlements AS t ON t.user_id = h.user_id
WHERE h.turn > %(turn)s;

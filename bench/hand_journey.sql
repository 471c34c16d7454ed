-- The competitor of the queue: a trigger that makes the entitlement right before the payment is
-- committed. It must hold the user's row before it looks, or of two payments, or of a payment and a
-- subscription that ends, one does not see the other. Two transactions that pay for the same two
-- users in opposite order wait for each other, until one of them fails.

CREATE SCHEMA hand;

CREATE FUNCTION hand.payment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_user uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status <> 'completed' THEN
        RETURN NULL;
    END IF;
    PERFORM FROM vibelife.user_entitlements WHERE user_id = v_user FOR NO KEY UPDATE;
    -- A statement of its own, which sees what was committed while we waited.
    UPDATE vibelife.user_entitlements AS t
    SET current_tier = i.tier, subscription_id = i.subscription, tier_expires_at = i.expires_at
    FROM (
        SELECT s.id AS subscription, s.expires_at,
               CASE WHEN s.plan_type = 'monthly' THEN 'L2'
                    WHEN s.id IS NOT NULL THEN 'L3'
                    WHEN EXISTS (SELECT FROM vibelife.payments
                                 WHERE user_id = v_user AND status = 'completed') THEN 'L1'
                    ELSE 'L0' END AS tier
        FROM (VALUES (1)) AS one
        LEFT JOIN LATERAL (
            SELECT id, plan_type, expires_at
            FROM vibelife.subscriptions
            WHERE user_id = v_user AND status = 'active'
            ORDER BY plan_type = 'monthly', expires_at DESC NULLS FIRST, id
            LIMIT 1
        ) AS s ON true
    ) AS i
    WHERE t.user_id = v_user
      AND (t.current_tier, t.subscription_id, t.tier_expires_at)
          IS DISTINCT FROM (i.tier, i.subscription, i.expires_at);
    RETURN NULL;
END;
$$;

CREATE TRIGGER hand_payment
    AFTER INSERT OR UPDATE OR DELETE ON vibelife.payments
    FOR EACH ROW
    EXECUTE FUNCTION hand.payment();

-- Between rounds: let only the trigger of one kind fire, if any. Those of the foreign keys stay.
CREATE FUNCTION hand.switch_triggers(p_kind text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_trigger record;
BEGIN
    FOR v_trigger IN
        SELECT tgname AS name, tgname = p_kind || '_payment' AS wanted
        FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid = 'vibelife.payments'::regclass
    LOOP
        EXECUTE format('ALTER TABLE vibelife.payments %s TRIGGER %I',
                       CASE WHEN v_trigger.wanted THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END,
                       v_trigger.name);
    END LOOP;
END;
$$;

-- Users who have neither paid nor subscribed, in any order, each for one payment: by it the
-- entitlement changes, once.
CREATE TABLE hand.payer (turn bigint PRIMARY KEY, user_id uuid NOT NULL);
CREATE SEQUENCE hand.turn;
INSERT INTO hand.payer (turn, user_id)
SELECT row_number() OVER (ORDER BY md5(user_id::text)), user_id
FROM vibelife.user_entitlements
WHERE current_tier = 'L0';

-- Verify vibelife_v5:v5_tables on pg
--
-- Raises where a table, a column, an index or the key between the new tables is missing or not
-- valid.

DO $$
DECLARE
    v_wrong text;
BEGIN
    SELECT string_agg(c.name || '.' || c.column_name, ', ')
      INTO v_wrong
      FROM (VALUES
        ('user_preferences', '{user_id,preferred_persona,morning_oracle_enabled,'
            'morning_oracle_time,midday_mirror_enabled,midday_mirror_time,night_whisper_enabled,'
            'night_whisper_time,allow_memory_storage,allow_insight_extraction,timezone,created_at,'
            'updated_at}'),
        ('identity_prism', '{id,user_id,core_essence,inner_self,outer_expression,'
            'source_dimensions,version,generated_at}'),
        ('dimension_profiles', '{id,user_id,dimension_type,raw_data,interpretation,'
            'core_contribution,inner_contribution,outer_contribution,is_unlocked,unlocked_at,'
            'created_at,updated_at}'),
        ('user_memories', '{id,user_id,memory_type,content,context,source_conversation_id,'
            'source_message_id,extraction_confidence,event_time,is_future_event,follow_up_date,'
            'is_active,importance_score,embedding,created_at,updated_at}'),
        ('life_events', '{id,user_id,event_type,title,description,event_date,event_time,'
            'is_all_day,pre_event_message,day_of_message,post_event_follow_up,status,'
            'user_feedback,source,source_memory_id,created_at,updated_at}'),
        ('daily_rituals', '{id,user_id,ritual_date,morning_oracle,midday_mirror,night_whisper,'
            'daily_fortune,created_at,updated_at}'),
        ('user_entitlements', '{user_id,current_tier,subscription_id,daily_conversations_used,'
            'daily_conversations_reset_at,monthly_relationship_analyses_used,monthly_reset_at,'
            'unlocked_dimensions,has_pdf_report,has_identity_prism,has_rituals,tier_expires_at,'
            'updated_at}'),
        ('push_subscriptions', '{id,user_id,channel,device_id,subscription_info,is_active,'
            'last_used_at,failure_count,created_at,updated_at}')
      ) AS t (name, columns)
     CROSS JOIN LATERAL (
        SELECT t.name, u.column_name FROM unnest(t.columns::text[]) AS u (column_name)
      ) AS c
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = to_regclass('vibelife.' || c.name)
                  AND a.attname = c.column_name
                  AND a.attnum > 0
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'columns are missing in schema vibelife'
            USING ERRCODE = 'undefined_column', DETAIL = v_wrong;
    END IF;

    SELECT string_agg(i.name, ', ' ORDER BY i.name)
      INTO v_wrong
      FROM (VALUES ('user_preferences_pkey'), ('identity_prism_pkey'),
                   ('identity_prism_user_id_version_key'), ('dimension_profiles_pkey'),
                   ('dimension_profiles_user_id_dimension_type_key'), ('user_memories_pkey'),
                   ('user_memories_user_id_idx'), ('life_events_pkey'), ('life_events_user_id_idx'),
                   ('life_events_source_memory_id_idx'), ('daily_rituals_pkey'),
                   ('daily_rituals_user_id_ritual_date_key'), ('user_entitlements_pkey'),
                   ('push_subscriptions_pkey'),
                   ('push_subscriptions_user_id_channel_device_id_key')) AS i (name)
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_index AS x
                WHERE x.indexrelid = to_regclass('vibelife.' || i.name)
                  AND x.indisvalid
           );
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'indexes are missing or invalid in schema vibelife'
            USING ERRCODE = 'undefined_object', DETAIL = v_wrong;
    END IF;

    IF NOT EXISTS (
        SELECT
          FROM pg_catalog.pg_constraint
         WHERE conrelid = 'vibelife.life_events'::regclass
           AND conname = 'life_events_source_memory_id_fkey'
           AND convalidated
    ) THEN
        RAISE EXCEPTION 'constraint life_events_source_memory_id_fkey is missing or not validated'
            USING ERRCODE = 'undefined_object';
    END IF;
END;
$$;

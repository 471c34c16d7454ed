-- Verify mongo_tasks:switch on pg
--
-- Raises where a staging table could be written.

DO $$
BEGIN
    IF (SELECT count(*)
          FROM pg_catalog.pg_trigger
         WHERE tgname = 'closed'
           AND tgenabled <> 'D'
           AND tgrelid IN ('staging.users'::regclass, 'staging.tasks'::regclass,
                           'staging.subtasks'::regclass)) < 3 THEN
        RAISE EXCEPTION 'a trigger is missing or disabled on a staging table'
            USING ERRCODE = 'undefined_object';
    END IF;
END;
$$;

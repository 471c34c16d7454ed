CALL pgtandem.backfill('unified_profiles');

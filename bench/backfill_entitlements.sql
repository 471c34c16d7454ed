CALL pgtandem.backfill('entitlements');

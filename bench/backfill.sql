CALL pgtandem.backfill('gear');

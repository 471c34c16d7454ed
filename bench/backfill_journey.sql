CALL pgtandem.backfill('journey');

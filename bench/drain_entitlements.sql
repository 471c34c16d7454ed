CALL pgtandem.drain('entitlements');

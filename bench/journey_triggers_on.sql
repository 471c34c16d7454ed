ALTER TABLE vibelife.vibe_users
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_write",
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_update",
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_moved",
    ENABLE ALWAYS TRIGGER "~pgtandem_journey_keep";

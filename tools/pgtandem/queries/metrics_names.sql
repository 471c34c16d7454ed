SELECT mapping FROM pgtandem.status ORDER BY mapping;

SELECT mapping FROM pgtandem.write_status WHERE side = 'source' ORDER BY mapping;

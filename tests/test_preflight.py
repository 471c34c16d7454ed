import psycopg
def test_x(filled_dsn):
    with psycopg.connect(filled_dsn, autocommit=True) as c:
        for r in c.execute("SELECT * FROM pgtandem.preflight('gear')"): print(r)
        print(c.execute("SELECT * FROM pgtandem.fit('gear')").fetchone())
        c.execute("INSERT INTO user_core.old_equipment (user_id,name,type) SELECT (SELECT id FROM user_core.users LIMIT 1), repeat('x',10), 'a' FROM generate_series(1,200000)")
        c.execute("ANALYZE user_core.old_equipment")
        import time; t=time.time()
        print(c.execute("SELECT * FROM pgtandem.fit('gear')").fetchone(), time.time()-t); t=time.time()
        print(c.execute("SELECT * FROM pgtandem.fit('gear',NULL)").fetchone(), time.time()-t)
        a=c.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
        c.execute("CALL pgtandem.backfill('gear')")
        print(c.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(),%s), pg_table_size('gear_ops.gear_items'), pg_indexes_size('gear_ops.gear_items'), count(*) FROM gear_ops.gear_items",[a]).fetchone())

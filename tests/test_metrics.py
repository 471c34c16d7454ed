from command_line import *

def test_try(filled_dsn, as_user):
    g = Gear(filled_dsn)
    out, err = pgtandem("metrics", dsn=filled_dsn)
    print(out, err)
    g.rows("CALL pgtandem.backfill('gear')")
    g.rows("CALL pgtandem.compare('gear')")
    import time; t=time.time()
    out, err = pgtandem("metrics", "gear", dsn=filled_dsn)
    print(time.time()-t)
    print(out)
    assert 0

from command_line import *
from helpers import ROOT

def test_try(filled_dsn, as_user):
    g = Gear(filled_dsn)
    out, err = pgtandem("report", "--project-dir", ROOT/"examples/gear", dsn=filled_dsn, code=1)
    print(out, err)
    g.rows("CALL pgtandem.backfill('gear')")
    g.rows("CALL pgtandem.compare('gear')")
    pgtandem("gate", "gear", dsn=filled_dsn)
    out, err = pgtandem("report", "gear", "-s", "availability=99.95", dsn=filled_dsn)
    print(out)
    out, err = pgtandem("report", "gear", "-s", "availability=99.95","--json", dsn=filled_dsn)
    print(out)
    assert 0

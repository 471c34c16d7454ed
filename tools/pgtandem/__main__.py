"""`python -m pgtandem`."""

from pgtandem.cli import main

main()

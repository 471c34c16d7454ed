"""pgtandem: move live PostgreSQL data from an old shape to a new one while both stay in use."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pgtandem")
except PackageNotFoundError:  # a checkout that nobody installed
    __version__ = "0+unknown"

"""The commands: one module each, which holds `command`. `pgtandem.cli` finds them by itself."""

"""pgtandem measured against what one would write by hand, side by side on one server."""

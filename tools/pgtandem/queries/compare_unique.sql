SELECT pgtandem.require_unique_image(%(mapping)s);

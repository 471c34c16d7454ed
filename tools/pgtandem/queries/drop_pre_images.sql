SELECT pgtandem.drop_pre_images(%(mapping)s) AS bytes;

SELECT pgtandem._undo_to_go(%(mapping)s) AS images;

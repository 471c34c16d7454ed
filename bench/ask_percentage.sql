\set user random(1, 100000)
SELECT pgtandem.enabled('percentage', :user);

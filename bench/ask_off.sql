\set user random(1, 100000)
SELECT pgtandem.enabled('off', :user);

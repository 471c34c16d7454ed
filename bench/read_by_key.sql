\set user random(1, 100000)
SELECT name, registered FROM app.account WHERE id = :user;

-- The users on the lists of a flag.
SELECT user_id AS user, list FROM pgtandem.flag_user WHERE flag = %(flag)s ORDER BY list, user_id;

-- The names of a mapping's checks, in its order.
SELECT c.name
FROM pgtandem.mapping AS m,
     jsonb_array_elements_text(m.settings -> 'checks') WITH ORDINALITY AS c (name, place)
WHERE m.name = %(mapping)s
ORDER BY c.place;

-- signals: a JSON object, name: number.
SELECT * FROM pgtandem.gate(%(mapping)s, %(signals)s::jsonb);

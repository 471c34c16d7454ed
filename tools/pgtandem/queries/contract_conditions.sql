-- overridden: by name, within the hour that an override holds.
SELECT
    c.name,
    c.met,
    c.figure,
    c.hint,
    EXISTS (
        SELECT FROM pgtandem.event AS e
        WHERE e.mapping = %(mapping)s
          AND e.kind = 'override'
          AND e.detail ->> 'condition' = c.name
          AND e.happened_at > clock_timestamp() - interval '1 hour'
    ) AS overridden
FROM pgtandem.contract_conditions(%(mapping)s) AS c;

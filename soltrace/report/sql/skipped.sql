SELECT CASE
        WHEN event IS NULL THEN 'no JSON object with an event'
        WHEN coalesce(schema, $schema) <> $schema THEN 'of the unknown schema ' || schema
        WHEN event NOT IN (SELECT unnest($events)) THEN 'of the unknown event ' || left(event, 60)
        WHEN complete THEN 'with a number that is too large'
        ELSE 'an incomplete ' || event
    END AS why,
    count(*) AS lines
FROM log WHERE NOT valid GROUP BY ALL ORDER BY lines DESC, why;

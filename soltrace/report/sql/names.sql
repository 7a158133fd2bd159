-- What users call the attributes: of all experiments, and of a sample of the passes.
SELECT DISTINCT name FROM (
    SELECT unnest(json_keys(attributes)) AS name FROM experiments
    UNION ALL
    SELECT unnest(json_keys(attributes)) FROM (FROM passes USING SAMPLE reservoir(20000 ROWS) REPEATABLE (0))
) ORDER BY name LIMIT $limit;

-- The experiments with the passes that are directly in each, and not in experiments inside it: by time, not by attributes,
-- since those of a pass are its solve's too.
WITH points AS (
    SELECT run_id, experiment, started AS moment, false AS is_pass, attributes, {'started': started, 'attributes': attributes} AS entered,
        NULL AS status, NULL AS duration_s, NULL AS phase
    FROM experiments
    UNION ALL
    SELECT run_id, experiment, started, true, NULL, NULL, status, duration_s, phase FROM passes WHERE experiment IS NOT NULL
), placed AS (
    SELECT run_id, experiment, is_pass, status, duration_s, phase, last_value(entered IGNORE NULLS) OVER (
        PARTITION BY run_id, experiment ORDER BY moment, is_pass, attributes ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS around FROM points
), inside AS (
    SELECT run_id, experiment, around.started AS started, around.attributes AS attributes, count(*) AS passes,
        count(*) FILTER (status = 'error') AS failed,
        coalesce(sum(duration_s) FILTER (phase = 'forward'), 0) AS forward_s,
        coalesce(sum(duration_s) FILTER (phase = 'backward'), 0) AS backward_s
    FROM placed WHERE is_pass GROUP BY run_id, experiment, around.started, around.attributes
)
SELECT experiment, run_id, started, ended, duration_s, status, error, attributes,
    coalesce(passes, 0) AS passes, coalesce(failed, 0) AS failed,
    coalesce(forward_s, 0) AS forward_s, coalesce(backward_s, 0) AS backward_s
FROM experiments LEFT JOIN inside USING (run_id, experiment, started, attributes)

-- Runs of a job that its scheduler has begun again, as `soltrace.reading.attempts` tells them.
WITH opened AS (
    SELECT run_id, timestamp, resource->>'scheduler' AS scheduler, resource->>'job' AS job, resource->>'array_task' AS task,
        resource->>'namespace' AS namespace, resource->>'pod' AS pod,
        coalesce(TRY_CAST(resource->>'restart' AS INTEGER), 0) AS restart
    FROM records WHERE event = 'log.opened'
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY timestamp) = 1  -- each part of a log begins with one
), attempts AS (
    SELECT *, CASE WHEN scheduler IN ('slurm', 'lsf') THEN restart::VARCHAR ELSE pod END AS name FROM opened
    WHERE job IS NOT NULL
        AND (scheduler IN ('slurm', 'lsf') OR scheduler = 'kubernetes' AND task IS NOT NULL AND pod IS NOT NULL)
), compared AS (
    SELECT run_id, name, first_value(name) OVER (
        PARTITION BY scheduler, namespace, job, task ORDER BY restart DESC, timestamp DESC
    ) AS latest FROM attempts
)
SELECT DISTINCT run_id FROM compared WHERE name <> latest

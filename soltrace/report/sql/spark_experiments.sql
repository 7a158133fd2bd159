-- `experiments.sql` for Spark: one row for each time that an experiment was entered, with its end. Whether one that is open is
-- lost, or was replaced by a retry, is not asked.
WITH numbered AS (
    SELECT event, run_id, experiment, attributes, timestamp, status, duration_s, error,
        row_number() OVER (PARTITION BY event, run_id, experiment, attributes ORDER BY timestamp) AS number
    FROM records WHERE event IN ('experiment.started', 'experiment.ended') AND experiment IS NOT NULL
)
SELECT s.run_id, s.experiment, s.attributes, s.timestamp AS started, e.timestamp AS ended,
    coalesce(e.status, 'open') AS status, e.duration_s, e.error
FROM numbered s LEFT JOIN numbered e ON e.event = 'experiment.ended' AND s.run_id = e.run_id
    AND s.experiment = e.experiment AND s.attributes = e.attributes AND s.number = e.number
WHERE s.event = 'experiment.started'

-- One row for each time that an experiment was entered, with its end. Those of one name and one set of attributes that
-- overlap are paired in the order of their starts and ends: they can't be told apart.
WITH numbered AS (
    SELECT event, run_id, experiment, attributes, timestamp, status, duration_s, error,
        row_number() OVER (PARTITION BY event, run_id, experiment, attributes ORDER BY timestamp) AS number
    FROM records WHERE event IN ('experiment.started', 'experiment.ended') AND experiment IS NOT NULL
)
SELECT s.run_id, s.experiment, s.attributes, s.timestamp AS started, e.timestamp AS ended,
    -- What a signal has ended is told by the retry: SIGTERM is how a scheduler begins to take a job back.
    CASE WHEN r.run_id IS NOT NULL AND (e.status IS NULL OR e.error LIKE 'InterruptedError:%') THEN 'replaced'
        ELSE coalesce(e.status, 'open') END AS status,
    e.duration_s, e.error
FROM numbered s LEFT JOIN numbered e ON e.event = 'experiment.ended' AND s.run_id = e.run_id
    AND s.experiment = e.experiment AND s.attributes = e.attributes AND s.number = e.number
LEFT JOIN replaced r ON s.run_id = r.run_id
WHERE s.event = 'experiment.started'

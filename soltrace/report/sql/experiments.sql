-- One row for each time that an experiment was entered, with its end. Those of one name and one set of attributes that
-- overlap are paired in the order of their starts and ends: they can't be told apart.
CREATE TABLE experiments AS
WITH numbered AS (
    SELECT event, run_id, experiment, attributes, timestamp, status, duration_s, error,
        row_number() OVER (PARTITION BY event, run_id, experiment, attributes ORDER BY timestamp) AS number
    FROM records WHERE event IN ('experiment.started', 'experiment.ended') AND experiment IS NOT NULL
)
SELECT s.run_id, s.experiment, s.attributes, s.timestamp AS started, e.timestamp AS ended,
    -- What a signal has ended is told by the retry: SIGTERM is how a scheduler begins to take a job back.
    CASE WHEN r.run_id IS NOT NULL AND (e.status IS NULL OR e.error LIKE 'InterruptedError:%') THEN 'replaced' ELSE coalesce(e.status, 'open') END AS status,
    e.duration_s, e.error
FROM numbered s LEFT JOIN numbered e ON e.event = 'experiment.ended' AND s.run_id = e.run_id
    AND s.experiment = e.experiment AND s.attributes = e.attributes AND s.number = e.number
LEFT JOIN replaced r ON s.run_id = r.run_id
WHERE s.event = 'experiment.started';

-- The same with the passes that are directly in each, and not in experiments inside it.
CREATE VIEW experiment_sums AS
WITH inside AS (
    SELECT e.run_id, e.experiment, e.started, e.attributes, count(*) AS passes, count(*) FILTER (p.status = 'error') AS failed,
        coalesce(sum(duration_s) FILTER (phase = 'forward'), 0) AS forward_s,
        coalesce(sum(duration_s) FILTER (phase = 'backward'), 0) AS backward_s
    -- By time, not by attributes: those of a pass are its solve's too.
    FROM (SELECT run_id, experiment, started AS at, status, duration_s, phase FROM passes WHERE experiment IS NOT NULL) p
    ASOF JOIN (SELECT run_id, experiment, started, attributes FROM experiments) e
        ON p.run_id = e.run_id AND p.experiment = e.experiment AND p.at >= e.started
    GROUP BY ALL
)
SELECT experiment, run_id, started, ended, duration_s, status, error, attributes,
    coalesce(passes, 0) AS passes, coalesce(failed, 0) AS failed,
    coalesce(forward_s, 0) AS forward_s, coalesce(backward_s, 0) AS backward_s
FROM experiments LEFT JOIN inside USING (run_id, experiment, started, attributes);

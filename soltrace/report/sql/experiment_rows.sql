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
SELECT experiment, run_id, started, duration_s, status, error, attributes,
    coalesce(passes, 0) AS passes, coalesce(failed, 0) AS failed,
    coalesce(forward_s, 0) AS forward_s, coalesce(backward_s, 0) AS backward_s,
    count(*) OVER () AS total
FROM experiments LEFT JOIN inside USING (run_id, experiment, started, attributes)
ORDER BY status <> 'ok' DESC, started, run_id, experiment
LIMIT $limit;

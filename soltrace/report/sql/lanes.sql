WITH per_lane AS (
    SELECT run_id, experiment, phase, batch_index, count(*) AS passes, count(*) FILTER (status = 'error') AS failed,
        avg(step) AS steps, max(step) AS most_steps
    FROM records WHERE event = 'lane.ended' GROUP BY ALL
)
SELECT *, steps / nullif(median(steps) OVER (PARTITION BY run_id, experiment, phase), 0) AS relative,
    count(*) OVER () AS total
FROM per_lane ORDER BY steps DESC, run_id, phase DESC, batch_index LIMIT $limit;

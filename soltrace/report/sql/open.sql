SELECT run_id, pass_id, experiment, phase, started, seen, progress, step, t, stalled, status = 'lost' AS lost, count(*) OVER () AS total
FROM passes WHERE status IN ('open', 'lost') ORDER BY stalled DESC, started, run_id, pass_id LIMIT $limit;

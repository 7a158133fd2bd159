SELECT run_id, pass_id, experiment, phase, started, seen, progress, step, t, stalled, count(*) OVER () AS total
FROM passes WHERE status = 'open' ORDER BY stalled DESC, started, run_id, pass_id LIMIT $limit;

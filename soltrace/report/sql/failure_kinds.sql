SELECT experiment, phase, solver, result, count(*) AS passes, min(ended) AS first, count(*) OVER () AS total
FROM passes WHERE status = 'error' GROUP BY experiment, phase, solver, result
ORDER BY passes DESC, first, experiment LIMIT $limit;

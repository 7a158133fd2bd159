SELECT *, count(*) OVER () AS total FROM experiment_sums
ORDER BY status <> 'ok' DESC, started, run_id, experiment
LIMIT $limit;

-- Failed experiments, the earliest first, with the pass in them that failed first.
WITH failed AS (
    SELECT *, count(*) OVER () AS total FROM experiments WHERE status = 'error'
    ORDER BY ended, run_id, experiment LIMIT $limit
), causes AS (
    SELECT e.run_id, e.experiment, e.started, min({'at': p.ended, 'pass_id': p.pass_id, 'result': p.result, 't': p.t}) AS cause
    FROM failed e JOIN passes p ON p.run_id = e.run_id AND p.status = 'error' AND p.ended BETWEEN e.started AND e.ended
        AND (p.experiment = e.experiment OR starts_with(p.experiment, e.experiment || '/'))
    GROUP BY ALL
)
SELECT run_id, experiment, ended AS at, coalesce(error, 'error') AS result, total,
    cause.at AS pass_at, cause.pass_id AS pass_id, cause.result AS pass_result, cause.t AS pass_t
FROM failed LEFT JOIN causes USING (run_id, experiment, started) ORDER BY ended, run_id, experiment;

-- The same for each solve that has one of the longest passes.
SELECT run_id, solve_id, any_value(experiment) AS experiment, sum(duration_s) AS took_s,
    coalesce(sum(steps.accepted) FILTER (phase = 'forward'), 0) AS accepted,
    coalesce(sum(steps.rejected) FILTER (phase = 'forward'), 0) AS rejected,
    coalesce(sum(steps.recomputed), 0) AS recomputed,
    coalesce(sum(steps.accepted + steps.rejected) FILTER (phase = 'backward'), 0) AS backward
FROM passes SEMI JOIN chosen USING (run_id, solve_id)
WHERE steps IS NOT NULL
GROUP BY run_id, solve_id ORDER BY accepted + rejected + recomputed + backward DESC, run_id, solve_id;

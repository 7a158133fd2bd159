-- What steps were taken for, by experiment: first where there were most.
WITH sums AS (
    SELECT experiment, count(DISTINCT (run_id, solve_id)) AS solves,
        coalesce(sum(steps.accepted) FILTER (phase = 'forward'), 0) AS accepted,
        coalesce(sum(steps.rejected) FILTER (phase = 'forward'), 0) AS rejected,
        coalesce(sum(steps.recomputed), 0) AS recomputed,
        coalesce(sum(steps.accepted + steps.rejected) FILTER (phase = 'backward'), 0) AS backward
    FROM passes GROUP BY ALL
)
SELECT *, count(*) OVER () AS total FROM sums
ORDER BY accepted + rejected + recomputed + backward DESC, experiment LIMIT $limit;

-- What each experiment of each run took, by stage: in seconds, and in steps, which are exact. What is not known is 0.
WITH passes AS (
    SELECT run_id, coalesce(experiment, '') AS experiment, phase AS stage, CASE WHEN status IN ('ok', 'error') THEN '' ELSE status END AS how,
        sum(took_s) AS seconds,
        -- Steps are not timed one by one: of its pass, each kind has its share by number.
        sum(took_s * coalesce(rejected, 0) / greatest(accepted + rejected, 1)) FILTER (phase = 'forward') AS rejected_s,
        sum(took_s * coalesce(recomputed, 0) / greatest(accepted + rejected + recomputed, 1)) AS recomputed_s,
        sum(coalesce(accepted + rejected, step)) AS steps, sum(rejected) FILTER (phase = 'forward') AS rejected, sum(recomputed) AS recomputed
    FROM documented.passes GROUP BY ALL
), compiled AS (
    SELECT run_id, coalesce(experiment, '') AS experiment, 'compile' AS stage, function AS how,
        sum(trace_s) AS trace_s, sum(lower_s) AS lower_s, sum(compile_s) AS compile_s
    FROM main.records WHERE event = 'program.compiled' GROUP BY ALL
)
FROM passes UNION ALL BY NAME FROM compiled ORDER BY run_id, experiment, stage = 'backward', stage, how;

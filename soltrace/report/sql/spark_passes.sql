-- `passes.sql` for Spark: one row for each pass, made of its start and its end. Whether one that is open is lost, or was
-- replaced by a retry, is not asked.
WITH begun AS (
    SELECT run_id, pass_id, timestamp AS started, solver, adjoint, controller, rtol, atol, forward_pass_id
    FROM records WHERE event = 'pass.started'
), ended AS (
    SELECT run_id, pass_id, timestamp, experiment, phase, attributes, duration_s, status, result, progress, step, t, steps
    FROM records WHERE event = 'pass.ended'
), heard AS (
    SELECT run_id, pass_id, max(timestamp) AS seen,
        max_by(progress, timestamp) FILTER (WHERE batch_index IS NULL AND progress IS NOT NULL) AS progress,
        max_by(step, timestamp) FILTER (WHERE batch_index IS NULL AND step IS NOT NULL) AS step,
        max_by(t, timestamp) FILTER (WHERE batch_index IS NULL AND t IS NOT NULL) AS t,
        max_by(stalled, timestamp) FILTER (WHERE event = 'pass.heartbeat' AND stalled IS NOT NULL) AS stalled
    FROM records WHERE event IN ('pass.progress', 'pass.heartbeat', 'lane.ended') GROUP BY run_id, pass_id
), open AS (
    SELECT run_id, pass_id, experiment, phase, attributes, timestamp AS started, solver, adjoint, controller, rtol, atol,
        forward_pass_id
    FROM records LEFT ANTI JOIN ended USING (run_id, pass_id) WHERE event = 'pass.started'
)
SELECT run_id, pass_id, experiment, phase, attributes,
    coalesce(started, timestamp_micros(try_subtract(unix_micros(timestamp), try_cast(rint(duration_s * 1e6) AS BIGINT))), timestamp) AS started,
    timestamp AS ended, timestamp AS seen, duration_s, status, result, progress, step, t, steps, false AS stalled,
    solver, adjoint, controller, rtol, atol, forward_pass_id
FROM ended LEFT JOIN begun USING (run_id, pass_id)
UNION ALL
SELECT run_id, pass_id, experiment, phase, attributes, started, NULL, greatest(coalesce(seen, started), started), NULL,
    'open', NULL, coalesce(progress, 0), coalesce(step, 0), t, NULL, coalesce(stalled, false),
    solver, adjoint, controller, rtol, atol, forward_pass_id
FROM open LEFT JOIN heard USING (run_id, pass_id)

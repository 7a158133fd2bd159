-- One row for each pass, made of its start and its end; `seen` is the last that was heard of it.
WITH begun AS (
    SELECT run_id, pass_id, timestamp AS started, solver, adjoint, controller, rtol, atol, t0, t1, max_steps, batch_shape,
        forward_pass_id, dtype
    FROM records WHERE event = 'pass.started'
), ended AS (
    SELECT run_id, pass_id FROM records WHERE event = 'pass.ended'
), open AS (
    SELECT run_id, pass_id, solve_id, experiment, phase, attributes, timestamp AS started, solver, adjoint, controller,
        rtol, atol, t0, t1, max_steps, batch_shape, forward_pass_id, dtype
    FROM records ANTI JOIN ended USING (run_id, pass_id) WHERE event = 'pass.started'
), heard AS (
    SELECT run_id, pass_id, max(timestamp) AS seen,
        arg_max(progress, timestamp) FILTER (batch_index IS NULL) AS progress,
        arg_max(step, timestamp) FILTER (batch_index IS NULL) AS step,
        arg_max(t, timestamp) FILTER (batch_index IS NULL) AS t,
        arg_max(stalled, timestamp) FILTER (event = 'pass.heartbeat') AS stalled
    FROM records SEMI JOIN open USING (run_id, pass_id)
    WHERE event IN ('pass.progress', 'pass.heartbeat', 'lane.ended') GROUP BY run_id, pass_id
), told AS (
    SELECT run_id, pass_id, e.solve_id, e.experiment, e.phase, e.attributes,
        -- A log may lack the start: then it is so long before the end as the pass took.
        coalesce(b.started, seconds_before(e.timestamp, e.duration_s)) AS started, e.timestamp AS ended, e.timestamp AS seen,
        e.duration_s, e.status, e.result, e.progress, e.step, e.t, e.steps, false AS stalled, b.solver, b.adjoint,
        b.controller, b.rtol, b.atol, b.t0, b.t1, b.max_steps, b.batch_shape, b.forward_pass_id, e.lanes, b.dtype, e.verdict
    FROM records e LEFT JOIN begun b USING (run_id, pass_id) WHERE e.event = 'pass.ended'
    UNION ALL
    SELECT run_id, pass_id, o.solve_id, o.experiment, o.phase, o.attributes, o.started, NULL,
        greatest(coalesce(h.seen, o.started), o.started), NULL, 'open', NULL, coalesce(h.progress, 0), coalesce(h.step, 0), h.t,
        NULL, coalesce(h.stalled, false), o.solver, o.adjoint, o.controller, o.rtol, o.atol, o.t0, o.t1, o.max_steps,
        o.batch_shape, o.forward_pass_id, NULL, o.dtype, NULL
    FROM open o LEFT JOIN heard h USING (run_id, pass_id)
)
SELECT p.* EXCLUDE (status), coalesce(p.duration_s, (epoch_us(p.seen) - epoch_us(p.started)) / 1e6) AS took_s,
    CASE WHEN r.run_id IS NOT NULL AND (p.status = 'open' OR p.result IN ('abandoned', 'interrupted')) THEN 'replaced'
        ELSE p.status END AS status
FROM told p LEFT JOIN replaced r USING (run_id)

-- One row for each pass, made of its start and its end; `seen` is the last that was heard of it.
WITH begun AS (
    SELECT run_id, pass_id, solve_id, experiment, phase, attributes, timestamp AS started, solver, adjoint, controller,
        rtol, atol, t0, t1, max_steps, batch_shape, forward_pass_id, dtype
    FROM records WHERE event = 'pass.started'
), over AS (
    SELECT run_id, pass_id, solve_id, experiment, phase, attributes, timestamp AS ended, duration_s, status, result,
        progress, step, t, steps, lanes, verdict
    FROM records WHERE event = 'pass.ended'
), open AS (
    SELECT run_id, pass_id, started FROM begun ANTI JOIN over USING (run_id, pass_id)
), heard AS (
    SELECT run_id, pass_id, greatest(max(r.timestamp), max(o.started)) AS seen,
        (epoch_us(greatest(max(r.timestamp), max(o.started))) - epoch_us(max(o.started))) / 1e6 AS took_s,
        arg_max(r.progress, r.timestamp) FILTER (r.batch_index IS NULL) AS progress,
        arg_max(r.step, r.timestamp) FILTER (r.batch_index IS NULL) AS step,
        arg_max(r.t, r.timestamp) FILTER (r.batch_index IS NULL) AS t,
        arg_max(r.stalled, r.timestamp) FILTER (r.event = 'pass.heartbeat') AS stalled
    FROM records r JOIN open o USING (run_id, pass_id)
    WHERE r.event IN ('pass.progress', 'pass.heartbeat', 'lane.ended') GROUP BY run_id, pass_id
), told AS (
    SELECT run_id, pass_id, coalesce(o.solve_id, b.solve_id) AS solve_id, coalesce(o.experiment, b.experiment) AS experiment,
        coalesce(o.phase, b.phase) AS phase, coalesce(o.attributes, b.attributes) AS attributes,
        -- A log may lack the start: then it is so long before the end as the pass took.
        coalesce(b.started, seconds_before(o.ended, o.duration_s)) AS started, o.ended, o.duration_s,
        coalesce(o.status, 'open') AS status, o.result, o.progress, o.step, o.t, o.steps, b.solver, b.adjoint, b.controller,
        b.rtol, b.atol, b.t0, b.t1, b.max_steps, b.batch_shape, b.forward_pass_id, o.lanes, b.dtype, o.verdict
    FROM begun b FULL JOIN over o USING (run_id, pass_id)
)
SELECT run_id, pass_id, p.solve_id, p.experiment, p.phase, p.attributes, p.started, p.ended,
    coalesce(p.ended, h.seen, p.started) AS seen, p.duration_s, coalesce(p.duration_s, h.took_s, 0) AS took_s,
    CASE WHEN r.run_id IS NOT NULL AND (p.status = 'open' OR p.result IN ('abandoned', 'interrupted')) THEN 'replaced'
        ELSE p.status END AS status,
    p.result, coalesce(p.progress, h.progress, 0) AS progress, coalesce(p.step, h.step, 0) AS step, coalesce(p.t, h.t) AS t,
    p.steps, coalesce(h.stalled, false) AS stalled, p.solver, p.adjoint, p.controller, p.rtol, p.atol, p.t0, p.t1,
    p.max_steps, p.batch_shape, p.forward_pass_id, p.lanes, p.dtype, p.verdict
FROM told p LEFT JOIN heard h USING (run_id, pass_id) LEFT JOIN replaced r USING (run_id)

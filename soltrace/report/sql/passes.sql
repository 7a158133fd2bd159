-- One row for each pass, made of its start and its end; `seen` is the last that was heard of it.
CREATE VIEW records AS SELECT * EXCLUDE (valid) FROM log WHERE valid;

CREATE TABLE passes AS
WITH begun AS (
    SELECT run_id, pass_id, timestamp AS started, solver, adjoint, controller, rtol, atol, t0, t1, max_steps, batch_shape,
        forward_pass_id, dtype
    FROM records WHERE event = 'pass.started'
)
SELECT
    run_id, pass_id, e.solve_id, e.experiment, e.phase, e.attributes,
    -- A log may lack the start: then it is so long before the end as the pass took.
    coalesce(b.started, TRY(e.timestamp - to_microseconds(CAST(e.duration_s * 1e6 AS BIGINT))), e.timestamp) AS started,
    e.timestamp AS ended, e.timestamp AS seen, e.duration_s, e.duration_s AS took_s,
    e.status, e.result, e.progress, e.step, e.t, e.steps, false AS stalled,
    b.solver, b.adjoint, b.controller, b.rtol, b.atol, b.t0, b.t1, b.max_steps, b.batch_shape, b.forward_pass_id, e.lanes,
    b.dtype, e.verdict
FROM records e LEFT JOIN begun b USING (run_id, pass_id)
WHERE e.event = 'pass.ended';

INSERT INTO passes BY NAME
WITH open AS (
    SELECT run_id, pass_id, solve_id, experiment, phase, attributes, timestamp AS started, solver, adjoint, controller,
        rtol, atol, t0, t1, max_steps, batch_shape, forward_pass_id, dtype
    FROM records ANTI JOIN passes USING (run_id, pass_id)
    WHERE event = 'pass.started'
), heard AS (
    SELECT run_id, pass_id,
        max(timestamp) AS seen,
        arg_max(progress, timestamp) FILTER (batch_index IS NULL) AS progress,
        arg_max(step, timestamp) FILTER (batch_index IS NULL) AS step,
        arg_max(t, timestamp) FILTER (batch_index IS NULL) AS t,
        arg_max(stalled, timestamp) FILTER (event = 'pass.heartbeat') AS stalled
    FROM records SEMI JOIN open USING (run_id, pass_id)
    WHERE event IN ('pass.progress', 'pass.heartbeat', 'lane.ended')
    GROUP BY ALL
)
SELECT open.*, greatest(coalesce(seen, started), started) AS seen, epoch(greatest(coalesce(seen, started), started) - started) AS took_s,
    'open' AS status, coalesce(progress, 0) AS progress, coalesce(step, 0) AS step, t, coalesce(stalled, false) AS stalled
FROM open LEFT JOIN heard USING (run_id, pass_id);

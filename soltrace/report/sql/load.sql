-- The log as a table: what the questions need of it. The many lines of progress go without attributes.
CREATE OR REPLACE TABLE log AS
SELECT
    VALID_RECORD AS complete, PLAUSIBLE_RECORD AS plausible, complete AND plausible AS valid,
    timestamp, event, schema, run_id, experiment, resource, status, duration_s, error, function, trace_s, lower_s,
    compile_s, solve_id, pass_id, phase, solver, adjoint, controller, rtol, atol, t0, t1, max_steps, batch_shape,
    forward_pass_id, dtype, verdict, attempts, nonfinite, exploded, watched,
    step, progress, t, steps, batch_index, lanes, stalled, usage, result, dropped, what, reason,
    CASE WHEN event IN ('experiment.started', 'experiment.ended', 'pass.started', 'pass.ended')
        THEN attributes END AS attributes,
    event = 'log.opened' AND span_id IS NOT NULL AS tells_its_end  -- see `soltrace.reading.runs.lost`
FROM lines;

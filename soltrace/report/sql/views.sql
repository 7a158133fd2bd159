-- What users ask: `soltrace.report.views` says what each column means. Made of what the report is made of.
CREATE SCHEMA documented;

CREATE VIEW documented.passes AS
SELECT run_id, solve_id, pass_id, experiment, phase, status, result, started, ended, duration_s, seen, took_s, progress, step,
    steps.accepted AS accepted, steps.rejected AS rejected, steps.recomputed AS recomputed, t, t0, t1, solver, adjoint,
    controller, rtol, atol, max_steps, batch_shape,
    coalesce(lanes.total, CASE WHEN len(batch_shape) > 0 THEN TRY_CAST(list_product(batch_shape) AS BIGINT) END) AS lanes,
    lanes.failed AS failed_lanes, stalled, forward_pass_id, attributes, dtype, verdict.kind AS verdict
FROM main.passes;

CREATE VIEW documented.runs AS
WITH seen AS (
    SELECT run_id, min(timestamp) AS started, max(timestamp) AS seen, arg_max(resource, timestamp) FILTER (resource IS NOT NULL) AS resource
    FROM main.records GROUP BY ALL
), counted AS (
    SELECT run_id, count(*) AS passes, count(*) FILTER (status = 'error') AS failed, count(*) FILTER (status IN ('open', 'lost')) AS open
    FROM main.passes GROUP BY ALL
), entered AS (
    SELECT run_id, count(*) FILTER (status = 'error') AS failed_experiments, count(*) FILTER (status = 'open') AS open_experiments
    FROM main.experiments GROUP BY ALL
), told AS (
    SELECT run_id, count(*) FILTER (event = 'run.ended' AND status = 'error') AS failed_runs,
        bool_or(tells_its_end) AND NOT bool_or(event = 'run.ended') AS goes_on
    FROM main.records GROUP BY ALL
)
SELECT run_id,
    CASE WHEN r.run_id IS NOT NULL THEN 'replaced' WHEN l.run_id IS NOT NULL THEN 'lost'
        WHEN coalesce(open, 0) + coalesce(open_experiments, 0) > 0 OR goes_on AND o.run_id IS NULL THEN 'open'
        WHEN coalesce(failed, 0) + coalesce(failed_experiments, 0) + failed_runs > 0 THEN 'error' ELSE 'ok' END AS status,
    l.why AS lost_because, started, seen, resource->>'host' AS host, resource->>'pid' AS pid,
    resource->>'process_index' AS process_index, resource->>'scheduler' AS scheduler, resource->>'job' AS job,
    resource->>'array_task' AS array_task, resource->>'rank' AS rank, resource->>'restart' AS restart,
    coalesce(passes, 0) AS passes, coalesce(failed, 0) AS failed, coalesce(open, 0) AS open, resource
FROM seen LEFT JOIN counted USING (run_id) LEFT JOIN entered USING (run_id) LEFT JOIN told USING (run_id)
LEFT JOIN main.lost l USING (run_id) LEFT JOIN main.over o USING (run_id) LEFT JOIN main.replaced r USING (run_id);

CREATE VIEW documented.lanes AS
WITH over AS (
    SELECT run_id, solve_id, pass_id, experiment, phase, batch_index, timestamp AS ended, timestamp AS seen, status, result,
        progress, step, steps, t, t0, t1
    FROM main.records WHERE event = 'lane.ended'
), under_way AS (
    SELECT run_id, solve_id, pass_id, experiment, phase, batch_index, max(timestamp) AS seen,
        arg_max(progress, timestamp) AS progress, arg_max(step, timestamp) AS step, arg_max(steps, timestamp) AS steps,
        arg_max(t, timestamp) AS t
    FROM main.records ANTI JOIN over USING (run_id, pass_id, batch_index)
    WHERE event = 'pass.progress' AND batch_index IS NOT NULL
    GROUP BY ALL
), both_kinds AS (
    FROM over UNION ALL BY NAME FROM under_way
)
SELECT l.run_id, l.solve_id, l.pass_id, l.experiment, l.phase, l.batch_index,
    coalesce(l.status, CASE WHEN p.status IN ('open', 'lost', 'replaced') THEN p.status END) AS status, l.result, l.ended, l.seen,
    epoch(l.seen - p.started) AS elapsed_s, l.progress, l.step, l.steps.accepted AS accepted, l.steps.rejected AS rejected,
    l.steps.recomputed AS recomputed, l.t, coalesce(l.t0, p.t0) AS t0, coalesce(l.t1, p.t1) AS t1
FROM both_kinds l LEFT JOIN main.passes p USING (run_id, pass_id);

CREATE VIEW documented.progress AS
SELECT timestamp, event, run_id, solve_id, pass_id, experiment, phase, batch_index, elapsed_s, progress, step,
    steps.accepted AS accepted, steps.rejected AS rejected, steps.recomputed AS recomputed, t, stalled,
    lanes.finished AS finished_lanes, lanes.failed AS failed_lanes
FROM main.reports
UNION ALL
SELECT timestamp, event, run_id, solve_id, pass_id, experiment, phase, NULL, 0.0, 0.0, 0, NULL, NULL, NULL, t0, NULL, NULL, NULL
FROM main.records WHERE event = 'pass.started';

CREATE VIEW documented.experiments AS
SELECT run_id, experiment, status, error, started, ended, duration_s, passes, failed, forward_s, backward_s, attributes
FROM main.experiment_sums;

CREATE VIEW documented.steps AS
WITH points AS (
    SELECT run_id, pass_id, batch_index, (timestamp, accepted, t, rejected, elapsed_s) AS point FROM main.step_counts
), changes AS (
    SELECT run_id, pass_id, batch_index, point[1] AS timestamp, point[2] AS step, point[3] AS t, point[5] AS elapsed_s,
        point[2] - lag(point[2]) OVER w AS accepted, point[4] - lag(point[4]) OVER w AS rejected,
        point[3] - lag(point[3]) OVER w AS time, point[5] - lag(point[5]) OVER w AS seconds
    FROM points WINDOW w AS (PARTITION BY run_id, pass_id, batch_index ORDER BY point)
)
SELECT c.timestamp, c.run_id, p.solve_id, c.pass_id, p.experiment, p.phase, c.batch_index, c.elapsed_s, c.step, c.t,
    c.accepted, CASE WHEN c.rejected >= 0 THEN c.rejected END AS rejected, abs(c.time) / c.accepted AS dt,
    CASE WHEN c.seconds > 0 THEN c.accepted / c.seconds END AS rate
FROM changes c LEFT JOIN main.passes p USING (run_id, pass_id)
WHERE c.accepted > 0 AND c.time <> 0 AND isfinite(c.time);

CREATE VIEW documented.attempts AS
SELECT run_id, solve_id, pass_id, experiment, phase, batch_index, step, t, dt, accepted, reason, scaled_error, error_in,
    error_share
FROM main.attempted;

CREATE VIEW documented.nonfinite AS
SELECT timestamp, run_id, solve_id, pass_id, experiment, phase, batch_index, nonfinite.step AS step, nonfinite.t AS t,
    nonfinite.dt AS dt, nonfinite.found_in AS found_in, nonfinite.stage AS stage, nonfinite.path AS path,
    nonfinite.value AS value, nonfinite.before AS before
FROM main.records WHERE event = 'lane.nonfinite';

CREATE VIEW documented.exploded AS
SELECT timestamp, run_id, solve_id, pass_id, experiment, phase, exploded.batch_index AS batch_index, exploded.lanes AS lanes,
    exploded.step AS step, exploded.t AS t, exploded.dt AS dt, exploded.path AS path, exploded.value AS value,
    exploded.primal AS primal, exploded.arrived AS arrived, exploded.largest AS largest
FROM main.records WHERE event = 'pass.ended' AND exploded.path IS NOT NULL;

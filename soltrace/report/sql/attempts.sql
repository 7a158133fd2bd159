-- Attempted steps of the chosen passes, or of the chosen lane of a batch, where each was recorded: one by one, or where
-- there are more than can be drawn, those together that follow one another and had the same fate.
WITH numbered AS (
    SELECT run_id, pass_id, a.step AS step, a.t AS t, abs(a.dt) AS dt, a.scaled_error AS scaled_error,
        CASE WHEN NOT a.accepted THEN coalesce(a.reason, 'controller') END AS rejected,
        (row_number() OVER (PARTITION BY run_id, pass_id ORDER BY a.step) - 1) * $most
            // count(*) OVER (PARTITION BY run_id, pass_id) AS place,
        min(a.step) OVER of_pass = 1 AND count(*) OVER of_pass = max(a.step) OVER of_pass AS every_step
    FROM attempted a JOIN chosen c USING (run_id, pass_id)
    WHERE a.batch_index IS NOT DISTINCT FROM c.batch_index AND a.step IS NOT NULL
    WINDOW of_pass AS (PARTITION BY run_id, pass_id)
)
SELECT run_id, pass_id, arg_min(t, step) AS t, avg(dt) AS dt, max(scaled_error) FILTER (isfinite(scaled_error)) AS scaled_error,
    count(*) AS steps, rejected, any_value(every_step) AS every_step
FROM numbered WHERE isfinite(t) AND isfinite(dt)
GROUP BY run_id, pass_id, place, rejected ORDER BY run_id, pass_id, min(step), rejected;

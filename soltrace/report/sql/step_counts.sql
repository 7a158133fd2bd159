-- Where step sizes can be told from: solver time beside the steps that were accepted, in a backward pass transposed. The
-- line of a batch as a whole is none, for it adds up all lanes.
WITH told AS (
    SELECT run_id, pass_id, batch_index, timestamp, elapsed_s, t, coalesce(steps.accepted, step) AS accepted,
        steps.rejected AS rejected, t0
    FROM reports WHERE event <> 'pass.heartbeat' AND (lanes IS NULL OR batch_index IS NOT NULL)
), starts AS (
    SELECT run_id, pass_id, batch_index, any_value(t0) AS t0 FROM told GROUP BY ALL
)
SELECT run_id, pass_id, batch_index, timestamp, elapsed_s, t, accepted, rejected FROM told WHERE isfinite(t)
UNION ALL
-- Where a forward pass starts is known before its first report; in a backward one the first report is the start.
SELECT run_id, pass_id, s.batch_index, p.started, 0.0, coalesce(s.t0, p.t0), 0, 0
FROM starts s JOIN passes p USING (run_id, pass_id)
WHERE p.phase = 'forward' AND isfinite(coalesce(s.t0, p.t0))

-- Time per step between reports of the chosen passes, or of the chosen lane of a batch.
WITH reports AS (
    SELECT run_id, pass_id, r.timestamp AS timestamp, r.t AS t, coalesce(r.steps.accepted, r.step) AS steps,
        r.steps.rejected AS rejected, floor(epoch(r.timestamp - c.started) * $slivers / greatest(c.took_s, 1e-9)) AS sliver
    FROM records r JOIN chosen c USING (run_id, pass_id)
    WHERE r.event IN ('pass.progress', 'lane.ended', 'pass.ended') AND isfinite(r.t)
        -- A batch's own line adds up all lanes.
        AND r.batch_index IS NOT DISTINCT FROM c.batch_index AND (r.lanes IS NULL OR c.batch_index IS NOT NULL)
), points AS (
    SELECT run_id, pass_id, max((timestamp, steps, t, rejected)) AS point FROM reports GROUP BY run_id, pass_id, sliver
    UNION ALL
    SELECT run_id, pass_id, (started, 0, t0, 0) FROM chosen WHERE isfinite(t0) AND phase = 'forward'
), changes AS (
    SELECT run_id, pass_id, point[1] AS timestamp, point[3] AS t, point[3] - lag(point[3]) OVER w AS time,
        point[2] - lag(point[2]) OVER w AS accepted, point[4] - lag(point[4]) OVER w AS rejected
    FROM points WINDOW w AS (PARTITION BY run_id, pass_id ORDER BY point)
)
SELECT run_id, pass_id, t, abs(time) / accepted AS dt,
    CASE WHEN rejected >= 0 THEN rejected / (accepted + rejected) END AS rejected
FROM changes WHERE accepted > 0 AND time <> 0 AND isfinite(time) ORDER BY run_id, pass_id, timestamp;

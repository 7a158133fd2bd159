-- Time per step between reports of the chosen passes, or of the chosen lane of a batch.
WITH counted AS (
    SELECT run_id, pass_id, r.timestamp AS timestamp, r.t AS t, r.accepted AS steps, r.rejected AS rejected,
        CASE WHEN r.accepted > 0 THEN floor(r.elapsed_s * $slivers / greatest(c.took_s, 1e-9)) ELSE -1 END AS sliver
    FROM step_counts r JOIN chosen c USING (run_id, pass_id)
    WHERE r.batch_index IS NOT DISTINCT FROM c.batch_index
), points AS (
    SELECT run_id, pass_id, max((timestamp, steps, t, rejected)) AS point FROM counted GROUP BY run_id, pass_id, sliver
), changes AS (
    SELECT run_id, pass_id, point[1] AS timestamp, point[3] AS t, point[3] - lag(point[3]) OVER w AS time,
        point[2] - lag(point[2]) OVER w AS accepted, point[4] - lag(point[4]) OVER w AS rejected
    FROM points WINDOW w AS (PARTITION BY run_id, pass_id ORDER BY point)
)
SELECT run_id, pass_id, t, abs(time) / accepted AS dt,
    CASE WHEN rejected >= 0 THEN rejected / (accepted + rejected) END AS rejected
FROM changes WHERE accepted > 0 AND time <> 0 AND isfinite(time) ORDER BY run_id, pass_id, timestamp;

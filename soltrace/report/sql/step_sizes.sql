-- Time per step between reports of the chosen passes, or of the chosen lane of a batch.
WITH counted AS (
    SELECT run_id, pass_id, {
            'timestamp': r.timestamp, 'steps': r.accepted, 't': r.t, 'rejected': coalesce(r.rejected, -1)
        } AS point,
        CASE WHEN r.accepted > 0 THEN floor(r.elapsed_s * $slivers / greatest(c.took_s, 1e-9)) ELSE -1 END AS sliver
    FROM step_counts r JOIN chosen c USING (run_id, pass_id)
    WHERE r.batch_index IS NOT DISTINCT FROM c.batch_index
), latest AS (
    SELECT run_id, pass_id, max(point) AS point FROM counted GROUP BY run_id, pass_id, sliver
), points AS (
    SELECT run_id, pass_id, point.timestamp AS timestamp, point.steps AS steps, point.t AS t,
        nullif(point.rejected, -1) AS rejected
    FROM latest
), changes AS (
    SELECT run_id, pass_id, timestamp, t, t - lag(t) OVER w AS time, steps - lag(steps) OVER w AS accepted,
        rejected - lag(rejected) OVER w AS rejected
    FROM points WINDOW w AS (PARTITION BY run_id, pass_id ORDER BY timestamp, steps, t)
)
SELECT run_id, pass_id, t, abs(time) / accepted AS dt,
    CASE WHEN rejected >= 0 THEN rejected / (accepted + rejected) END AS rejected
FROM changes WHERE accepted > 0 AND time <> 0 AND isfinite(time) ORDER BY run_id, pass_id, timestamp;

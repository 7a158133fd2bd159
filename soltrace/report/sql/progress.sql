-- Where the chosen passes were: their start, the last report in each sliver of their time, and their end.
WITH told AS (
    SELECT run_id, pass_id, r.elapsed_s AS elapsed_s, r.progress AS progress, c.took_s AS took_s
    FROM reports r JOIN chosen c USING (run_id, pass_id)
    WHERE r.event IN ('pass.progress', 'pass.heartbeat') AND r.batch_index IS NULL
), latest AS (
    SELECT run_id, pass_id, max({'elapsed_s': elapsed_s, 'progress': progress}) AS point FROM told
    GROUP BY run_id, pass_id, floor(elapsed_s * $slivers / greatest(took_s, 1e-9))
), points AS (
    SELECT run_id, pass_id, point.elapsed_s AS elapsed_s, point.progress AS progress FROM latest
    UNION ALL SELECT run_id, pass_id, 0.0, 0.0 FROM chosen
    UNION ALL SELECT run_id, pass_id, took_s, progress FROM chosen WHERE status NOT IN ('open', 'lost')
)
SELECT run_id, pass_id, elapsed_s, progress FROM points ORDER BY run_id, pass_id, elapsed_s, progress;

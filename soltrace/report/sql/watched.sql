-- What users watch: each quantity in the chosen passes, or in the chosen lane of a batch, at the last report in each sliver
-- of their time.
WITH told AS (
    SELECT run_id, pass_id, r.timestamp AS timestamp, r.t AS t, r.watched AS watched
    FROM reports r JOIN chosen c USING (run_id, pass_id)
    WHERE r.watched IS NOT NULL AND isfinite(r.t) AND r.batch_index IS NOT DISTINCT FROM c.batch_index
    QUALIFY row_number() OVER (
        PARTITION BY run_id, pass_id, floor(r.elapsed_s * $slivers / greatest(c.took_s, 1e-9)) ORDER BY r.timestamp DESC, r.event
    ) = 1
), named AS (
    SELECT run_id, pass_id, timestamp, t, unnest(map_entries(TRY_CAST(watched AS MAP(VARCHAR, VARCHAR)))) AS item FROM told
)
SELECT run_id, pass_id, item.key AS name, t, TRY_CAST(item.value AS DOUBLE) AS value
FROM named WHERE isfinite(TRY_CAST(item.value AS DOUBLE)) ORDER BY run_id, pass_id, name, timestamp;

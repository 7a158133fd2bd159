-- The passes that are drawn one by one: the longest of each phase, and of a batch the lane that took most steps.
CREATE TABLE chosen AS
WITH longest AS (
    FROM (FROM passes WHERE phase = 'forward' ORDER BY took_s DESC, run_id, pass_id LIMIT $limit)
    UNION ALL
    FROM (FROM passes WHERE phase = 'backward' ORDER BY took_s DESC, run_id, pass_id LIMIT $limit)
), busiest AS (
    SELECT run_id, pass_id, arg_max(batch_index, (step, batch_index)) AS batch_index
    FROM records SEMI JOIN longest USING (run_id, pass_id)
    WHERE event IN ('pass.progress', 'lane.ended') AND batch_index IS NOT NULL
    GROUP BY ALL
)
SELECT longest.*, batch_index FROM longest LEFT JOIN busiest USING (run_id, pass_id);

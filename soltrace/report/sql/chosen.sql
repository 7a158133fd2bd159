-- The passes that are drawn one by one: the longest of each phase, and the first in which a value was not finite. Of a
-- batch the lane that had that value, or else that took most steps.
WITH not_finite AS (
    SELECT run_id, pass_id, arg_min(batch_index, (timestamp, batch_index)) AS lane,
        arg_min(nonfinite, (timestamp, batch_index)) AS found
    FROM records WHERE event = 'lane.nonfinite' GROUP BY ALL
), picked AS (
    SELECT run_id, pass_id FROM (FROM passes WHERE phase = 'forward' ORDER BY took_s DESC, run_id, pass_id LIMIT $limit)
    UNION
    SELECT run_id, pass_id FROM (FROM passes WHERE phase = 'backward' ORDER BY took_s DESC, run_id, pass_id LIMIT $limit)
    UNION
    SELECT run_id, pass_id FROM (
        FROM passes SEMI JOIN not_finite USING (run_id, pass_id) ORDER BY started, run_id, pass_id LIMIT $not_finite
    )
), busiest AS (
    SELECT run_id, pass_id, arg_max(batch_index, (step, batch_index)) AS lane
    FROM records SEMI JOIN picked USING (run_id, pass_id)
    WHERE event IN ('pass.progress', 'lane.ended') AND batch_index IS NOT NULL
    GROUP BY ALL
)
SELECT p.*, coalesce(n.lane, b.lane) AS batch_index,
    CASE WHEN isfinite(n.found.t) AND isfinite(n.found.dt) THEN {
        't': n.found.t, 'dt': abs(n.found.dt), 'path': left(n.found.path, 100),
        'value': CASE WHEN isnan(n.found.value) THEN 'NaN' WHEN n.found.value > 0 THEN 'Infinity' ELSE '-Infinity' END
    } END AS nonfinite
FROM passes p SEMI JOIN picked USING (run_id, pass_id)
LEFT JOIN not_finite n USING (run_id, pass_id) LEFT JOIN busiest b USING (run_id, pass_id)

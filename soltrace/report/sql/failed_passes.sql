-- Failed passes, the earliest first, with what failed before them in the same solve.
WITH failed AS (
    SELECT *, count(*) OVER () AS total FROM passes WHERE status = 'error' ORDER BY ended, run_id, pass_id LIMIT $limit
), forward AS (
    SELECT p.* FROM passes p SEMI JOIN failed f ON p.run_id = f.run_id AND p.pass_id = f.forward_pass_id WHERE p.status = 'error'
), lanes AS (
    SELECT run_id, pass_id, min({'at': r.timestamp, 'index': r.batch_index, 'result': r.result, 't': r.t}) AS lane
    FROM records r SEMI JOIN (
        SELECT run_id, pass_id FROM failed UNION ALL SELECT run_id, pass_id FROM forward
    ) USING (run_id, pass_id)
    WHERE r.event = 'lane.ended' AND r.status = 'error' GROUP BY ALL
)
SELECT p.run_id, p.pass_id, p.experiment, p.ended AS at, p.result, p.t, p.progress, p.step, p.total,
    lane.at AS lane_at, lane.index AS lane_index, lane.result AS lane_result, lane.t AS lane_t,
    f.ended AS forward_at, f.pass_id AS forward_id, f.result AS forward_result, f.t AS forward_t
FROM failed p
LEFT JOIN forward f ON f.run_id = p.run_id AND f.pass_id = p.forward_pass_id
-- A backward pass goes through what its forward pass left: what failed there failed first.
LEFT JOIN lanes l ON l.run_id = p.run_id AND l.pass_id = coalesce(f.pass_id, p.pass_id)
ORDER BY p.ended, p.run_id, p.pass_id;

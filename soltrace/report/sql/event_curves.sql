-- The curves of single passes, and of their lanes with the most steps. Those that reported nothing between their start and
-- their end have none.
WITH reporting AS (
    SELECT DISTINCT run_id, pass_id FROM documented.progress WHERE event = 'pass.progress'
), chosen AS (
    SELECT run_id, pass_id FROM documented.passes SEMI JOIN reporting USING (run_id, pass_id)
    ORDER BY took_s DESC, run_id, pass_id LIMIT $passes
), busiest AS (
    SELECT run_id, pass_id, batch_index FROM documented.lanes SEMI JOIN chosen USING (run_id, pass_id)
    QUALIFY row_number() OVER (PARTITION BY run_id, pass_id ORDER BY step DESC, batch_index) <= $lanes
), points AS (
    SELECT * FROM (
        UNPIVOT (
            SELECT run_id, pass_id, batch_index, timestamp, step, progress, t, accepted::DOUBLE AS "steps/accepted",
                rejected::DOUBLE AS "steps/rejected"
            FROM documented.progress
        ) ON progress, t, "steps/accepted", "steps/rejected" INTO NAME tag VALUE value
    )
    UNION ALL BY NAME
    SELECT * FROM (
        UNPIVOT (SELECT run_id, pass_id, batch_index, timestamp, step, dt, rate FROM documented.steps)
        ON dt, rate INTO NAME tag VALUE value
    )
)
SELECT c.run_id, c.pass_id, p.solve_id, coalesce(p.experiment, '') AS experiment, p.phase, c.batch_index, c.tag, c.step,
    epoch(c.timestamp) AS at_s, c.value
FROM points c SEMI JOIN chosen USING (run_id, pass_id) JOIN documented.passes p USING (run_id, pass_id)
LEFT JOIN busiest b ON b.run_id = c.run_id AND b.pass_id = c.pass_id AND b.batch_index = c.batch_index
WHERE c.batch_index IS NULL OR b.batch_index IS NOT NULL
ORDER BY c.run_id, c.pass_id, c.batch_index NULLS FIRST, c.timestamp, c.step, c.tag;

-- The experiments, likewise.
SELECT e.* EXCLUDE (status), CASE WHEN l.run_id IS NOT NULL AND e.status = 'open' THEN 'lost' ELSE e.status END AS status
FROM told_experiments e LEFT JOIN lost l USING (run_id)

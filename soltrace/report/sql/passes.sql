-- The passes, those that are lost among them: `lost` is filled by `soltrace.report.lost_runs`.
SELECT p.* EXCLUDE (status), CASE WHEN l.run_id IS NOT NULL AND p.status = 'open' THEN 'lost' ELSE p.status END AS status
FROM told_passes p LEFT JOIN lost l USING (run_id)

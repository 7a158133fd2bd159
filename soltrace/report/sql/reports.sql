-- One row for each line that says how far a pass or a lane is, its end among them.
SELECT r.*, (epoch_us(r.timestamp) - epoch_us(p.started)) / 1e6 AS elapsed_s
FROM records r LEFT JOIN passes p USING (run_id, pass_id)
WHERE r.event IN ('pass.progress', 'pass.heartbeat', 'lane.ended', 'pass.ended')

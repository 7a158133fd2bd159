-- The first values that were not finite, one a lane, in the order in which they were found.
SELECT run_id, pass_id, experiment, phase, batch_index, timestamp AS at, nonfinite.step AS step, nonfinite.t AS t,
    nonfinite.dt AS dt, nonfinite.found_in AS found_in, nonfinite.stage AS stage, nonfinite.path AS path,
    nonfinite.value AS value, nonfinite.before AS before, count(*) OVER () AS total
FROM records WHERE event = 'lane.nonfinite' ORDER BY timestamp, run_id, pass_id, batch_index LIMIT $limit;

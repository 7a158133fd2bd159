-- How the passes of each experiment went, one after the other: the curve of a training loop.
SELECT run_id, coalesce(experiment, '') AS experiment, phase, epoch(ended) AS at_s, duration_s, step, rejected, recomputed, progress,
    row_number() OVER (PARTITION BY run_id, experiment, phase ORDER BY started, pass_id) AS number
FROM documented.passes WHERE ended IS NOT NULL ORDER BY run_id, experiment, number, phase DESC;

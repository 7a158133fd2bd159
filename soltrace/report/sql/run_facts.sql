-- What says whether a run is lost, of the runs of which something is open or whose scheduler may be asked.
WITH seen AS (
    SELECT run_id, max(timestamp) AS newest, min(timestamp) FILTER (event = 'log.opened') AS opened,
        arg_max(resource, timestamp) FILTER (resource IS NOT NULL) AS resource,
        count(*) FILTER (event = 'run.heartbeat') > 0 AS beats, bool_or(tells_its_end) AS tells_its_end,
        count(*) FILTER (event = 'run.ended') > 0 AS has_ended
    FROM records GROUP BY ALL
), open_passes AS (
    SELECT run_id, count(*) AS passes FROM told_passes WHERE status = 'open' GROUP BY ALL
), entered AS (
    SELECT run_id, count(*) AS times, count(*) FILTER (status = 'open') AS open FROM told_experiments GROUP BY ALL
)
SELECT run_id, newest, opened, resource, beats, coalesce(passes, 0) > 0 AS passes_open, coalesce(open, 0) > 0 AS experiments_open,
    coalesce(times, 0) > 0 AS had_experiments, tells_its_end, has_ended,
    row_number() OVER (
        PARTITION BY coalesce(resource->>'job', run_id), resource->>'array_task', resource->>'rank' ORDER BY newest DESC
    ) = 1 AS last_of_its_task
FROM seen LEFT JOIN open_passes USING (run_id) LEFT JOIN entered USING (run_id) ANTI JOIN replaced USING (run_id)
QUALIFY coalesce(passes, 0) > 0 OR coalesce(open, 0) > 0 OR tells_its_end AND NOT has_ended OR resource->>'scheduler' = 'slurm'
ORDER BY newest, run_id;

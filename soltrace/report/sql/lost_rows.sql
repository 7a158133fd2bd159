-- Runs that have stopped without a word, the latest first.
WITH resources AS (
    SELECT run_id, arg_max(resource, timestamp) AS resource FROM records WHERE resource IS NOT NULL GROUP BY ALL
), open_passes AS (
    SELECT run_id, count(*) AS passes FROM passes WHERE status = 'lost' GROUP BY ALL
), entered AS (
    SELECT run_id, count(*) AS experiments FROM experiments WHERE status = 'lost' GROUP BY ALL
)
SELECT run_id, resource->>'host' AS host, resource->>'job' AS job, resource->>'array_task' AS array_task, since, why,
    coalesce(passes, 0) AS passes, coalesce(experiments, 0) AS experiments, count(*) OVER () AS total
FROM lost LEFT JOIN resources USING (run_id) LEFT JOIN open_passes USING (run_id) LEFT JOIN entered USING (run_id)
ORDER BY since DESC, run_id LIMIT $limit;

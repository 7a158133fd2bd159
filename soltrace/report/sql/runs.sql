WITH seen AS (
    SELECT run_id, min(timestamp) AS first, max(timestamp) AS last, arg_max(resource, timestamp) AS resource
    FROM records GROUP BY ALL
), counted AS (
    SELECT run_id, count(*) AS passes, count(*) FILTER (status = 'error') AS failed, count(*) FILTER (status IN ('open', 'lost')) AS open
    FROM passes GROUP BY ALL
), used AS (
    SELECT run_id, max(usage.memory_bytes) AS memory_bytes, avg(usage.cpu_utilization) AS cpu_utilization,
        max(usage.device_memory_bytes) AS device_memory_bytes
    FROM records WHERE event = 'pass.heartbeat' GROUP BY ALL
)
SELECT run_id, resource->>'host' AS host, resource->>'pid' AS pid, resource->>'process_index' AS process_index,
    resource->>'scheduler' AS scheduler, resource->>'job' AS job, resource->>'array_task' AS array_task,
    resource->>'backend' AS backend, resource->>'devices' AS devices, resource->>'jax' AS jax,
    resource->>'diffrax' AS diffrax, resource->>'soltrace' AS soltrace,
    first, last, coalesce(passes, 0) AS passes, coalesce(failed, 0) AS failed, coalesce(open, 0) AS open,
    memory_bytes, cpu_utilization, device_memory_bytes,
    count(*) OVER () AS total
FROM seen LEFT JOIN counted USING (run_id) LEFT JOIN used USING (run_id)
-- Where there are too many, those with something wrong are shown.
ORDER BY coalesce(failed, 0) + coalesce(open, 0) > 0 DESC, first, run_id
LIMIT $limit;

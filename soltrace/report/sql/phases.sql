SELECT phase, count(*) AS passes, count(*) FILTER (status = 'error') AS failed, count(*) FILTER (status = 'open') AS open,
    count(*) FILTER (status = 'lost') AS lost, count(*) FILTER (status = 'replaced') AS replaced,
    coalesce(sum(steps.accepted), 0) AS accepted, coalesce(sum(steps.rejected), 0) AS rejected,
    coalesce(sum(steps.recomputed), 0) AS recomputed, coalesce(sum(duration_s), 0) AS total_s,
    quantile_cont(duration_s, 0.5) AS median_s, quantile_cont(duration_s, 0.95) AS p95_s, max(duration_s) AS longest_s
FROM passes GROUP BY ALL ORDER BY phase DESC;

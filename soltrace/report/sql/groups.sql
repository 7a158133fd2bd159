SELECT COMPARED_BY AS value, count(*) AS passes, count(*) FILTER (status = 'error') AS failed,
    coalesce(sum(steps.accepted + steps.rejected), 0) AS steps, coalesce(sum(steps.rejected), 0) AS rejected,
    coalesce(sum(duration_s) FILTER (phase = 'forward'), 0) AS forward_s,
    coalesce(sum(duration_s) FILTER (phase = 'backward'), 0) AS backward_s,
    quantile_cont(duration_s, 0.5) FILTER (phase = 'forward') AS median_forward_s,
    quantile_cont(duration_s, 0.5) FILTER (phase = 'backward') AS median_backward_s,
    any_value(attributes) AS attributes, count(*) OVER () AS total
FROM passes WHERE COMPARED_BY IS NOT NULL OR $missing GROUP BY value ORDER BY passes DESC, value LIMIT $limit;

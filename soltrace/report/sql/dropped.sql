WITH summed AS (
    SELECT what, reason, sum(dropped) AS dropped, count(DISTINCT run_id) AS runs
    FROM records WHERE event = 'telemetry.dropped' GROUP BY what, reason
)
SELECT *, count(*) OVER () AS total FROM summed ORDER BY dropped DESC, what, reason LIMIT $limit;

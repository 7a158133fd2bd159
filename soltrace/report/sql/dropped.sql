SELECT what, reason, sum(dropped) AS dropped, count(DISTINCT run_id) AS runs, count(*) OVER () AS total
FROM records WHERE event = 'telemetry.dropped' GROUP BY what, reason ORDER BY sum(dropped) DESC, what, reason LIMIT $limit;

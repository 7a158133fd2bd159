-- Why steps were rejected, of all passes of which steps were recorded one by one.
WITH rejected AS (
    SELECT experiment, phase, coalesce(reason, 'controller') AS reason, count(*) AS steps,
        count(DISTINCT (run_id, pass_id)) AS passes
    FROM attempted WHERE NOT accepted GROUP BY ALL
), recorded AS (
    SELECT experiment, phase, count(*) AS recorded FROM attempted GROUP BY ALL
)
SELECT r.experiment, r.phase, r.reason, r.steps, r.passes, n.recorded, count(*) OVER () AS total
FROM rejected r JOIN recorded n ON n.experiment IS NOT DISTINCT FROM r.experiment AND n.phase = r.phase
ORDER BY r.steps DESC, r.experiment, r.phase DESC, r.reason LIMIT $limit;

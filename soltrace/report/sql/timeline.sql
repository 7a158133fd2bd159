-- What begins within the same sliver of the whole time is one bar: no more of them than a screen has columns.
WITH drawn AS (
    FROM busy SEMI JOIN (SELECT unnest($runs) AS run_id) USING (run_id)
), whole AS (
    SELECT min(epoch_us(started)) AS begin, greatest(max(epoch_us(ended)) - min(epoch_us(started)), 1) AS width FROM drawn
)
SELECT run_id, what, min(started) AS started, max(ended) AS ended, count(*) AS count,
    count(*) FILTER (status = 'error') AS failed, count(*) FILTER (status IN ('open', 'lost')) AS open
FROM drawn, whole
GROUP BY run_id, what, floor((epoch_us(started) - begin)::DOUBLE * $slivers / width)
ORDER BY run_id, what, started;

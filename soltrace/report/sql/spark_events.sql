-- `events.sql` for Spark: the rows of one record are those of its pass and its moment.
SELECT event, CASE WHEN event = 'pass.steps' THEN count(DISTINCT (run_id, pass_id, timestamp)) ELSE count(*) END AS records
FROM records GROUP BY event ORDER BY records DESC, event;

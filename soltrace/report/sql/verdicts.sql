-- What is wrong with passes, the kind that took most time first, each with the words of the first such pass.
SELECT experiment, phase, verdict.kind AS kind, count(*) AS passes, sum(duration_s) AS took_s, min(timestamp) AS first,
    arg_min(pass_id, (timestamp, pass_id)) AS pass_id, arg_min(verdict.text, (timestamp, pass_id)) AS text,
    arg_min(verdict.advice, (timestamp, pass_id)) AS advice, count(*) OVER () AS total
FROM records WHERE event = 'pass.ended' AND verdict.kind IS NOT NULL
GROUP BY experiment, phase, verdict.kind ORDER BY took_s DESC, kind, experiment LIMIT $limit;

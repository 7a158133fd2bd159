WITH summed AS (
    SELECT function, experiment, count(*) AS times, sum(trace_s) AS trace_s, sum(lower_s) AS lower_s,
        sum(compile_s) AS compile_s
    FROM records WHERE event = 'program.compiled' GROUP BY function, experiment
)
SELECT *, count(*) OVER () AS total FROM summed ORDER BY trace_s + lower_s + compile_s DESC, function LIMIT $limit;

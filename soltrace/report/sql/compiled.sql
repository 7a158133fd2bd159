SELECT function, experiment, count(*) AS times, sum(trace_s) AS trace_s, sum(lower_s) AS lower_s,
    sum(compile_s) AS compile_s, count(*) OVER () AS total
FROM records WHERE event = 'program.compiled' GROUP BY function, experiment
ORDER BY sum(trace_s + lower_s + compile_s) DESC, function LIMIT $limit;

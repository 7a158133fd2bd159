-- What runs were busy with, from when to when.
CREATE VIEW busy AS
SELECT run_id, phase AS what, started, seen AS ended, status FROM passes
UNION ALL
SELECT run_id, 'compile',
    coalesce(TRY(timestamp - to_microseconds(CAST((trace_s + lower_s + compile_s) * 1e6 AS BIGINT))), timestamp), timestamp, 'ok'
FROM records WHERE event = 'program.compiled';

-- What runs were busy with, from when to when.
SELECT run_id, phase AS what, started, seen AS ended, status FROM passes
UNION ALL
SELECT run_id, 'compile', seconds_before(timestamp, trace_s + lower_s + compile_s), timestamp, 'ok'
FROM records WHERE event = 'program.compiled'

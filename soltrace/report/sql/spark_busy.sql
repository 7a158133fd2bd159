-- `busy.sql` for Spark.
SELECT run_id, phase AS what, started, seen AS ended, status FROM passes
UNION ALL
SELECT run_id, 'compile',
    coalesce(timestamp_micros(try_subtract(unix_micros(timestamp), try_cast(rint((trace_s + lower_s + compile_s) * 1e6) AS BIGINT))), timestamp),
    timestamp, 'ok'
FROM records WHERE event = 'program.compiled'

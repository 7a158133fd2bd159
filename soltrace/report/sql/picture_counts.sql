-- Step size and rate from the start of each piece on, and 0 from the end of the last: what a counter holds until it changes.
WITH pieces AS (
    SELECT run_id, pass_id, phase, batch_index, dt, rate, timestamp AS ended,
        coalesce(lag(timestamp) OVER w, timestamp - to_microseconds(CAST(accepted * 1e6 / rate AS BIGINT))) AS started,
        row_number() OVER w = count(*) OVER (PARTITION BY run_id, pass_id, batch_index) AS is_last
    FROM documented.steps WHERE rate IS NOT NULL WINDOW w AS (PARTITION BY run_id, pass_id, batch_index ORDER BY timestamp)
)
SELECT run_id, pass_id, phase, batch_index, epoch_us(started) AS at_us, dt, rate FROM pieces
UNION ALL
SELECT run_id, pass_id, phase, batch_index, epoch_us(ended), 0, 0 FROM pieces WHERE is_last
ORDER BY run_id, at_us;

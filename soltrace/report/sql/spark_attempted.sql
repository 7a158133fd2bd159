-- `attempted.sql` for Spark: the steps of a data set are its rows.
SELECT run_id, solve_id, pass_id, experiment, phase, batch_index, step, t, dt, accepted, nullif(reason, '') AS reason,
    scaled_error, nullif(error_in, '') AS error_in, error_share
FROM records WHERE event = 'pass.steps'

-- Attempted steps, one by one, where each was recorded.
SELECT run_id, solve_id, pass_id, experiment, phase, unnest(attempts.batch_index) AS batch_index,
    unnest(attempts.step) AS step, unnest(attempts.t) AS t, unnest(attempts.dt) AS dt, unnest(attempts.accepted) AS accepted,
    nullif(unnest(attempts.reason), '') AS reason, unnest(attempts.scaled_error) AS scaled_error,
    nullif(unnest(attempts.error_in), '') AS error_in, unnest(attempts.error_share) AS error_share
FROM records WHERE event = 'pass.steps'

-- The passes as slices, with the flows that begin and end in them: one from each forward pass to each of its backward passes.
WITH flows AS (
    SELECT b.run_id, f.pass_id AS forward, b.pass_id AS backward, row_number() OVER (ORDER BY b.run_id, b.started, b.pass_id) AS flow
    FROM documented.passes b JOIN documented.passes f ON b.run_id = f.run_id AND b.forward_pass_id = f.pass_id
), begun AS (
    SELECT run_id, forward AS pass_id, list(flow ORDER BY flow) AS starts FROM flows GROUP BY ALL
), reached AS (
    SELECT run_id, backward AS pass_id, list(flow) AS ends FROM flows GROUP BY ALL
)
SELECT run_id, pass_id, phase, status, epoch_us(started) AS start_us, epoch_us(seen) AS end_us, lanes, starts, ends,
    solve_id, experiment, result, step, accepted, rejected, recomputed, progress, t, t0, t1, solver, adjoint, controller,
    rtol, atol, forward_pass_id, attributes
FROM documented.passes LEFT JOIN begun USING (run_id, pass_id) LEFT JOIN reached USING (run_id, pass_id)
ORDER BY run_id, started, phase DESC, pass_id;

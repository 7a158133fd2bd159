-- What was open of runs that have stopped without a word: `lost` is filled by `soltrace.report.lost_runs`.
UPDATE passes SET status = 'lost' FROM lost WHERE passes.run_id = lost.run_id AND status = 'open';

UPDATE experiments SET status = 'lost' FROM lost WHERE experiments.run_id = lost.run_id AND status = 'open';

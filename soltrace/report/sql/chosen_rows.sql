SELECT * FROM chosen ORDER BY phase DESC, took_s DESC, run_id, pass_id;

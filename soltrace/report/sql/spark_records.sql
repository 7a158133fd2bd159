-- The records of a data set: `load.sql` for Spark. One that carries steps has a row for each of them.
SELECT *, event = 'log.opened' AND span_id IS NOT NULL AS tells_its_end FROM data_set WHERE PLAUSIBLE_RECORD

-- A moment so many seconds before another one, or that one where there is no such moment.
CREATE MACRO seconds_before(moment, seconds) AS coalesce(TRY(moment - to_microseconds(CAST(seconds * 1e6 AS BIGINT))), moment);

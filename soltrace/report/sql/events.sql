SELECT event, count(*) AS records FROM records GROUP BY ALL ORDER BY records DESC, event;

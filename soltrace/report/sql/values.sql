SELECT approx_count_distinct(COMPARED_BY) AS number, count(*) > count(COMPARED_BY) AS missing FROM passes;

-- Bitcoin days destroyed by day. (`unix_seconds` is Spark's; in DuckDB:
-- create macro unix_seconds(t) as epoch_us(t) // 1000000)
select year(i.block_timestamp) as y, month(i.block_timestamp) as m, day(i.block_timestamp) as d,
    sum(i.value / 1e8 * (unix_seconds(i.block_timestamp) - unix_seconds(b.timestamp)) / 86400) as days
from inputs i
join blocks b on b.number = i.spent_block_number
group by 1, 2, 3
order by 1, 2, 3

-- Outputs by type by month.
select year(block_timestamp) as y, month(block_timestamp) as m, type, count(*) as outputs, sum(value) as value
from outputs
group by 1, 2, 3
order by 1, 2, 3

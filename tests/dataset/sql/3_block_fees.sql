-- Fees by block, as its own row has them and as its transactions add up.
select b.number, b.fee, coalesce(sum(t.fee), 0) as fees
from blocks b
join transactions t on t.block_number = b.number
group by b.number, b.fee
order by b.number

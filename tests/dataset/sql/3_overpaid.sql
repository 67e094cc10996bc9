-- Coinbases that pay more than the fees and the first subsidy: there are none.
select count(*) as overpaid
from transactions t
join blocks b on b.number = t.block_number
where t.is_coinbase and t.output_value > b.fee + 5000000000

-- The dearest transactions.
select hash, input_value, output_value, fee
from transactions
where not is_coinbase
order by fee desc, hash
limit 20

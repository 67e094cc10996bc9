-- Everything that an address received and spent.
select block_number, transaction_hash, index, value as received, 0 as sent
from outputs
where address = '${address}'
union all
select block_number, transaction_hash, index, 0, value
from inputs
where address = '${address}'
order by block_number, received, transaction_hash, index

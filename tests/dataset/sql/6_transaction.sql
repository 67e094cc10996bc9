-- A transaction by its id: the filters leave one row group of each file to be read, if that.
select t.block_number, t.index, t.fee, o.index as vout, o.value, o.address
from transactions t
join outputs o on o.transaction_hash = t.hash
where t.hash = '${txid}' and o.transaction_hash = '${txid}'
order by o.index

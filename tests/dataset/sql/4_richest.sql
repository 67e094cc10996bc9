-- The thousand scripts that own the most.
with moved as (
    select script_hex, address, value, 1 as coins, block_number, index, transaction_hash
    from outputs
    where is_spendable
    union all
    select spent_script_hex, address, -value, -1, block_number, index, transaction_hash
    from inputs
)
select script_hex, max(address) as address, sum(value) as balance, sum(coins) as unspent
from moved
group by script_hex
having sum(value) > 0
order by balance desc, script_hex
limit 1000

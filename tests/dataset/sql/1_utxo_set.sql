-- The UTXO set behind block ${height}: what was made and can be spent, less what was spent. Of coinbases with the
-- same id only the last is a coin (BIP 30): mainnet has two such pairs.
with overwritten as (
    select hash, max(block_number) as last
    from transactions
    where is_coinbase and block_number <= ${height}
    group by hash
    having count(*) > 1
),
made as (
    select count(*) as coins, sum(o.value) as value
    from outputs o
    left join overwritten w on o.transaction_hash = w.hash
    where o.is_spendable and o.block_number <= ${height}
        and (w.hash is null or o.block_number = w.last)
),
spent as (
    select count(*) as coins, coalesce(sum(value), 0) as value
    from inputs
    where block_number <= ${height}
)
select made.coins - spent.coins as txouts, made.value - spent.value as total_amount
from made cross join spent

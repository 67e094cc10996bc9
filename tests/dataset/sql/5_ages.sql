-- Coins by age in days of 144 blocks, behind block ${height}.
with moved as (
    select block_number as born, 1 as coins, value
    from outputs
    where is_spendable and block_number <= ${height}
    union all
    select spent_block_number, -1, -value
    from inputs
    where block_number <= ${height}
)
select cast(floor((${height} - born) / 144) as bigint) as days, sum(coins) as coins, sum(value) as value
from moved
group by 1
order by 1

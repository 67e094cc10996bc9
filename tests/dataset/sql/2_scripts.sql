-- What every script received and sent up to block ${height}.
with moved as (
    select script_hex, value as received, 0 as sent, 1 as outputs, 0 as spends
    from outputs
    where is_spendable and block_number <= ${height}
    union all
    select spent_script_hex, 0, value, 0, 1
    from inputs
    where block_number <= ${height}
)
select script_hex, sum(received) as received, sum(sent) as sent, sum(outputs) as outputs, sum(spends) as spends
from moved
group by script_hex
order by script_hex

"""Circular transfers between banks: money that comes back to the account that it left, over two to four accounts, within a day and nearly whole.

Each bank gives `transfers.csv`: the transfers that leave its own accounts (sender, receiver, amount in cents, time in seconds). No bank sees a circle that
leads through another one. Each gets `cycles.csv`: the circles in which its accounts are, with the accounts of others as the name of their bank.
"""

import csv
import os
import pathlib

import duckdb

inputs, outputs = (pathlib.Path(os.environ[f"COTENANT_{kind}"]) for kind in ("INPUTS", "OUTPUTS"))
banks = sorted(path.name for path in inputs.iterdir())
base = duckdb.connect()
base.execute("CREATE TABLE transfer (bank TEXT, sender TEXT, receiver TEXT, amount BIGINT, moment BIGINT)")
for bank in banks:
    path = str(inputs / bank / "transfers.csv")
    base.execute("INSERT INTO transfer SELECT ?, sender, receiver, amount, moment FROM read_csv(?, header = true, all_varchar = false)", [bank, path])
owners = dict(base.execute("SELECT sender, min(bank) FROM transfer GROUP BY sender").fetchall())

# A circle begins with its earliest transfer, so each is found once.
circles = base.execute(
    """
    WITH RECURSIVE path AS (
        SELECT sender AS home, receiver AS here, [sender] AS accounts, amount AS first, amount AS last, moment AS begun, moment FROM transfer
        UNION ALL
        SELECT home, receiver, list_append(accounts, sender), first, amount, begun, transfer.moment
        FROM path JOIN transfer ON sender = here
        WHERE transfer.moment > path.moment AND transfer.moment <= begun + 86400 AND amount BETWEEN last * 9 // 10 AND last
          AND len(accounts) < 4 AND here <> home AND NOT list_contains(accounts, sender)
    )
    SELECT accounts, first, last, begun, moment FROM path WHERE here = home AND len(accounts) >= 2 ORDER BY begun, accounts
    """
).fetchall()

for bank in banks:
    with (outputs / bank / "cycles.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["accounts", "sent", "returned", "begun", "ended"])
        for accounts, *rest in circles:
            shown = [account if owners[account] == bank else owners[account] for account in accounts]
            if any(owners[account] == bank for account in accounts):
                rows.writerow([" > ".join(shown), *rest])
print(f"{len(circles)} circles among {len(owners)} accounts of {len(banks)} banks")

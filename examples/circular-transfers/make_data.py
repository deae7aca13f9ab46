"""Makes the transfers of two banks: `make_data.py FOLDER [SEED]` writes FOLDER/bank-a.csv and FOLDER/bank-b.csv. A few circles are among them."""

import csv
import pathlib
import random
import sys

ACCOUNTS, TRANSFERS, CIRCLES, DAY = 200, 3000, 12, 86400


def main() -> None:
    """Writes both files."""
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    accounts = {bank: [f"{bank[-1].upper()}{number:04}" for number in range(ACCOUNTS)] for bank in ("bank-a", "bank-b")}
    every = [account for own in accounts.values() for account in own]
    transfers = []
    for _ in range(TRANSFERS):
        sender, receiver = chance.sample(every, 2)
        transfers.append((sender, receiver, chance.randrange(100, 500_000), chance.randrange(30 * DAY)))
    for number in range(CIRCLES):
        ring = chance.sample(accounts["bank-a"], 1 + number % 2) + chance.sample(accounts["bank-b"], 1 + number // 6)
        amount, at = chance.randrange(600_000, 900_000), chance.randrange(29 * DAY)
        for sender, receiver in zip(ring, ring[1:] + ring[:1]):
            transfers.append((sender, receiver, amount, at))
            amount, at = amount * chance.randrange(95, 101) // 100, at + chance.randrange(60, DAY // 8)
    transfers.sort(key=lambda transfer: transfer[3])
    for bank, own in accounts.items():
        with (pathlib.Path(sys.argv[1]) / f"{bank}.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["sender", "receiver", "amount", "moment"])
            rows.writerows(transfer for transfer in transfers if transfer[0] in own)


main()

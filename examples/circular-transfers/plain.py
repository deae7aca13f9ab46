"""The answer by a plain computation over all data in one place: `plain.py FOLDER BANK` reads FOLDER/bank-a.csv and FOLDER/bank-b.csv and prints cycles.csv."""

import csv
import pathlib
import sys


def main() -> None:
    """Follows every path from every transfer."""
    folder, bank = pathlib.Path(sys.argv[1]), sys.argv[2]
    leaving: dict[str, list[tuple[str, int, int]]] = {}
    owners: dict[str, str] = {}
    for name in ("bank-a", "bank-b"):
        for row in csv.DictReader((folder / f"{name}.csv").open()):
            leaving.setdefault(row["sender"], []).append((row["receiver"], int(row["amount"]), int(row["moment"])))
            owners[row["sender"]] = name
    found = []

    def follow(accounts: list[str], first: int, amount: int, begun: int, at: int, here: str) -> None:
        if here == accounts[0]:
            if len(accounts) >= 2:
                found.append((begun, accounts, first, amount, at))
            return
        if len(accounts) == 4 or here in accounts:
            return
        for receiver, passed, when in leaving.get(here, []):
            if at < when <= begun + 86400 and amount * 9 // 10 <= passed <= amount:
                follow([*accounts, here], first, passed, begun, when, receiver)

    for sender, transfers in leaving.items():
        for receiver, amount, at in transfers:
            follow([sender], amount, amount, at, at, receiver)
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["accounts", "sent", "returned", "begun", "ended"])
    for begun, accounts, first, last, at in sorted(found):
        if any(owners[account] == bank for account in accounts):
            shown = [account if owners[account] == bank else owners[account] for account in accounts]
            rows.writerow([" > ".join(shown), first, last, begun, at])


main()

"""Lift of a campaign: whether people who could see it buy more than people who could not. SQL with SQLite, which Python has.

The publisher gives `audience.csv` (person, arm: test or control), the advertiser `sales.csv` (person, cents). A person is whatever both know them by. Each
gets `lift.csv`: of each arm how many people, how many buyers and how much they spent, and the lift. An arm with fewer than 100 people or 20 buyers is
not told of, so nobody is found by adding one person; neither learns of a person whether the other knows them.
"""

import csv
import os
import pathlib
import sqlite3

PEOPLE, BUYERS = 100, 20
inputs, outputs = (pathlib.Path(os.environ[f"COTENANT_{kind}"]) for kind in ("INPUTS", "OUTPUTS"))
base = sqlite3.connect(":memory:")
base.execute("CREATE TABLE audience (person TEXT PRIMARY KEY, arm TEXT)")
base.execute("CREATE TABLE sale (person TEXT, cents INTEGER)")
for name, statement in (("audience.csv", "INSERT INTO audience VALUES (?, ?)"), ("sales.csv", "INSERT INTO sale VALUES (?, ?)")):
    path, = inputs.glob(f"*/{name}")
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        base.executemany(statement, rows)
arms = base.execute(
    """
    SELECT arm, count(DISTINCT audience.person), count(DISTINCT sale.person), coalesce(sum(cents), 0)
    FROM audience LEFT JOIN sale ON sale.person = audience.person GROUP BY arm ORDER BY arm
    """
).fetchall()
if [arm for arm, *_ in arms] != ["control", "test"] or any(people < PEOPLE or buyers < BUYERS for _, people, buyers, _ in arms):
    raise SystemExit("an arm is too small to be told of")
rates = {arm: buyers / people for arm, people, buyers, _ in arms}
for place in outputs.iterdir():
    with (place / "lift.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["arm", "people", "buyers", "cents"])
        rows.writerows(arms)
        rows.writerow(["lift", f"{rates['test'] / rates['control'] - 1:.4f}", "", ""])
print("two arms were compared")

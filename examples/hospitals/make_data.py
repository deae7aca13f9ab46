"""Makes the patients of two hospitals: `make_data.py FOLDER A B [SEED]` writes FOLDER/A.csv and FOLDER/B.csv."""

import csv
import math
import pathlib
import random
import sys


def main() -> None:
    """Writes both files. The hospitals' patients differ."""
    chance = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    for number, name in enumerate(sys.argv[2:4]):
        with (pathlib.Path(sys.argv[1]) / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["age", "pressure", "marker", "ill"])
            for _ in range(400 + 200 * number):
                age, pressure, marker = chance.gauss(50 + 10 * number, 12), chance.gauss(130, 15), chance.gauss(1 + number / 2, 0.5)
                likely = 1 / (1 + math.exp(-(0.06 * (age - 55) + 0.03 * (pressure - 130) + 1.5 * (marker - 1.2))))
                rows.writerow([round(age, 1), round(pressure, 1), round(marker, 3), int(chance.random() < likely)])


main()

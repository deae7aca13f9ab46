"""The same model by a plain computation over all records in one place, without a library: Newton's method.

`plain.py FOLDER A B` reads FOLDER/A.csv and FOLDER/B.csv and prints weights and intercept as JSON.

What is minimised is what scikit-learn's LogisticRegression minimises by default: half the squares of the weights, and the logarithmic loss of every record.
"""

import csv
import json
import math
import pathlib
import sys


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss's elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right)]
    for at in range(len(rows)):
        best = max(range(at, len(rows)), key=lambda row: abs(rows[row][at]))
        rows[at], rows[best] = rows[best], rows[at]
        for below in range(len(rows)):
            if below != at:
                factor = rows[below][at] / rows[at][at]
                rows[below] = [x - factor * y for x, y in zip(rows[below], rows[at])]
    return [row[-1] / row[at] for at, row in enumerate(rows)]


def main() -> None:
    """Reads, standardises, iterates."""
    records = []
    for name in sys.argv[2:4]:
        records += [[float(value) for value in row.values()] for row in csv.DictReader((pathlib.Path(sys.argv[1]) / f"{name}.csv").open())]
    count, size = len(records), 3
    mean = [sum(record[k] for record in records) / count for k in range(size)]
    spread = [math.sqrt(sum((record[k] - mean[k]) ** 2 for record in records) / count) for k in range(size)]
    points = [([(record[k] - mean[k]) / spread[k] for k in range(size)] + [1.0], record[size]) for record in records]
    model = [0.0] * (size + 1)
    for _ in range(50):
        slope = [*model[:size], 0.0]
        curve = [[float(i == j and i < size) for j in range(size + 1)] for i in range(size + 1)]
        for point, ill in points:
            likely = 1 / (1 + math.exp(-sum(x * w for x, w in zip(point, model))))
            for i in range(size + 1):
                slope[i] += (likely - ill) * point[i]
                for j in range(size + 1):
                    curve[i][j] += likely * (1 - likely) * point[i] * point[j]
        model = [w - step for w, step in zip(model, solve(curve, slope))]
    print(json.dumps({"records": count, "weights": model[:size], "intercept": model[size]}))


main()

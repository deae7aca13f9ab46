"""A training script that its owner shows nobody: a straight line through the records, by least squares. It gets them on standard input."""

import csv
import json
import sys

points = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(sys.stdin)]
count = len(points)
mean_x, mean_y = (sum(point[k] for point in points) / count for k in (0, 1))
slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
print(json.dumps([slope, mean_y - slope * mean_x]))

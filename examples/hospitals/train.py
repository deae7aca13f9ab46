"""A model of pooled patients: logistic regression with scikit-learn, over the records of all hospitals.

Each hospital gives `patients.csv` (age, pressure, marker, ill). Each gets `model.json`: the model, how many records it is made of, and how well it does on
that hospital's own records. No hospital sees a record of another one.
"""

import json
import os
import pathlib

import numpy
from sklearn.linear_model import LogisticRegression

FEATURES = ("age", "pressure", "marker")
inputs, outputs = (pathlib.Path(os.environ[f"COTENANT_{kind}"]) for kind in ("INPUTS", "OUTPUTS"))
hospitals = sorted(path.name for path in inputs.iterdir())
tables = {name: numpy.genfromtxt(inputs / name / "patients.csv", delimiter=",", skip_header=1) for name in hospitals}
pooled = numpy.vstack([tables[name] for name in hospitals])
features, ill = pooled[:, :-1], pooled[:, -1]
mean, spread = features.mean(axis=0), features.std(axis=0)
model = LogisticRegression(tol=1e-10, max_iter=1000).fit((features - mean) / spread, ill)
told = {
    "records": len(ill),
    "mean": [round(float(value), 6) for value in mean],
    "spread": [round(float(value), 6) for value in spread],
    "weights": {name: round(float(weight), 5) for name, weight in zip(FEATURES, model.coef_[0])},
    "intercept": round(float(model.intercept_[0]), 5),
}
for name in hospitals:
    own = tables[name]
    right = float(model.score((own[:, :-1] - mean) / spread, own[:, -1]))
    (outputs / name / "model.json").write_text(json.dumps({**told, "own_accuracy": round(right, 4)}, indent=2) + "\n")
print(f"{len(ill)} records of {len(hospitals)} hospitals")

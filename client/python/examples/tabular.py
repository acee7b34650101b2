#!/usr/bin/env python3
"""The classical answers to imbalance on a table: scikit-learn's diabetes data, ten measurements of 442
patients; to be found is the tenth whose disease progresses most. Logistic regression and a random forest, five
folds, with `evendraw.sklearn.Sampler` in imbalanced-learn's Pipeline; what is sampled are the four folds that a
model is trained on, never the one that it is tested on. Prints mean and standard deviation over the seeds, by which
folds are made and models trained. Needs a running evendrawd.

    ./tabular.py                        5 seeds (some minutes)
    ./tabular.py --samplers none SMOTE --seeds 1
"""

import argparse
import json
import time

import numpy as np
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

import evendraw
from evendraw.sklearn import Sampler

FOLDS = 5

SAMPLERS = {
    "none": None,
    "oversampled": "oversampled",
    "undersampled": "undersampled",
    "SMOTE": "smote",
    "borderline SMOTE": {"kind": "smote", "variant": "borderline-1"},
    "ADASYN": {"kind": "smote", "variant": "adasyn"},
    "NearMiss-1": "nearmiss-1",
    "NearMiss-2": "nearmiss-2",
    "ENN": "enn",
    "Tomek links": "tomek",
    "SMOTE and ENN": "smoteenn",
    "SMOTE and Tomek links": "smotetomek",
}
MODELS = {
    "logistic regression": lambda seed: LogisticRegression(max_iter=1000),
    "random forest": lambda seed: RandomForestClassifier(100, random_state=seed),
}


def patients():
    """Features of shape (442, 10), and labels: 1 for the 45 of the most progression."""
    x, progression = load_diabetes(return_X_y=True)
    return x, (progression >= np.quantile(progression, 0.9)).astype(int)


def predict(x, y, folds, sampler, model):
    """The probability of class 1 of each sample, by models that were trained without its fold."""
    probability = np.empty(len(y))
    for fold in range(FOLDS):
        tested = folds == fold
        steps = [StandardScaler()]
        if sampler is not None:
            steps.append(Sampler(sampler, random_state=fold))
        fitted = make_pipeline(*steps, model).fit(x[~tested], y[~tested])
        probability[tested] = fitted.predict_proba(x[tested])[:, 1]
    return probability


def rates(y, probability, threshold=0.5):
    """Balanced accuracy, F1, average precision (which no threshold moves)."""
    predicted = probability >= threshold
    return [
        balanced_accuracy_score(y, predicted),
        f1_score(y, predicted),
        average_precision_score(y, probability),
    ]


def run(seed, samplers):
    """The rates of each way, by model and name."""
    x, y = patients()
    folds = evendraw.folds(y, FOLDS, seed=seed)
    found = {}
    for title, model in MODELS.items():
        found[title] = {}
        for name in samplers:
            probability = predict(x, y, folds, SAMPLERS[name], model(seed))
            found[title][name] = rates(y, probability)
            if name == "none":
                # What adding log(1 / share) to the logits of the classes comes to, of two.
                found[title]["logit adjustment of `none`"] = rates(y, probability, y.mean())
    return found


def table(results):
    """Per cent."""
    print("| | | balanced accuracy | F1 | average precision |\n| --- | --- | ---: | ---: | ---: |")
    for title in MODELS:
        for name in results[0][title]:
            values = 100 * np.array([result[title][name] for result in results])
            cells = []
            for column in values.T:
                spread = f" ± {column.std(ddof=1):.1f}" if len(column) > 1 else ""
                cells.append(f"{column.mean():.1f}{spread}")
            print(f"| {title} | {name} |", " | ".join(cells), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS), choices=SAMPLERS)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--json", help="write the rates here")
    arguments = parser.parse_args()

    results = []
    for seed in range(arguments.seeds):
        began = time.monotonic()
        results.append(run(seed, arguments.samplers))
        print(f"seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
    print()
    table(results)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()

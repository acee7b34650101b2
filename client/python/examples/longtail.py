#!/usr/bin/env python3
"""A classifier on long-tailed Fashion-MNIST, trained with several sampling strategies.

The same network, the same number of steps, several seeds; tested on the balanced test set. Prints a
table of recall by class, macro F1 and balanced accuracy (mean and standard deviation over the seeds)
and draws a figure. Needs a running evendrawd.

    ./longtail.py                       all strategies, 5 seeds (ten minutes)
    ./longtail.py --strategies none weighted --seeds 1
"""

import argparse
import json
import time

import numpy as np
import torch
from torch import nn

import evendraw
import evendraw.torch
import fashion
import figure

BATCH = 64
STEPS = 1000

# `none` is plain shuffling: every sample once an epoch.
STRATEGIES = {
    "none": {"kind": "uniform"},
    "weighted": {"kind": "weighted", "weight": "inverse"},
    "sqrt-weighted": {"kind": "weighted", "weight": "sqrt-inverse"},
    "stratified": {"kind": "stratified", "proportions": "equal"},
    "undersampled": {"kind": "undersampled"},
    "progressive": {"kind": "progressive", "epochs": 4},
    # Follows the recall of each class on the training batches, which `train` reports.
    "adaptive": {"kind": "adaptive", "every": 50},
}


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def batches(loader, steps):
    """As many batches as asked for, over as many epochs as that takes."""
    while True:
        for batch in loader:
            yield batch
            steps -= 1
            if steps == 0:
                return


def train(dataset, job, strategy, seed, steps, report=0):
    """Returns the trained network, and how often each class was drawn, shape (10,)."""
    torch.manual_seed(seed)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    sampler = evendraw.torch.BatchSampler(
        job, BATCH, dataset=dataset, strategy=strategy, seed=seed
    )
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler)
    drawn = np.zeros(10, dtype=np.int64)
    recent = np.zeros(10, dtype=np.int64)
    for step, (images, labels) in enumerate(batches(loader, steps), 1):
        optimizer.zero_grad()
        logits = model(images)
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        if strategy["kind"] == "adaptive":
            loader.report(logits.argmax(1))
        recent += np.bincount(labels, minlength=10)
        if step % (report or steps) == 0:
            if report:
                shares = " ".join(f"{100 * n / recent.sum():3.0f}" for n in recent)
                print(f"step {step:5d} loss {loss.item():.3f} classes drawn, %: {shares}", flush=True)
            drawn += recent
            recent[:] = 0
    sampler.close()
    return model, drawn + recent


def confusion(model, dataset):
    """Counts by true (rows) and predicted class, shape (10, 10)."""
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(part).argmax(1) for part in dataset.images.split(1000)])
    pairs = dataset.targets * 10 + predicted
    return torch.bincount(pairs, minlength=100).reshape(10, 10).numpy()


def scores(matrix):
    """Recall by class, macro F1, balanced accuracy."""
    hits = matrix.diagonal()
    recall = hits / matrix.sum(1)
    f1 = 2 * hits / np.maximum(1, matrix.sum(0) + matrix.sum(1))
    return [*recall, f1.mean(), recall.mean()]


def table(results, counts):
    """Rows: recall of each class, macro F1, balanced accuracy; columns: strategies; per cent."""
    names = [f"{name} ({n})" for name, n in zip(fashion.CLASSES, counts)]
    names += ["macro F1", "balanced accuracy"]
    print("| recall (training images) |", " | ".join(results), "|")
    print("| --- |", " | ".join("---:" for _ in results), "|")
    for row, name in enumerate(names):
        cells = []
        for runs in results.values():
            values = 100 * np.array([run["scores"][row] for run in runs])
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.1f}{spread}")
        print(f"| {name} |", " | ".join(cells), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=fashion.DEFAULT, help="folder of the IDX files")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of each run ({STEPS})")
    parser.add_argument("--report", type=int, default=0, metavar="N", help="print every N steps")
    parser.add_argument("--job", default="fashion", help="the jobs are JOB-STRATEGY-SEED")
    parser.add_argument("--json", help="write the results here")
    parser.add_argument("--figure", help="draw `none` and the best of the others here (SVG)")
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # so small a network is faster with one
    training, test = fashion.load(arguments.data)
    results = {}
    with evendraw.connect() as client:
        for name in arguments.strategies:
            results[name] = []
            for seed in range(arguments.seeds):
                began = time.monotonic()
                job = f"{arguments.job}-{name}-{seed}"
                model, drawn = train(
                    training,
                    job,
                    STRATEGIES[name],
                    seed,
                    arguments.steps,
                    arguments.report,
                )
                client.drop_job(job)
                matrix = confusion(model, test)
                run = {"scores": scores(matrix), "drawn": drawn.tolist(), "matrix": matrix.tolist()}
                results[name].append(run)
                print(
                    f"{name} seed {seed}: balanced accuracy {100 * run['scores'][-1]:.1f} %, "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )
    print()
    table(results, np.bincount(training.targets))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file)
    if arguments.figure:
        draw(arguments.figure, results)


def draw(path, results):
    means = {name: np.mean([run["scores"][-1] for run in runs]) for name, runs in results.items()}
    best = max((name for name in results if name != "none"), key=means.get, default=None)
    columns = []
    for name, title in (("none", "without evendraw"), (best, f"with evendraw ({best})")):
        if name in results:
            drawn = np.sum([run["drawn"] for run in results[name]], axis=0)
            matrix = np.sum([run["matrix"] for run in results[name]], axis=0)
            columns.append((title, drawn / drawn.sum(), matrix.tolist()))
    figure.draw(path, fashion.CLASSES, columns)


if __name__ == "__main__":
    main()

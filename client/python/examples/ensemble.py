#!/usr/bin/env python3
"""An ensemble against one model, on long-tailed Fashion-MNIST: each member is trained on a balanced part
of the data (strategy `ensemble`), and their probabilities are averaged or they vote. Beside it: one model
by strategy `weighted`, with as many steps as a member and with as many as all of them; and as many models
by `weighted`, averaged, which tells what is due to the parts and what to there being several. Prints the
balanced accuracy on the test set, mean and standard deviation over the seeds. Needs a running evendrawd.

    ./ensemble.py                       5 members, 5 seeds (a quarter of an hour)
"""

import argparse
import json
import time

import numpy as np
import torch
from torch import nn

import evendraw.torch
import fashion
import longtail

BATCH = 64


def train(loader, steps, seed):
    """A network, trained with the batches of a loader; in eval mode."""
    torch.manual_seed(seed)
    model = longtail.network()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for images, labels in longtail.batches(loader, steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def train_weighted(dataset, steps, seed):
    sampler = evendraw.torch.BatchSampler(dataset, BATCH, strategy="weighted", seed=seed)
    model = train(evendraw.torch.DataLoader(dataset, batch_sampler=sampler), steps, seed)
    sampler.close()
    return model


def balanced_accuracy(predict, dataset):
    """Per cent: the mean of the recall of all classes."""
    predicted = torch.cat([predict(part) for part in dataset.images.split(1000)])
    right = (predicted == dataset.targets).double()
    return 100 * np.mean([right[dataset.targets == c].mean().item() for c in range(10)])


def of_one(model, dataset):
    with torch.no_grad():
        return balanced_accuracy(lambda x: model(x).argmax(1), dataset)


def run(training, test, members, steps, seed):
    """The balanced accuracy of each way, by name."""
    seeds = [1000 * seed + member for member in range(members)]
    with evendraw.torch.Ensemble(training, BATCH, members=members, seed=seed) as ensemble:
        loaders = ensemble.loaders()
        models = [train(loader, steps, s) for loader, s in zip(loaders, seeds)]
        weighted = [train_weighted(training, steps, s) for s in seeds]
        longer = train_weighted(training, members * steps, seeds[0])
        return {
            "one model, weighted": of_one(weighted[0], test),
            f"one model, weighted, {members} times the steps": of_one(longer, test),
            "a member by itself": np.mean([of_one(model, test) for model in models]),
            "ensemble, mean": balanced_accuracy(lambda x: ensemble.predict(models, x), test),
            "ensemble, vote": balanced_accuracy(lambda x: ensemble.predict(models, x, "vote"), test),
            f"{members} models, weighted, mean": balanced_accuracy(
                lambda x: ensemble.predict(weighted, x), test
            ),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=fashion.DEFAULT, help="folder of the IDX files")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600, help="of each member")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--json", help="write the results here")
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # so small a network is faster with one
    training, test = fashion.load(arguments.data)
    results = []
    for seed in range(arguments.seeds):
        began = time.monotonic()
        results.append(run(training, test, arguments.members, arguments.steps, seed))
        print(f"seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
    print("\n| | balanced accuracy, % |\n| --- | ---: |")
    for name in results[0]:
        values = np.array([result[name] for result in results])
        spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
        print(f"| {name} | {values.mean():.1f}{spread} |")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()

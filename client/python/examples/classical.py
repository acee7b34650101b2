#!/usr/bin/env python3
"""The classical answers to imbalance on long-tailed Fashion-MNIST, beside plain shuffling and class weights:
NearMiss, cleaning by edited nearest neighbours and Tomek links, Balanced-MixUp, logit adjustment, and SMOTE.

Neighbours need features in which near means alike. They are what the network without rebalancing makes of the
images before its last layer. NearMiss and cleaning select images by them, of which networks are trained like the
others; SMOTE makes points between them, on which the last layer is trained again, the rest being left as it is
(Kang et al. 2020, Decoupling representation and classifier). Prints mean and standard deviation over the
seeds. Needs a running evendrawd.

    ./classical.py                      5 seeds (a quarter of an hour)
    ./classical.py --seeds 1 --steps 100
"""

import argparse
import copy
import json
import time

import numpy as np
import torch
from torch import nn

import evendraw
import evendraw.torch
import fashion
import longtail

BATCH = 64


def fit(model, dataset, strategy, seed, steps, rate=5e-3, adjust=0):
    """Trains `model` with the batches of a job; in eval mode. `adjust` is added to the logits in the loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate / 2.5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    sampler = evendraw.torch.BatchSampler(dataset, BATCH, strategy=strategy, seed=seed)
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler)
    for x, y in longtail.batches(loader, steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x) + adjust, y).backward()
        optimizer.step()
        schedule.step()
    sampler.close()
    return model.eval()


def fit_network(seed, *arguments, **options):
    torch.manual_seed(seed)
    return fit(longtail.network(), *arguments, seed=seed, **options)


def embed(model, images):
    """What the last layer gets, shape (n, 64)."""
    with torch.no_grad():
        return torch.cat([model[:-1](part) for part in images.split(1000)])


class Embedded(torch.utils.data.Dataset):
    """What a network makes of the images of a dataset, and their labels."""

    def __init__(self, model, dataset):
        self.x, self.targets = embed(model, dataset.images), dataset.targets
        self.classes = dataset.classes

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return self.x[i], self.targets[i]


def refit_head(model, dataset, strategy, seed, steps):
    """The network with a last layer that is trained again, on embeddings."""
    torch.manual_seed(seed)
    head = fit(nn.Linear(64, 10), dataset, strategy, seed, steps, rate=2e-2)
    return nn.Sequential(*model[:-1], head).eval()


def adjusted(model, amount):
    """The network with `amount` added to its logits."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        model[-1].bias += amount
    return model


def selections(client, name, features, seed):
    """Strategies that draw from what is left, by name. The selections are attached to the dataset."""

    def left_by(method, kind, **options):
        selection = f"{method}-{seed}"
        client.select(name, features, method, name=selection, **options)
        return {"kind": kind, "from": selection}

    return {
        "NearMiss-1": left_by("nearmiss-1", "uniform"),
        "NearMiss-2": left_by("nearmiss-2", "uniform"),
        "ENN, then weighted": left_by("enn", "weighted"),
        "Tomek links, then weighted": left_by("tomek", "weighted"),
    }


def run(client, data, training, test, seed, steps):
    """The confusion matrix on the test set of each way, by name. `data`: the dataset there, by its name."""
    plain = fit_network(seed, training, "uniform", steps=steps)
    matrices = {"none": plain, "weighted": fit_network(seed, training, "weighted", steps=steps)}

    pairs = {"kind": "uniform", "pairs": {"how": "balanced-mixup"}}
    mixed = evendraw.torch.Pairs(training, "mixup")
    matrices["Balanced-MixUp"] = fit_network(seed, mixed, pairs, steps=steps)

    in_loss = client.logit_adjustment(data, like="torch")
    matrices["logit adjustment in the loss"] = fit_network(
        seed, training, "uniform", steps=steps, adjust=in_loss
    )
    post_hoc = client.logit_adjustment(data, post_hoc=True, like="torch")
    matrices["logit adjustment of `none`"] = adjusted(plain, post_hoc)

    embedded = Embedded(plain, training)
    features = embedded.x.numpy()
    for name, strategy in selections(client, data, features, seed).items():
        matrices[name] = fit_network(seed, training, strategy, steps=steps)

    tables = {"class": "neighbours", "all": "all_neighbours"}
    named = {key: f"{scope}-{seed}" for scope, key in tables.items()}
    for scope, key in tables.items():
        client.neighbours(data, features, k=10, scope=scope, name=named[key])
    points = evendraw.torch.Pairs(embedded, "smote")
    smote = {"kind": "smote", "neighbours": named["neighbours"]}
    borderline = {"kind": "smote", "variant": "borderline-1", **named}
    heads = {
        "last layer again, oversampled": (embedded, "oversampled"),
        "last layer again, SMOTE": (points, smote),
        "last layer again, borderline SMOTE": (points, borderline),
    }
    for name, (dataset, strategy) in heads.items():
        matrices[name] = refit_head(plain, dataset, strategy, seed, steps)
    return {name: longtail.confusion(model, test).tolist() for name, model in matrices.items()}


def table(results):
    """Per cent: balanced accuracy, macro F1, and the recall of the three largest and smallest classes."""
    print("| | balanced accuracy | macro F1 | three largest classes | three smallest |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in results[0]:
        columns = []
        for result in results:
            *recall, f1, balanced = longtail.scores(np.array(result[name]))
            columns.append([balanced, f1, np.mean(recall[:3]), np.mean(recall[-3:])])
        values = 100 * np.array(columns)
        cells = []
        for column in values.T:
            spread = f" ± {column.std(ddof=1):.1f}" if len(column) > 1 else ""
            cells.append(f"{column.mean():.1f}{spread}")
        print(f"| {name} |", " | ".join(cells), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=fashion.DEFAULT, help="folder of the IDX files")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--steps", type=int, default=longtail.STEPS, help="of each training")
    parser.add_argument("--json", help="write the confusion matrices here")
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # so small a network is faster with one
    training, test = fashion.load(arguments.data)
    results = []
    with evendraw.connect() as client:
        # It goes with this program. The samplers find it by its content.
        data = client.create_dataset("fashion-classical", training, owned=True)["dataset"]
        for seed in range(arguments.seeds):
            began = time.monotonic()
            results.append(run(client, data, training, test, seed, arguments.steps))
            print(f"seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
    print()
    table(results)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()

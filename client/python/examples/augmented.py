#!/usr/bin/env python3
"""Random augmentation that repeats to the bit: a network is trained with torchvision's transforms and
0, 1 and 3 workers, and a run is broken off and resumed in the middle of an epoch. With
`evendraw.torch.Augmented` all runs see the same images and end with the same weights; without it no two
do. Needs a running evendrawd, and torchvision (Debian's python3-torchvision).

    ./augmented.py
"""

import argparse
import hashlib

import torch
from torch import nn
from torchvision import transforms

import evendraw.torch
import fashion

BATCH = 64

TRANSFORM = transforms.Compose(
    [
        transforms.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomErasing(value="random"),
    ]
)


class Transformed(torch.utils.data.Dataset):
    """As torchvision's datasets do it: the transform is called when a sample is read."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.targets = dataset.targets

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        x, y = self.dataset[i]
        return TRANSFORM(x), y


class Run:
    """A network on its way, and the digest of all images that it was trained on."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 10)
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-3)
        self.seen = hashlib.sha256()

    def train(self, dataset, workers, steps, state=None):
        """So many steps, from a state of the loader on; where that ended."""
        sampler = evendraw.torch.BatchSampler(dataset, BATCH, strategy="weighted", seed=1)
        loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=workers)
        if state is not None:
            loader.load_state_dict(state)
        for _, (images, labels) in zip(range(steps), loader):
            self.seen.update(images.numpy().tobytes())
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(images), labels).backward()
            self.optimizer.step()
        state = loader.state_dict()
        sampler.close()
        return state

    def digests(self):
        """Of the images, and of the weights that came of them."""
        weights = hashlib.sha256()
        for parameter in self.model.parameters():
            weights.update(parameter.detach().numpy().tobytes())
        return self.seen.hexdigest()[:16], weights.hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=fashion.DEFAULT, help="folder of the IDX files")
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order
    images, _ = fashion.load(arguments.data)
    steps = arguments.steps
    found = {}
    for how, dataset in (
        ("Augmented", evendraw.torch.Augmented(images, TRANSFORM)),
        ("by itself", Transformed(images)),
    ):
        found[how] = set()
        for workers in 0, 1, 3:
            run = Run()
            run.train(dataset, workers, steps)
            found[how].add(run.digests())
            print(f"{how}, {workers} workers: images {run.digests()[0]}, weights {run.digests()[1]}")
        run = Run()
        state = run.train(dataset, 3, steps // 2)
        run.train(dataset, 1, steps - steps // 2, state)
        found[how].add(run.digests())
        print(f"{how}, resumed: images {run.digests()[0]}, weights {run.digests()[1]}", flush=True)
    if len(found["Augmented"]) != 1:
        raise SystemExit("runs that should be one differ")


if __name__ == "__main__":
    main()

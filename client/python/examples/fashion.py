"""Fashion-MNIST from its IDX files, and a long-tailed part of it."""

import gzip
import pathlib

import numpy as np
import torch

DEFAULT = "/usr/share/datasets/fashion-mnist"  # Debian's package dataset-fashion-mnist
CLASSES = ["T-shirt", "trouser", "pullover", "dress", "coat"]
CLASSES += ["sandal", "shirt", "sneaker", "bag", "boot"]


def _idx(path):
    with gzip.open(path) as file:
        data = file.read()
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


class Fashion(torch.utils.data.Dataset):
    """Images (1, 28, 28) with values 0..1, and labels. `targets` are all labels, shape (n,)."""

    classes = CLASSES

    def __init__(self, images, labels):
        self.images = torch.from_numpy(images.astype(np.float32) / 255).unsqueeze(1)
        self.targets = torch.from_numpy(labels.astype(np.int64))

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return self.images[i], self.targets[i]


def load(folder=DEFAULT, ratio=100.0):
    """Training and test set. Of the training set class c keeps 6000 * ratio^(-c/9) images: the
    first class has `ratio` times as many as the last. The test set stays as it is, 1000 of each."""
    files = [pathlib.Path(folder) / f"{part}-{what}-ubyte.gz" for part in ("train", "t10k")
             for what in ("images-idx3", "labels-idx1")]  # fmt: skip
    images, labels, *test = map(_idx, files)
    kept = [np.flatnonzero(labels == c)[: round(6000 * ratio ** (-c / 9))] for c in range(10)]
    kept = np.sort(np.concatenate(kept))
    return Fashion(images[kept], labels[kept]), Fashion(*test)

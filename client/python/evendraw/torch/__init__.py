"""evendraw for PyTorch.

- `BatchSampler` for ``DataLoader(batch_sampler=...)``: one rank's share of every batch.
- `DataLoader`: PyTorch's, counting what the training loop has had, with exact checkpoints.
- `Sampler` for ``DataLoader(sampler=...)``, and `WeightedRandomSampler`, `DistributedSampler`,
  `ImbalancedDatasetSampler` with the arguments of those they replace.
- `IterableDataset`: every worker draws for itself, each batch goes to one of them.
- `Augmented`, `augment`: random transforms that repeat to the bit, with any number of workers.
- `Ensemble`: a balanced part of the data for each of several models, and what they predict together.
- `Pairs`: samples made of two, as mixup, cutmix and SMOTE do.
"""

from ._items import Item
from .augmented import Augmented, augment
from .batch_sampler import BatchSampler
from .ensemble import Ensemble
from .iterable import IterableDataset
from .loader import DataLoader
from .pairs import Pairs
from .sampler import DistributedSampler, ImbalancedDatasetSampler, Sampler, WeightedRandomSampler

__all__ = [
    "Augmented",
    "BatchSampler",
    "DataLoader",
    "DistributedSampler",
    "Ensemble",
    "ImbalancedDatasetSampler",
    "Item",
    "IterableDataset",
    "Pairs",
    "Sampler",
    "WeightedRandomSampler",
    "augment",
]

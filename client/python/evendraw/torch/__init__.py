"""evendraw for PyTorch.

- `BatchSampler` for ``DataLoader(batch_sampler=...)``: one rank's share of every batch.
- `DataLoader`: PyTorch's, counting what the training loop has had, with exact checkpoints.
- `Sampler` for ``DataLoader(sampler=...)``, and `WeightedRandomSampler`, `DistributedSampler`,
  `ImbalancedDatasetSampler` with the arguments of those they replace.
- `IterableDataset`: every worker draws for itself, each batch goes to one of them.
"""

from .batch_sampler import BatchSampler
from .iterable import IterableDataset
from .loader import DataLoader
from .sampler import DistributedSampler, ImbalancedDatasetSampler, Sampler, WeightedRandomSampler

__all__ = [
    "BatchSampler",
    "DataLoader",
    "DistributedSampler",
    "ImbalancedDatasetSampler",
    "IterableDataset",
    "Sampler",
    "WeightedRandomSampler",
]

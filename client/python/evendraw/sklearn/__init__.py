"""Samplers for scikit-learn, with the interface of imbalanced-learn, which is not needed.

    import evendraw.sklearn
    sampler = evendraw.sklearn.Sampler("smote")
    X_more, y_more = sampler.fit_resample(X, y)

    batches, steps = evendraw.sklearn.balanced_batch_generator(X, y)
    model.fit(batches, steps_per_epoch=steps, epochs=10)

`Sampler` is a step of ``imblearn.pipeline.Pipeline``. What is drawn comes from the daemon evendrawd.
"""

from ._batches import balanced_batch_generator
from ._sampler import Sampler

__all__ = ["Sampler", "balanced_batch_generator"]

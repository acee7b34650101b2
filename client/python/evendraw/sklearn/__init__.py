"""A sampler for scikit-learn, with the interface of imbalanced-learn, which is not needed.

    import evendraw.sklearn
    sampler = evendraw.sklearn.Sampler("smote")
    X_more, y_more = sampler.fit_resample(X, y)

It is a step of ``imblearn.pipeline.Pipeline``. What is drawn comes from the daemon evendrawd.
"""

from ._sampler import Sampler

__all__ = ["Sampler"]

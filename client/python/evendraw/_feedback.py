"""What a model made of batches: reports, and what follows from them. A part of `Client`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ._arrays import numbers
from ._connection import Connection
from ._thresholds import joined
from ._values import Result
from .stream import Batch


class Feedback(Connection):
    """The methods of a connection that are about what was reported."""

    def report(
        self,
        job: str,
        batch: Batch,
        predicted: Any,
        *,
        rank: int | None = None,
        loss: Any = None,
        score: Any = None,
    ) -> Result:
        """Tells the daemon what the model made of a batch; it knows the labels. A step of a rank
        counts once, however often it is reported.

        Args:
            batch: as it came; see also `evendraw.torch.DataLoader.current`.
            predicted: shape (n,), class numbers.
            rank: of a ranked job: its ranks count beside one another.
            loss: shape (n,), of each sample.
            score: shape (n,), with two classes: of the second one, 0 to 1.

        Returns:
            job, generation, epoch, step, rank, counted (false: it was known already).

        Raises:
            Conflict: the job was rewound since. BadValue: no such step, or lengths that differ; what
            is no class number (scores of each class want argmax(1)), no finite loss, no score.
        """
        n = len(batch)
        classes = numbers(
            predicted, "<u4", "predicted", n=n, advice="of scores of each class pass argmax(1)"
        )
        losses = None if loss is None else numbers(loss, "<f8", "loss", n=n)
        second = None if score is None else numbers(score, "<f8", "score", n=n, low=0, high=1)
        return self.call(
            "job.report",
            job=job,
            generation=batch.generation,
            epoch=batch.epoch,
            step=batch.step,
            rank=rank,
            index=batch.index.astype("<u8").tobytes(),
            index_type="u64",
            predicted=classes.tobytes(),
            loss=None if losses is None else losses.tobytes(),
            score=None if second is None else second.tobytes(),
        )

    def confusion(self, job: str, epoch: int | None = None, *, every: bool = False) -> Result:
        """What was reported to a job, of one epoch (None: the newest) or of `every` one together.

        Returns:
            samples, accuracy, balanced_accuracy, macro and weighted (precision, recall, f1),
            mean_loss, epochs; by class, shape (classes,): class (list of names), support, predicted
            (int64), precision, recall, f1 (float64); matrix, int64 of shape (classes, classes), true
            by predicted (not above 2048 classes); with scores thresholds: by threshold, shape (1001,):
            threshold (float64, 0 to 1), true_positive, false_positive (int64); and best (threshold,
            precision, recall, f1), where class 1 has the best F1.

        Raises:
            NotFound: nothing was reported.
        """
        answer = self._paged("job.confusion", job=job, epoch=epoch, all=every or None)
        thresholds = answer.get("thresholds", {})
        for key in ("threshold", "true_positive", "false_positive"):
            if key in thresholds:
                thresholds[key] = np.array(thresholds[key])
        return answer

    def threshold(
        self,
        job: str,
        epoch: int | None = None,
        *,
        every: bool = False,
        objective: str | None = None,
        beta: float | None = None,
        cost: Any = None,
        precision: float | None = None,
        recall: float | None = None,
    ) -> Result:
        """From which score on a sample should count as class 1, from the scores reported to a job
        with two classes (None: of the newest epoch; `every`: of all together)::

            at = client.threshold("validation", objective="f1")["threshold"]
            predicted = score >= at

        Args:
            objective: "f1", "f-beta" (with beta), "balanced-accuracy", "cost" (with cost:
                [[0, 1], [10, 0]], by true class and then by what it is taken for),
                "precision-at-recall" (with recall: the best precision that keeps it) or
                "recall-at-precision" (with precision). None: all of which the argument is given.

        Returns:
            class (the names), exact (false: there were more scores than the daemon keeps, and
            each counts as the next lower k / 1000), samples, positives, and objectives: of each its
            threshold, value, precision, recall, f1, balanced_accuracy, true_positive, false_positive,
            true_negative, false_negative. With `objective` these stand in the result itself as well.
            None: no threshold keeps that precision.

        Raises:
            NotFound: no scores, or none of one of the classes. BadValue: not two classes (then see
            `evendraw.thresholds`), an objective without what it needs.
        """
        answer = self.call(
            "job.threshold",
            job=job,
            epoch=epoch,
            all=every or None,
            objective=objective,
            beta=beta,
            cost=cost,
            precision=precision,
            recall=recall,
        )
        if objective is not None:
            answer.update(answer["objectives"][0])
        return answer

    def curve(
        self,
        job: str,
        kind: Literal["precision-recall", "roc", "calibration"],
        epoch: int | None = None,
        *,
        every: bool = False,
        bins: int | None = None,
        binning: Literal["uniform", "quantile"] | None = None,
    ) -> Result:
        """A curve of the scores reported to a job with two classes, equal to scikit-learn's.

        Args:
            bins, binning: of "calibration": how many (10), equally wide or with as many samples each.

        Returns:
            exact, samples, positives as `threshold`; by point, as arrays: threshold, precision, recall
            (the last point has the threshold NaN), and area, the average precision; or threshold,
            false_positive_rate, true_positive_rate, and area; or by bin predicted (mean score),
            observed (share of class 1), count, and brier and calibration_error.

        Raises:
            NotFound, BadValue: as `threshold`; calibration does with one class. Conflict: reports
            came while a long curve was read.
        """

        def call(**page: Any) -> Result:
            fields = {"epoch": epoch, "all": every or None, **page}
            return self.call("job.curve", job=job, kind=kind, bins=bins, binning=binning, **fields)

        return joined(call(), call)

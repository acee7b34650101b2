"""Decision thresholds: those that the daemon finds, whose pages and rows `Client` takes from here, and
`thresholds`, which finds one for each class from a matrix of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import numbers, to_array
from ._values import Result
from .errors import BadValue, Conflict

Counts = NDArray[np.float64]
Rate = Callable[[Counts, Counts, float, float], tuple[Counts, Counts]]

OBJECTIVES = (
    "f1",
    "f-beta",
    "balanced-accuracy",
    "cost",
    "precision-at-recall",
    "recall-at-precision",
)
_TERM = {
    "f-beta": "beta",
    "cost": "cost",
    "precision-at-recall": "recall",
    "recall-at-precision": "precision",
}

_MOST_COST = 1e100  # as the daemon has it: their sum over all samples is a number still


def joined(answer: Result, call: Callable[..., Result]) -> Result:
    """All pages of a curve, its arrays as NumPy's. `call` takes the fields of further pages, which
    are of the same epoch. Raises Conflict if that is another curve by now."""
    arrays = [key for key, value in answer.items() if isinstance(value, list) and key != "class"]
    epoch = {"epoch": answer["epoch"]} if "epoch" in answer else {}
    while (first := len(answer[arrays[0]])) < answer["points"]:
        try:
            page = call(first=first, **epoch)
        except BadValue as error:
            if error.detail != "first":
                raise
            page = {}  # scores became bins, of which there are fewer
        same = all(
            page.get(key) == answer.get(key) for key in ("generation", "exact", "samples", "points")
        )
        if not same or not page[arrays[0]]:
            raise Conflict(
                f'job "{answer["job"]}" was reported to while its curve was read: ask again, or for '
                "an epoch that is over",
                answer["job"],
            )
        for key in arrays:
            answer[key] += page[key]
    for key in arrays:
        answer[key] = np.array([np.nan if v is None else v for v in answer[key]])
    return answer


def thresholds(
    scores: Any,
    labels: Any,
    objective: str = "f1",
    *,
    beta: float | None = None,
    cost: Any = None,
    precision: float | None = None,
    recall: float | None = None,
) -> NDArray[np.float64]:
    """The best threshold of each class against all others, shape (classes,)::

        best = evendraw.thresholds(probabilities, labels, "f-beta", beta=2)
        predicted = probabilities >= best     # one column for each class: none, one or several hold

    To choose one class only, `Client.logit_adjustment` is the better way.

    Args:
        scores: shape (n, classes), finite: the higher, the more it is that class.
        labels: shape (n,), class numbers.
        objective: as `Client.threshold`, with the argument that it needs. Tried are all scores of
            the class that occur, and one beyond the greatest, by which no sample is of it; of equal
            ones the lowest is taken, as the daemon does.

    Returns:
        NaN for a class of which there is no sample, or nothing else, and where no threshold keeps
        `precision`: no score is at least NaN.

    Raises:
        BadValue: shapes that differ, NaN, an objective without what it needs.
    """
    matrix = _matrix(scores)
    classes = numbers(
        labels, "<i8", "labels", n=len(matrix), low=0, high=matrix.shape[1] - 1
    )
    given = {"beta": beta, "cost": cost, "precision": precision, "recall": recall}
    rate = _rate(objective, given)
    return np.array(
        [_best(matrix[:, c], classes == c, rate) for c in range(matrix.shape[1])], dtype=np.float64
    )


def _matrix(scores: Any) -> NDArray[np.float64]:
    array = to_array(scores, "scores")
    if array.ndim != 2 or 0 in array.shape:
        raise BadValue(
            f"scores has shape {array.shape}: one row for each sample is needed, shape (n, classes); "
            "for two classes and one score see Client.threshold",
            "scores",
        )
    if array.dtype.kind not in "fiu":  # lists
        array = np.stack([numbers(row, "<f8", f"scores[{i}]") for i, row in enumerate(array)])
    matrix = np.asarray(array, dtype=np.float64)
    if not np.isfinite(matrix).all():
        i, c = np.argwhere(~np.isfinite(matrix))[0]
        raise BadValue(f"scores[{i}, {c}] is {matrix[i, c]}: all must be finite", "scores")
    return matrix


def _best(scores: NDArray[np.float64], positive: NDArray[np.bool_], rate: Rate) -> float:
    """From above, so that of equal ones the last is the lowest."""
    positives, negatives = float(positive.sum()), float((~positive).sum())
    if positives == 0 or negatives == 0:
        return np.nan
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    hits = np.append(0.0, np.cumsum(positive[order])[ends])
    alarms = np.append(0.0, ends + 1.0) - hits
    beyond = max(falling[0] + 1, np.nextafter(falling[0], np.inf))
    value, then = rate(hits, alarms, positives, negatives)
    best = np.flatnonzero(value == value.max())
    best = best[then[best] == then[best].max()]
    if value.max() == -np.inf:
        return np.nan
    return float(np.append(beyond, falling[ends])[best[-1]])


def _number(name: str, value: Any, low: float, high: float) -> float:
    """A term within its bounds, both included; but beta must be over 0."""
    number = float(numbers([value], "<f8", name)[0])
    if not low <= number <= high or (name == "beta" and number == 0):
        raise BadValue(f"{name} is {number}: it goes from {low:g} to {high:g}", name)
    return number


def _rate(objective: str, given: dict[str, Any]) -> Rate:
    """What is to be as great as possible, and of equal ones what next."""
    if objective not in OBJECTIVES:
        raise BadValue(
            f'there is no objective "{objective}": there are {", ".join(OBJECTIVES)}', "objective"
        )
    term = _TERM.get(objective)
    for name, value in given.items():
        if (value is not None) != (name == term):
            says = "needs" if name == term else "has nothing to do with"
            raise BadValue(f'the objective "{objective}" {says} {name}=', name)
    if objective == "cost":
        return _cost(given["cost"])
    if objective == "balanced-accuracy":
        return lambda hits, alarms, p, n: ((hits / p + (n - alarms) / n) / 2, np.zeros_like(hits))
    if objective in ("f1", "f-beta"):
        square = _number("beta", given["beta"], 0, 1e6) ** 2 if term else 1.0
        return lambda hits, alarms, p, n: (
            (1 + square) * hits / ((1 + square) * hits + square * (p - hits) + alarms),
            np.zeros_like(hits),
        )
    least = _number(str(term), given[str(term)], 0, 1)

    def keeping(hits: Counts, alarms: Counts, p: float, n: float) -> tuple[Counts, Counts]:
        recall, precision = hits / p, hits / np.maximum(hits + alarms, 1)
        first, second = (recall, precision) if term == "precision" else (precision, recall)
        return np.where((second if term == "precision" else recall) >= least, first, -np.inf), second

    return keeping


def _cost(cost: Any) -> Rate:
    matrix = to_array(cost, "cost")
    if matrix.shape != (2, 2):
        raise BadValue(
            "cost must be two rows of two numbers: what a sample of another class costs that is not "
            "taken for this one and that is, then the same of this one: [[0, 1], [10, 0]]",
            "cost",
        )
    rest, alarm, miss, hit = numbers(
        matrix.reshape(-1), "<f8", "cost", low=-_MOST_COST, high=_MOST_COST
    )
    return lambda hits, alarms, p, n: (
        -(((n - alarms) * rest + alarms * alarm + (p - hits) * miss + hits * hit) / (p + n)),
        np.zeros_like(hits),
    )

"""imbalanced-learn 0.10's selections for oracle_select.py: its samplers, repaired and not, what they are
asked for, and sets to ask them about."""

from __future__ import annotations

import inspect
import textwrap
from importlib import import_module
from typing import Any

import imblearn.under_sampling as under
import numpy as np
from selecting import select
from sklearn.datasets import make_classification

# Which class is the smallest on a tie: the first one met instead of the one that is no target.
SMALLEST = ("min(target_stats, key=target_stats.get)", "min(sorted(target_stats), key=target_stats.get)")
# A list of neighbours' labels is taken for one of truths: "is the label 0" instead of "is it another".
NCR = ("np.all(nnhood_label, axis=1)", "np.all(nnhood_label_majority, axis=1)")
# Numbers of samples are taken for places in their class.
PLACES = "np.flatnonzero(np.isin(idx_maj, idx_maj_sample))"
SKIP = [
    ("good_classif_label = idx_maj_sample.copy()", f"good_classif_label = {PLACES}"),
    ("np.append(idx_maj_sample, np.flatnonzero", f"np.append({PLACES}, np.flatnonzero"),
]
REPAIRS: dict[type, list[tuple[str, str]]] = {
    under.RepeatedEditedNearestNeighbours: [SMALLEST],
    under.AllKNN: [SMALLEST],
    under.NeighbourhoodCleaningRule: [SMALLEST, NCR],
    under.NearMiss: [SMALLEST],
    under.CondensedNearestNeighbour: [SMALLEST, *SKIP],
    under.OneSidedSelection: [SMALLEST],
}


def repaired(kind: type) -> type:
    if kind not in REPAIRS:
        return kind
    source = textwrap.dedent(inspect.getsource(kind._fit_resample))
    for old, new in REPAIRS[kind]:
        assert source.count(old) == 1
        source = source.replace(old, new)
    names: dict[str, Any] = {}
    exec(source, vars(import_module(kind.__module__)), names)
    return type(kind.__name__, (kind,), names)


THEIRS: dict[str, type] = {
    "tomek": under.TomekLinks,
    "enn": under.EditedNearestNeighbours,
    "renn": under.RepeatedEditedNearestNeighbours,
    "allknn": under.AllKNN,
    "ncr": under.NeighbourhoodCleaningRule,
    "nearmiss-1": under.NearMiss,
    "nearmiss-2": under.NearMiss,
    "nearmiss-3": under.NearMiss,
    "cnn": under.CondensedNearestNeighbour,
    "oss": under.OneSidedSelection,
}
NAMES = {
    "k": "n_neighbors",
    "vote": "kind_sel",
    "max_iterations": "max_iter",
    "allow_minority": "allow_minority",
    "threshold": "threshold_cleaning",
    "candidates": "n_neighbors_ver3",
    "seeds": "n_seeds_S",
    "targets": "sampling_strategy",
}

# What each method is asked for: the defaults, and its parameters. "last": the class with the highest
# number, if that is not the smallest, else the one before.
EDIT: list[dict[str, Any]] = [
    {},
    {"vote": "mode"},
    {"k": 1},
    {"k": 5, "vote": "mode"},
    {"targets": "all", "vote": "mode"},
    {"targets": "majority"},
    {"targets": "not majority"},
    {"targets": "last"},
]
CASES: dict[str, list[dict[str, Any]]] = {
    "tomek": [{}, {"targets": "all"}, {"targets": "majority"}, {"targets": "last"}],
    "enn": EDIT,
    "renn": [*EDIT, {"max_iterations": 2}],
    "allknn": [*EDIT, {"allow_minority": True}],
    "ncr": [*EDIT, {"threshold": 0.2}, {"threshold": 0.1, "vote": "mode"}],
    "nearmiss-1": [{}, {"k": 5}, {"targets": "all"}, {"targets": "majority"}, {"targets": "counts"}],
    "nearmiss-2": [{}, {"k": 5}, {"targets": "all"}, {"targets": "not majority"}, {"targets": "counts"}],
    "nearmiss-3": [
        {},
        {"candidates": 7},
        {"k": 2, "candidates": 5},
        {"targets": "all"},
        {"targets": "counts"},
    ],
    "cnn": [{}, {"seeds": 3}, {"targets": "majority"}, {"targets": "last"}],
    "oss": [{}, {"seeds": 3}, {"targets": "majority"}, {"targets": "last"}],
}


def smallest(y: np.ndarray) -> int:
    counts = np.bincount(y)
    return int(np.flatnonzero(counts == counts[counts > 0].min())[0])


def targets(y: np.ndarray, word: str) -> Any:
    last = max(c for c in np.unique(y) if c != smallest(y))
    if word == "last":
        return [int(last)]
    return {int(last): int((y == last).sum()) // 2, smallest(y): 2} if word == "counts" else word


def seeds_of(y: np.ndarray, count: int, chosen: Any, state: int) -> np.ndarray | None:
    """What its samplers begin with; None where one is drawn twice."""
    random = np.random.RandomState(state)
    classes, counts = np.unique(y, return_counts=True)
    if chosen == "majority":
        chosen = [classes[counts.argmax()]]
    elif isinstance(chosen, str):
        chosen = [c for c in classes if c != smallest(y)]
    first = []
    for c in sorted(chosen):
        members = np.flatnonzero(y == c)
        first += list(members[random.randint(low=0, high=len(members), size=count)])
    return np.array(first) if len(set(first)) == len(first) else None


def both(
    x: np.ndarray,
    y: np.ndarray,
    method: str,
    asked: dict[str, Any],
    repair: bool = True,
    exact: bool = False,
) -> tuple[set[int], set[int]]:
    """What imbalanced-learn keeps, and what evendraw keeps."""
    options = {**asked, "targets": targets(y, asked.get("targets", "not minority"))}
    given = {NAMES[name]: value for name, value in options.items()}
    if method.startswith("nearmiss"):
        given["version"] = int(method[-1])
    if method in ("cnn", "oss"):
        state = 7
        while (first := seeds_of(y, options.get("seeds", 1), options["targets"], state)) is None:
            state += 1
        given["random_state"], options["first"] = state, first
    kind = repaired(THEIRS[method]) if repair else THEIRS[method]
    sampler = kind(**given)
    rows = np.arange(len(x), dtype=float)[:, None]
    sampler.fit_resample(np.hstack([x, rows]) if exact else x, y)
    kept, _ = select(np.ascontiguousarray(x), y, method, **options)
    return set(sampler.sample_indices_.tolist()), set(kept.tolist())


# ---- sets ----


def own_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Those of its own tests."""
    found = {}
    folder = "imblearn.under_sampling._prototype_selection.tests.test_"
    names = ["allknn", "condensed_nearest_neighbour", "edited_nearest_neighbours", "nearmiss"]
    names += ["neighbourhood_cleaning_rule", "one_sided_selection"]
    names += ["repeated_edited_nearest_neighbours", "tomek_links"]
    for name in names:
        module = import_module(folder + name)
        y = module.Y if hasattr(module, "Y") else module.y
        found[name] = (np.ascontiguousarray(module.X, float), np.asarray(y))
    return found


def random_set(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of 2 to 5 classes in any order of size; every fifth with rows that are equal, every seventh with
    more columns than scikit-learn's trees take, every sixth with two classes that are smallest."""
    g = np.random.default_rng(seed)
    classes = 2 + seed % 4
    n, d = int(g.integers(100, 260)), int(g.integers(17, 30) if seed % 7 == 6 else g.integers(3, 14))
    sizes = np.sort(g.dirichlet(np.ones(classes)))[::-1] + 0.15
    x, y = make_classification(
        n,
        d,
        n_informative=3,
        n_redundant=0,
        n_classes=classes,
        n_clusters_per_class=1,
        weights=list(sizes / sizes.sum()),
        flip_y=0.08,
        class_sep=float(g.uniform(0.4, 1.2)),
        random_state=seed,
    )
    y = g.permutation(classes)[y]
    if seed % 6 == 5 and classes > 2:
        few = np.argsort(np.bincount(y))[:2]
        less = min(np.bincount(y)[few])
        drop = np.concatenate([np.flatnonzero(y == c)[less:] for c in few])
        x, y = np.delete(x, drop, axis=0), np.delete(y, drop)
    if seed % 5 == 4:
        again = g.integers(0, len(x), len(x) // 10)
        x = np.vstack([x, x[again]])
        y = np.concatenate([y, np.where(g.random(len(again)) < 0.7, y[again], g.permutation(y[again]))])
    return x, y


def distances(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared, summed from the first column to the last as evendraw_features.h says."""
    total = np.zeros((len(x), len(others)))
    for column in range(x.shape[1]):
        total += (x[:, None, column] - others[None, :, column]) ** 2
    return total


def tied(x: np.ndarray) -> bool:
    near = np.sort(distances(x, x), axis=1)[:, :12]
    return bool((near[:, 1:] == near[:, :-1]).any())


RANDOM = [random_set(seed) for seed in range(50)]
OWN = own_sets()


def grid(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers in three columns: nearly every sample has several that are equally near."""
    g = np.random.default_rng(seed)
    y = g.permutation(np.repeat(np.arange(3), [90, 50, 25]))
    return g.integers(0, 5, (len(y), 3)) + (y[:, None] == 0).astype(float), y

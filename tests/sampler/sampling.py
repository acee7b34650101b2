"""SAMPLING.md once more: in its words and its order, written from that page alone. Slow and short.
test_sampling.py compares what it draws with what the daemon serves.

A plan is a strategy for one dataset; `batch()` of every plan is the same, `draw()` is its engine's."""

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import accumulate

from imblearn.utils import check_sampling_strategy
from sampling_pairs import Pairs  # noqa: F401 (any plan may have them)
from sampling_steps import (
    ARRIVAL,
    BOOTSTRAP,
    CLASSES,
    DRAW,
    GRID,
    MEMBER,
    ORDER,
    STEP,
    TAIL,
    Plan,
    below,
    derive,
    numbers,
    permute,
    strength,  # noqa: F401 (for tests)
)

# ---- The epoch engine ----


class Epoch(Plan):
    fixed, offset = False, 0

    def slots(self, s, kept, D=None, k=1):
        self.s, self.kept, self.first = s, kept, [0, *accumulate(s)]
        self.L, self.k = sum(s), k
        self.D = D or self.L

    def share(self, epoch):
        return [s / self.L for s in self.s]

    def draw(self, epoch, step, i):
        E = self.E(epoch)
        v, again = divmod(self.t(epoch, step, i), self.k)
        p, place = divmod(v, self.L)
        x = permute(place, self.L, derive(E, ORDER, p))
        c = bisect_right(self.first, x) - 1
        j, n, s, kept = x - self.first[c], self.n[c], self.s[c], self.kept[c]
        if self.fixed:
            j += self.offset * s
            if kept:
                return c, permute(j % n, n, derive(self.F, MEMBER, 0, c)), p
            return c, below(derive(self.F, BOOTSTRAP, j, c), n), None
        if self.s == self.kept == self.n:
            return c, j, p * self.k + again
        if j < kept:
            return c, *self.permuted(p * kept + j, E, c)
        return c, below(derive(E, BOOTSTRAP, p * s + j, c), n), None


class Smote(Epoch):
    """Its rows of neighbours are lists of sample indices, by sample; they are its pairs, too."""

    def bases(self, kept, gives, of_class, k, other):
        """gives: by class, of each member how often it is a base, or 0 and 1 if it is at random. other: of
        each sample its nearest of another class, if that is a second sample, too."""
        self.slots([n + a for n, a in zip(self.n, kept)], self.n)
        self.gives, self.of_class, self.near, self.pairs = gives, of_class, k, SecondOfBase(other)

    def draw_base(self, E, p, c, j):
        gives = self.gives[c]
        if self.in_turn:
            return bisect_right([*accumulate(gives)], j - self.n[c])
        some = [i for i, g in enumerate(gives) if g]
        return some[below(derive(E, BOOTSTRAP, p * self.s[c] + j, c), len(some))]

    def draw(self, epoch, step, i):
        E = self.E(epoch)
        p, place = divmod(self.t(epoch, step, i), self.L)
        x = permute(place, self.L, derive(E, ORDER, p))
        c = bisect_right(self.first, x) - 1
        j = x - self.first[c]
        self.made = j >= self.n[c]
        if self.made:
            return c, self.draw_base(E, p, c, j), None
        return c, self.permuted(p * self.n[c] + j, E, c)[0], None

    def probability(self, epoch, c, j):
        return None


class SecondOfBase:
    def __init__(self, other):
        self.other = other

    def draw(self, plan, index, c, uv):
        u, v = uv
        other = self.other and v & 1
        share = v >> (41 if other else 40) if plan.made else 0
        if not share:
            return index, c, 0, 0
        j = self.other[index] if other else plan.of_class[index][below(u, plan.near)]
        return j, plan.label[j], share / 2**24, 0


def smote(plan, of_class, of_all=None, k=5, m=10, variant="regular", sampling_strategy="auto"):
    add = [more or 0 for more in sizes(plan, sampling_strategy, "over-sampling")]
    label = {i: c for c, members in enumerate(plan.members) for i in members}
    gives = [[1] * n for n in plan.n]
    for c in range(plan.C):
        if not add[c] or variant == "regular":
            continue
        first = k if variant == "adasyn" else m
        others = [sum(label[j] != c for j in of_all[i][:first]) for i in plan.members[c]]
        gives[c] = [int(first <= 2 * o < 2 * first) for o in others]
        if variant == "adasyn":
            gives[c] = [round(Fraction(o * add[c], sum(others))) for o in others]
            add[c] = sum(gives[c])
    other = None
    if variant == "borderline-2":
        other = {i: next(j for j in of_all[i] if label[j] != c) for i, c in label.items()
                 if any(label[j] != c for j in of_all[i])}
    plan.in_turn, plan.label = variant == "adasyn", label
    plan.bases(add, gives, of_class, k, other)


# ---- The quota engine ----


def quotients(a, B):
    found = []
    while a:
        found.append(B // a)
        a, B = B % a, a
    return max(found), sum(found)


def stride(B):
    c = below(0x9E3779B97F4A7C15, B)
    candidates = [c] + [c + sign * d for d in range(1, 65) for sign in (1, -1)][:-1]
    good = [a for a in candidates if 0 < a < B and math.gcd(a, B) == 1]
    return min(good, key=lambda a: quotients(a, B), default=1)


class Quota(Plan):
    ordered = whole = True

    def quotas(self, w, D, least):
        self.w, self.D, self.least, self.counted = w, D, least, {}

    def B(self, epoch):
        return self.head(epoch) or self.D // self.G

    def k(self, epoch):
        B = self.B(epoch)
        fixed = {}
        while True:
            rest = self.G * B - sum(fixed.values())
            free = [c for c in range(self.C) if self.w[c] and c not in fixed]
            whole = sum(self.w[c] for c in free)
            exact = {c: float(rest) * (self.w[c] / whole) for c in free}
            k = {c: math.floor(exact[c]) for c in free}
            largest = sorted(free, key=lambda c: (k[c] - exact[c], c))
            for c in largest[: rest - sum(k.values())]:
                k[c] += 1
            low = [c for c in free if k[c] < self.least * B]
            if not low:
                return [{**fixed, **k}.get(c, 0) for c in range(self.C)]
            fixed.update((c, self.least * B) for c in low)

    def share(self, epoch):
        return [k / (self.G * self.B(epoch)) for k in self.k(epoch)]

    def owners(self, epoch, b):
        """The classes of a step's grid points."""
        B, q = self.B(epoch), [0, *accumulate(self.k(epoch))]
        r = (below(derive(self.E(epoch), GRID), B) + stride(B) * b) % B
        return [bisect_right(q, i * B + r) - 1 for i in range(self.G)]

    def before(self, epoch, b):
        """Points of each class in the revision's earlier steps: no sum of floors, simply counted."""
        if (epoch, b) not in self.counted:
            counts = [0] * self.C
            if b:
                counts, owners = self.before(epoch, b - 1), self.owners(epoch, b - 1)
                counts = [count + owners.count(c) for c, count in enumerate(counts)]
            elif epoch > self.began[0]:
                counts = [x + y for x, y in zip(self.before(epoch - 1, 0), self.k(epoch - 1))]
            self.counted[epoch, b] = counts
        return self.counted[epoch, b]

    def draw(self, epoch, step, i):
        b = self.own_step(epoch, step)
        if self.size(epoch, step) < self.G:
            i = permute(i, self.G, derive(derive(self.E(epoch), STEP, step), TAIL))
        owners = self.owners(epoch, b)
        J = self.before(epoch, b)[owners[i]] + owners[:i].count(owners[i])
        return owners[i], *self.permuted(J, self.R, owners[i])


# ---- The independent engine ----


def alias(w):
    mass = [math.floor(2.0**63 * (x / sum(w))) for x in w]
    mass[w.index(max(w))] += 2**63 - sum(mass)
    k = (len(w) - 1).bit_length()
    capacity = 1 << 63 - k
    mass += [0] * (2**k - len(w))
    threshold, other = [capacity] * 2**k, list(range(2**k))
    small = [c for c, m in enumerate(mass) if m < capacity]
    large = [c for c, m in enumerate(mass) if m >= capacity]
    while small and large:
        c, d = small.pop(), large[-1]
        threshold[c], other[c] = mass[c], d
        mass[d] -= capacity - mass[c]
        if mass[d] < capacity:
            small.append(large.pop())
    return k, threshold, other


class Independent(Plan):
    def draws(self, w, D):
        """w: the weights, as a function of the epoch."""
        self.w, self.D = w, D

    def share(self, epoch):
        return [w / sum(self.w(epoch)) for w in self.w(epoch)]

    def draw(self, epoch, step, i):
        t = self.t(epoch, step, i)
        u = numbers(self.E(epoch), DRAW, t // 2)[t % 2]
        k, threshold, other = alias(self.w(epoch))
        bucket, rest = (u >> 1) >> 63 - k, (u >> 1) & (1 << 63 - k) - 1
        return self.found(bucket if rest < threshold[bucket] else other[bucket], u)

    def found(self, c, u):
        return c, below(u * 0x9E3779B97F4A7C15 % 2**64, self.n[c]), None


class BySample(Independent):
    def share(self, epoch):
        w = self.w(epoch)
        return [sum(w[a:b]) / sum(w) for a, b in zip(self.start, self.start[1:])]

    def found(self, place, u):
        c = bisect_right(self.start, place) - 1
        return c, place - self.start[c], None

    def probability(self, epoch, c, j):
        return self.w(epoch)[self.start[c] + j] / sum(self.w(epoch))


# ---- The cycle engine ----


class Cycle(Plan):
    def groups(self, P, K, D):
        self.P, self.K, self.D = P, K, D
        self.some = [c for c, n in enumerate(self.n) if n]

    def share(self, epoch):
        return [1 / len(self.some) if n else 0 for n in self.n]

    def before(self, epoch):
        whole = self.steps() * self.G if self.last == "drop" or self.whole else self.D
        epochs = epoch - self.began[0]
        if epochs and self.shape:
            return self.head(self.began[0]) * self.G + (epochs - 1) * whole
        return epochs * whole

    def draw(self, epoch, step, i):
        g, i = divmod(self.before(epoch) + self.t(epoch, step, i), self.P * self.K)
        p, g = divmod(g, len(self.some) // self.P)
        place = permute(g * self.P + i % self.P, len(self.some), derive(self.R, CLASSES, p))
        c = self.some[place]
        return c, *self.permuted(p * self.K + i // self.P, self.R, c)


# ---- The ordered engine ----


class Ordered(Plan):
    def orders(self, w, D, M, of_classes):
        self.of_classes, self.order = of_classes, []
        for order in range(M):
            arrival = []
            for z, weight in enumerate(w):
                u = ((derive(self.R, ARRIVAL, z, order) >> 12) + 0.5) * 2.0**-52
                if weight > 0:
                    arrival.append((-math.log(u) / weight, z))
            self.order.append([z for _, z in sorted(arrival)][:D])
        self.D = len(self.order[0])

    def share(self, epoch):
        order = self.order[epoch % len(self.order)]
        return [sum(a <= z < b for z in order) / self.D for a, b in zip(self.start, self.start[1:])]

    def probability(self, epoch, c, j):
        return None

    def draw(self, epoch, step, i):
        p, t = divmod(self.t(epoch, step, i), self.D)
        z = self.order[(epoch + p) % len(self.order)][t]
        c = bisect_right(self.start, z) - 1
        j = z - self.start[c]
        if self.of_classes:
            j = self.permuted(p * self.n[c] + j, self.E(epoch), c)[0]
        return c, j, None


# ---- Strategies ----


def whole(x):
    nearest = round(x)
    near = (x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf))
    return nearest if nearest in near else math.floor(x)


def sizes(plan, sampling_strategy, kind):
    """What imbalanced-learn's samplers keep or add, by class."""
    if isinstance(sampling_strategy, float):
        q, most, least = sampling_strategy, max(plan.n), min(n for n in plan.n if n)
        under = kind == "under-sampling"
        c = plan.n.index(most if under else least)
        if most == least:
            c = max(c for c, n in enumerate(plan.n) if n)
        new = whole(least / q) if under else whole(most * q) - least
        return [new if i == c else None for i in range(plan.C)]
    y = [c for c, n in enumerate(plan.n) for _ in range(n)]
    named = check_sampling_strategy(sampling_strategy, y, kind)
    return [int(named[c]) if c in named else None for c in range(plan.C)]


def kept(plan, sampling_strategy):
    keep = sizes(plan, sampling_strategy, "under-sampling")
    return [n if k is None else k for k, n in zip(keep, plan.n)]


def uniform(plan, repeats=1, num_samples=None):
    plan.slots(plan.n, plan.n, num_samples or plan.N, repeats)


def undersampled(plan, sampling_strategy="auto", subset="fresh", replacement=False):
    s = kept(plan, sampling_strategy)
    plan.fixed = subset == "fixed"
    plan.slots(s, [0 if replacement and k < n else k for k, n in zip(s, plan.n)])


def filled(plan, s, members):
    plan.slots(s, s if members == "balanced-repeat" else [min(k, n) for k, n in zip(s, plan.n)])


def oversampled(plan, sampling_strategy="auto", members="keep-then-bootstrap"):
    add = sizes(plan, sampling_strategy, "over-sampling")
    filled(plan, [n + (more or 0) for n, more in zip(plan.n, add)], members)


def resampled(plan, target="mean", members="keep-then-bootstrap"):
    some = sorted(n for n in plan.n if n)
    C = len(some)
    if target == "mean":
        target = (plan.N + C // 2) // C
    elif target == "median":
        target = (some[(C - 1) // 2] + some[C // 2]) // 2
    filled(plan, [target if n else 0 for n in plan.n], members)


def repeat_factor(plan, threshold=0.001, sqrt=True):
    def factor(n):
        r = threshold / (n / plan.N)
        return max(1, math.sqrt(r) if sqrt else r)

    s = [math.floor(n * factor(n) + 0.5) if n else 0 for n in plan.n]
    plan.slots(s, s)


def ensemble(plan, member=0, members=10, parts="disjoint", sampling_strategy="auto"):
    s = kept(plan, sampling_strategy)
    plan.fixed, plan.offset = True, member
    plan.slots(s, s if parts == "disjoint" else [0] * plan.C)


def stratified(plan, proportions="natural", weights=None, min_per_class=0, num_samples=None):
    w = {"natural": plan.n, "equal": [int(n > 0) for n in plan.n], "explicit": weights}
    plan.quotas(w[proportions], num_samples or plan.N, min_per_class)


def class_weights(plan, weight="inverse", alpha=0.5, beta=0.999, weights=None):
    of = {
        "inverse": lambda c, n: 1 / n,
        "sqrt-inverse": lambda c, n: 1 / math.sqrt(n),
        "power": lambda c, n: n ** (alpha - 1),
        "effective": lambda c, n: (1 - beta) / (1 - beta**n),
        "explicit": lambda c, n: weights[c],
    }[weight]
    return [of(c, n) if n else 0 for c, n in enumerate(plan.n)]


def weighted(plan, num_samples=None, **rule):
    w = [n * weight for n, weight in zip(plan.n, class_weights(plan, **rule))]
    plan.draws(lambda epoch: w, num_samples or plan.N)


def weighted_column(plan, values, num_samples=None):
    w = [values[i] for members in plan.members for i in members]
    plan.draws(lambda epoch: w, num_samples or plan.N)


def weighted_once(plan, orders=4, num_samples=None, **rule):
    by_class = class_weights(plan, **rule)
    w = [by_class[c] for c, n in enumerate(plan.n) for _ in range(n)]
    plan.orders(w, num_samples, orders, True)


def weighted_column_once(plan, values, orders=4, num_samples=None):
    w = [values[i] for members in plan.members for i in members]
    plan.orders(w, num_samples, orders, False)


def progressive(plan, schedule="linear", start=0, to=0.0, epochs=10, stages=5, decay=0.9,
                max_ratio=math.inf, **more):
    smallest = min(n for n in plan.n if n)

    def left(e):
        x = (e - start) / epochs
        if e < start:
            return 1
        if schedule == "exponential":
            return decay ** (e - start) if decay ** (e - start) > 1e-6 else 0
        if e >= start + epochs:
            return 0
        return {"linear": 1 - x, "cosine": (1 + math.cos(math.pi * x)) / 2,
                "step": 1 - math.floor(x * stages) / stages}[schedule]

    def w(epoch):
        alpha = to + (more.get("from", 1.0) - to) * left(epoch)
        return [min((n / smallest) ** alpha, max_ratio) if n else 0 for n in plan.n]

    plan.draws(w, plan.N)


def adaptive(plan, weights=None):
    w = [(weights[c] if weights else 1) if n else 0 for c, n in enumerate(plan.n)]
    plan.draws(lambda epoch: w, plan.N)


def p_by_k(plan, p=None, k=4):
    p = p or plan.G // k
    plan.whole = True
    plan.groups(p, plan.G // p, plan.N)


def class_aware(plan, num_samples=None):
    plan.groups(1, 1, num_samples or plan.N)

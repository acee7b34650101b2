"""SAMPLING.md, "Pairs", once more: the quantiles of shares, and the second sample of a draw.
test_paired.py compares it with what the daemon serves, test_beta.py with scipy."""

import math
from bisect import bisect_right

from sampling_steps import below

LN2 = float.fromhex("0x1.62e42fefa39efp-1")
ROOT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")


def log(x):
    m, e = math.frexp(x)
    if m < ROOT_HALF:
        m, e = m * 2, e - 1
    s = (m - 1) / (m + 1)
    z, t = s * s, 0.0
    for i in range(23, 0, -2):
        t = t * z + 1 / i
    return 2 * s * t + e * LN2


def exp(y):
    if y < -700:
        return 0.0
    n = math.floor(y / LN2 + 0.5)
    r, t = y - n * LN2, 1.0
    for i in range(16, 0, -1):
        t = t * r / i + 1
    return math.ldexp(t, n)


def series(a, b, x):
    t = u = 1.0
    n = 0
    while u > t * 2**-60:
        u = u * (x * (a + b + n) / (a + 1 + n))
        t += u
        n += 1
    return t


def mass(a, b, y):
    x = exp(y)
    t = series(a, b, x)
    return a * y + b * log(1 - x) + log(t / a), a / ((1 - x) * t)


def solve(a, b, g, y):
    for _ in range(60):
        value, slope = mass(a, b, y)
        d = (g - value) / slope
        y = min(y + d, -LN2)
        if abs(d) < 2**-30:
            break
    return y


def lower(a, b, c, count):
    y, q = log(c * a) / a, []
    for k in range(1, count + 1):
        y = solve(a, b, log(k * c), y)
        q.append(math.floor(exp(y) * 2**24 + 0.5))
    return q


def tail(a, b, c, q):
    if q == 0:
        return 0
    x = q / 2**24
    m = exp(mass(a + 1, b, log(x))[0]) / c
    return math.floor((2 * m - x) * 2**24 + 0.5) if m > x / 2 else 0


def quantiles(a, b):
    A, B = exp(mass(a, b, -LN2)[0]), exp(mass(b, a, -LN2)[0])
    c = (A + B) / 4096
    M = min(math.floor(A / c), 4095)
    end = [2**24 - q for q in lower(b, a, c, 4095 - M)]
    q = [*lower(a, b, c, M), *reversed(end)]
    return [tail(a, b, c, q[0]), *q, 2**24 - tail(b, a, c, 2**24 - q[-1])]


def beta(q, v):
    k, r = v >> 52, v >> 20 & 2**32 - 1
    return q[k] + ((q[k + 1] - q[k]) * r >> 32)


class Pairs:
    def __init__(self, how, alpha=None, kappa=3, tau=0.5):
        self.how, self.kappa, self.tau = how, kappa, tau
        alpha = alpha or (1 if how in ("cutmix", "remix") else 0.2)
        self.q = quantiles(alpha, 1 if how == "balanced-mixup" else alpha) if how != "none" else None

    def second(self, plan, u):
        if self.how == "balanced-mixup":
            some = [c for c, n in enumerate(plan.n) if n]
            c = some[below(u, len(some))]
            return plan.members[c][below(u * 0x9E3779B97F4A7C15 % 2**64, plan.n[c])], c
        place = below(u, plan.N)
        c = bisect_right(plan.start, place) - 1
        return plan.members[c][place - plan.start[c]], c

    def draw(self, plan, index, label, uv):
        share = beta(self.q, uv[1]) if self.q else 0
        if share == 0:
            return index, label, 0.0, 0.0
        second, c = self.second(plan, uv[0])
        x = of_label = share / 2**24
        n, m = plan.n[label], plan.n[c]
        if self.how == "remix" and n >= self.kappa * m and 1 - x < self.tau:
            of_label = 1.0
        elif self.how == "remix" and m >= self.kappa * n and x < self.tau:
            of_label = 0.0
        return second, c, x, of_label

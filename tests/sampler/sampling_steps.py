"""What all strategies of SAMPLING.md have in common: keys, permutations without memory, and the way
from a step to the ranks. For sampling.py."""

from itertools import accumulate

EPOCH, REVISION, FIXED, ORDER, MEMBER, BOOTSTRAP, DRAW, GRID, STEP, AUGMENT = range(1, 11)
CLASSES, ARRIVAL, TURN, RANK, TAIL, PAIR = range(11, 17)

# ---- Keys ----


def numbers(key, purpose, a=0, b=0):
    low = 2**32 - 1
    k0, k1 = key & low, key >> 32
    x = [a & low, a >> 32, b, purpose]
    for _ in range(10):
        p, q = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [q >> 32 ^ x[1] ^ k0, q & low, p >> 32 ^ x[3] ^ k1, p & low]
        k0, k1 = k0 + 0x9E3779B9 & low, k1 + 0xBB67AE85 & low
    return x[1] << 32 | x[0], x[3] << 32 | x[2]


def derive(key, purpose, a=0, b=0):
    return numbers(key, purpose, a, b)[0]


def below(u, n):
    return u * n >> 64


# ---- Permutation without memory ----


def permute_few(x, n, key):
    order = list(range(n))
    for i in range(n):
        j = i + below(key, n - i)
        key = key * (n - i) & 2**64 - 1
        order[i], order[j] = order[j], order[i]
    return order[x]


def permute(x, n, key):
    if n <= 16:
        return permute_few(x, n, key)
    bits = max(6, (n - 1).bit_length())
    width = bits // 2, bits - bits // 2
    while True:
        half = [x >> width[1], x & (1 << width[1]) - 1]
        k, m = key & 2**32 - 1, key >> 32
        for turn in range(12):
            to = turn % 2
            half[to] ^= ((half[1 - to] ^ k) * (m | 1) & 2**32 - 1) >> 32 - width[to]
            k, m = k + 0x9E3779B9 & 2**32 - 1, m + 0xBB67AE85 & 2**32 - 1
        x = half[0] << width[1] | half[1]
        if x < n:
            return x


# ---- From a step to the ranks ----


class Plan:
    """labels: by sample, a class below C or None. A revision that took over in mid-epoch has `began`
    (epoch, step) and `shape` (steps of that epoch, size of the last one)."""

    ordered = False  # positions of a step are ordered by class
    whole = False  # full steps only
    began, shape = (0, 0), None
    pairs = None

    def __init__(self, labels, C, G, last="short", seed=0, revision=0):
        self.members = [[i for i, label in enumerate(labels) if label == c] for c in range(C)]
        self.n = [len(members) for members in self.members]
        self.N, self.C, self.G, self.last = sum(self.n), C, G, last
        self.seed, self.revision = seed, revision
        self.R, self.F = derive(seed, REVISION, 0, revision), derive(seed, FIXED)
        self.start = [0, *accumulate(self.n)]

    def E(self, epoch):
        return derive(self.seed, EPOCH, epoch, self.revision)

    def steps(self):
        return self.D // self.G if self.last == "drop" or self.whole else -(-self.D // self.G)

    def head(self, epoch):
        """Steps that were left of the epoch, if the revision took it over."""
        return self.shape[0] - self.began[1] if self.shape and epoch == self.began[0] else 0

    def size(self, epoch, step):
        partial = self.last in ("short", "exact") and not self.whole and self.D % self.G
        steps, size = self.steps(), partial or self.G
        if self.head(epoch):
            steps, size = self.shape
        return size if step == steps - 1 else self.G

    def own_step(self, epoch, step):
        return step - self.began[1] if epoch == self.began[0] else step

    def t(self, epoch, step, i):
        t = self.own_step(epoch, step) * self.G + i
        return t % self.D if self.last == "pad" and not self.head(epoch) else t

    def batch(self, epoch, step, rank=0, W=1):
        """Rows (index, label, repeat, augment_seed, probability) of a rank, with pairs also (mix_index,
        mix_label, mix_lambda, mix_label_lambda); augment_strength is `strength(repeat)`."""
        key = derive(self.E(epoch), STEP, step)
        size, o = self.size(epoch, step), below(derive(key, TURN), self.G)
        rows = []
        for slot in range(rank, self.G, W):
            i = (slot - o) % self.G
            if i < size:
                c, j, repeat = self.draw(epoch, step, i)
                seed = derive(self.E(epoch), AUGMENT, step, i)
                chance = self.probability(epoch, c, j)
                row = self.members[c][j], c, repeat, seed, chance
                if self.pairs:
                    row += self.pairs.draw(self, *row[:2], numbers(self.E(epoch), PAIR, step, i))
                rows.append(row)
        if not self.ordered:
            return rows
        key, placed = derive(key, RANK, rank, W), list(rows)
        for k, row in enumerate(rows):
            placed[permute(k, len(rows), key)] = row
        return placed

    def probability(self, epoch, c, j):
        return self.share(epoch)[c] / self.n[c]

    def permuted(self, J, key, c):
        """Ordinals and members: who it is, and how often it came before."""
        n = self.n[c]
        return permute(J % n, n, derive(key, MEMBER, J // n, c)), J // n


def strength(repeat):
    return 1 - 1 / (1 + repeat)

"""Slow, obvious oracles for the metrics.  Shares no code with the library."""

import itertools
import math
from fractions import Fraction


def mean(values, weights):
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / math.fsum(weights)


def ones(values):
    return [1] * len(values)


def log_loss(y, p, weights=None):
    eps = 2.0**-52
    clipped = [min(max(float(pi), eps), 1 - eps) for pi in p]
    costs = [-math.log(pi if yi == 1 else 1 - pi) for yi, pi in zip(y, clipped, strict=True)]
    return mean(costs, weights or ones(y))


def normalized_entropy(y, p, weights=None):
    rate = mean(y, weights or ones(y))
    entropy = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
    return log_loss(y, p, weights) / entropy


def calibration(y, p, weights=None):
    return mean(p, weights or ones(y)) / mean(y, weights or ones(y))


def roc_auc(y, p, weights=None):
    """Every pair of a click and a non-click, one by one."""
    rows = list(zip(y, p, map(Fraction, weights or ones(y)), strict=True))
    clicks = [(pi, w) for yi, pi, w in rows if yi == 1]
    others = [(pi, w) for yi, pi, w in rows if yi == 0]
    wins = sum(v * w * (2 if a > b else 1 if a == b else 0) for a, v in clicks for b, w in others)
    return float(wins / 2 / sum(v * w for _, v in clicks for _, w in others))


def grouped_roc_auc(y, p, groups, weights=None):
    """None if no group has both labels."""
    areas, sizes = [], []
    for group in set(groups):
        rows = [
            row for row in zip(y, p, weights or ones(y), groups, strict=True) if row[3] == group
        ]
        if {yi for yi, _, w, _ in rows if w > 0} == {0, 1}:
            y_of, p_of, w_of, _ = zip(*rows, strict=True)
            areas.append(roc_auc(y_of, p_of, w_of))
            sizes.append(math.fsum(w_of))
    return mean(areas, sizes) if areas else None


def orders(scores):
    """Every order of the items in which no score comes before a higher one."""
    for order in itertools.permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            yield order


def recall(gains, order, k):
    return sum(gains[item] > 0 for item in order[:k]) / sum(gain > 0 for gain in gains)


def dcg(gains, order, k):
    return sum(gains[item] / math.log2(place + 1) for place, item in enumerate(order[:k], 1))


def ndcg(gains, order, k):
    best = sorted(range(len(gains)), key=lambda item: -gains[item])
    return dcg(gains, order, k) / dcg(gains, best, k)


def over_users(metric, relevant, orders_of_users, k, weights=None):
    """The mean over users who have a relevant item, and over the orders of each; None for none."""
    values, counts = [], []
    rows = zip(relevant, orders_of_users, weights or ones(relevant), strict=True)
    for gains, user_orders, weight in rows:
        if any(gains) and weight > 0:
            each = [metric(gains, order, k) for order in user_orders]
            values.append(math.fsum(each) / len(each))
            counts.append(weight)
    return mean(values, counts) if values else None

"""Slow, obvious oracles for the metrics.  Shares no code with the library."""

import math


def log_loss(y, p):
    eps = 2.0**-52
    clipped = [min(max(float(pi), eps), 1 - eps) for pi in p]
    return -sum(
        math.log(pi) if yi == 1 else math.log(1 - pi) for yi, pi in zip(y, clipped, strict=True)
    ) / len(y)


def roc_auc(y, p):
    """Every pair of a click and a non-click, one by one."""
    clicks = [pi for yi, pi in zip(y, p, strict=True) if yi == 1]
    others = [pi for yi, pi in zip(y, p, strict=True) if yi == 0]
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in clicks for b in others)
    return wins / (len(clicks) * len(others))

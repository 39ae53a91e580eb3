#!/usr/bin/env python3
"""How often intervals of several methods hold the true value of a ratio of sums over documents.

usage: compare_intervals.py [SAMPLES]

Documents have lengths that differ by a factor of twelve and means that differ by a third (lognormal); the true value is
that of 400 of them, of which each sample draws some. Prints the share of SAMPLES (1,000) intervals of 95 % that hold it.
Needs numpy.
"""

import sys
from statistics import NormalDist

import numpy as np

DRAWS = 1000
STUDENT = {8: 2.365, 12: 2.201, 20: 2.093, 60: 2.001}  # 97.5 % quantiles of Student's t of one degree less


def error(values, lengths):
    ratio = (values.sum(-1) / lengths.sum(-1))[..., None]
    count = values.shape[-1]
    rest = values - ratio * lengths
    return np.sqrt(count / (count - 1) * (rest * rest).sum(-1)) / lengths.sum(-1)


def intervals(values, lengths, random):
    count = len(values)
    found, spread = values.sum() / lengths.sum(), error(values, lengths)
    places = random.integers(0, count, (DRAWS, count))
    drawn = values[places].sum(1) / lengths[places].sum(1)
    errors = error(values[places], lengths[places])
    usable = errors > 1e-9 * spread
    quotients = (drawn[usable] - found) / errors[usable]
    low, high = np.quantile(quotients, [0.025, 0.975])
    reach = np.quantile(abs(quotients), 0.95) * spread
    normal = NormalDist()
    bias = normal.inv_cdf(min(max((drawn < found).mean(), 1 / DRAWS), 1 - 1 / DRAWS))
    without = (values.sum() - values) / (lengths.sum() - lengths)
    rest = without.mean() - without
    skew = (rest**3).sum() / (6 * (rest * rest).sum() ** 1.5)
    corrected = [normal.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in (-1.96, 1.96)]
    return {
        "quantiles": np.quantile(drawn, [0.025, 0.975]),
        "BCa": np.quantile(drawn, corrected),
        "Student's t": (found - STUDENT[count] * spread, found + STUDENT[count] * spread),
        "studentized, equal tails": (found - high * spread, found - low * spread),
        "studentized, symmetric": (found - reach, found + reach),
    }


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    random = np.random.default_rng(1)
    lengths = random.integers(1, 13, 400) * 255.0
    values = lengths * 0.05 * np.exp(0.33 * random.normal(size=400))
    true = values.sum() / lengths.sum()
    print("| documents | " + " | ".join(intervals(values[:8], lengths[:8], random)) + " |")
    print("|---:" * 6 + "|")
    for count in STUDENT:
        held = {}
        for _ in range(samples):
            places = random.integers(0, 400, count)
            for name, (low, high) in intervals(values[places], lengths[places], random).items():
                held[name] = held.get(name, 0) + (low <= true <= high)
        print(f"| {count} | " + " | ".join(f"{100 * share / samples:.1f} %" for share in held.values()) + " |")


if __name__ == "__main__":
    main()

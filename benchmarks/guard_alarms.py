"""False-alarm rate of the guard over a whole run, and its power: a simulation of its tests.

    python benchmarks/guard_alarms.py [--runs 2000]

The reward metric rises at every check, as it does in a training for it: an alarm is then that of the held-out metric
alone. Its scores differ from the base's by normal noise of one unit, with a correlation of 0.5 from one check to the
next, as of a network that goes on learning, and of 0.5 between the windows of one image where there are several. For
the power every image falls by so many units from the first check on.

The second table is that of gains that nobody can see, in units of the distance to the ground truths: each check of a
run sees so much more of a whole gain, and the loss of JOD to the base grows with its square, as small changes do. The
gain differs from image to image by a third of itself and by noise of 0.05 units.
"""

import argparse
import math

import torch
from torch import Tensor

from iqa_sr.guard.options import GuardOptions
from iqa_sr.stats.permutation_test import WAYS, sign_flip_p_value

OPTIONS = GuardOptions(held_out=["niqe"])
SIGNIFICANCE = OPTIONS.significance
LIKENESS = 0.5
# Gain and loss of JOD at a run's end, as blindness.py measures them: of blends of a network's results with their ground
# truths (5, 10, 20, 50 %), by the metric that gains most; of gains at the limit and above; of attacks on the results.
GAINS = ((0.09, 0), (0.18, 0.005), (0.35, 0.028), (0.78, 0.161), (0.2, 0), (0.4, 0), (0.92, 0.019), (2.03, 0.125))


def p_values(differences: Tensor) -> Tensor:
    """`sign_flip_p_value` of each row of `(runs, units)` at once: `(runs,)`."""
    units = differences.shape[1]
    if 2**units <= WAYS:
        bits = torch.arange(2**units)[:, None] >> torch.arange(units) & 1
        signs = (2 * bits - 1).double()
        extra = 0  # the way that was observed is one of them
    else:
        generator = torch.Generator().manual_seed(0)
        signs = (2 * torch.randint(2, (WAYS, units), generator=generator) - 1).double()
        extra = 1
    reached = (differences @ signs.T >= differences.sum(1, keepdim=True) - 1e-12).sum(1)
    return (reached + extra) / (len(signs) + extra)


def alarms(runs: int, images: int, checks: int, fall: float = 0.0, windows: int = 1) -> tuple[float, float]:
    """The share of simulated runs with an alarm at any check: without a correction for the checks, and with it."""
    generator = torch.Generator().manual_seed(0)
    noise = _noise(generator, runs, images, windows)
    least = torch.ones(runs, dtype=torch.float64)
    for _ in range(checks):
        least = torch.minimum(least, p_values(noise + fall))
        noise = LIKENESS * noise + math.sqrt(1 - LIKENESS**2) * _noise(generator, runs, images, windows)
    plain, corrected = (float((factor * least <= SIGNIFICANCE).double().mean()) for factor in (1, checks))
    return plain, corrected


def unseen_alarms(runs: int, images: int, checks: int, gain: float, seen: float) -> tuple[float, float]:
    """The share of simulated runs with an alarm for a gain that nobody can see: at the first check, and at any."""
    assert OPTIONS.unseen_gain is not None
    generator = torch.Generator().manual_seed(0)
    own = 1 + torch.randn(runs, images, generator=generator, dtype=torch.float64) / 3
    found = []
    for check in range(1, checks + 1):
        part = check / checks
        noise = 0.05 * torch.randn(runs, images, generator=generator, dtype=torch.float64)
        accounted = OPTIONS.unseen_gain + OPTIONS.gain_per_jod * seen * part**2 * own**2
        found.append(checks * p_values(gain * part * own + noise - accounted) <= SIGNIFICANCE)
    return float(found[0].double().mean()), float(torch.stack(found).any(0).double().mean())


def _noise(generator: torch.Generator, runs: int, images: int, windows: int) -> Tensor:
    own = torch.randn(runs, images * windows, generator=generator, dtype=torch.float64)
    shared = torch.randn(runs, images, generator=generator, dtype=torch.float64).repeat_interleave(windows, 1)
    return own if windows == 1 else math.sqrt(1 - LIKENESS) * own + math.sqrt(LIKENESS) * shared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    sample = torch.randn(3, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert p_values(sample).tolist() == [sign_flip_p_value(row) for row in sample]
    print("| images | checks | false alarms, not corrected | corrected | fall of 0.5 found | of 1 | of 1.5 |")
    print("|---|---|---|---|---|---|---|")
    for images, checks in ((8, 6), (12, 6), (24, 6), (100, 6), (12, 20), (24, 20), (100, 20)):
        plain, corrected = alarms(runs, images, checks)
        found = [alarms(runs, images, checks, fall)[1] for fall in (0.5, 1.0, 1.5)]
        shares = " | ".join(f"{100 * share:.1f} %" for share in (plain, corrected, *found))
        print(f"| {images} | {checks} | {shares} |", flush=True)
    for checks in (3, 6):
        plain, corrected = alarms(runs, 2, checks, windows=3)
        told = "none can be" if checks == 6 else f"{100 * corrected:.1f} %, told"
        print(f"| 2, of three windows | {checks} | {100 * plain:.1f} % | {told} | | | |", flush=True)
    print("\n| images | checks | gain at the end | JOD to the base then | alarm at the first check | at any |")
    print("|---|---|---|---|---|---|")
    for gain, seen in GAINS:
        for checks in (1, 6):
            first, at_any = (f"{100 * share:.1f} %" for share in unseen_alarms(runs, 12, checks, gain, seen))
            print(f"| 12 | {checks} | {gain:g} | {10 - seen:.3f} | {first} | {at_any} |", flush=True)


if __name__ == "__main__":
    main()

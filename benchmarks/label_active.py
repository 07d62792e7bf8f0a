"""Answers that active order needs for the width of the intervals that random order reaches, of simulated raters.

Hidden scores of the versions are at even distances, as of checkpoints of a training, or drawn from a normal
distribution, and scaled so that a rater with Thurstone's noise prefers the better of two versions in the wanted share
of all pairs. Each content adds to each version a deviation of its own. The width is the mean over the versions of the
95 % interval of the Bradley-Terry scores, contents drawn; "at best" is what the best choice of pairs would need that
knows the hidden scores beforehand. As it says nothing of whether the scores are right, the
error is measured, too: the root mean square difference of the chances that scores predict, from the true ones.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, ndtr, softmax

from iqa_sr.stats.bradley_terry import PRIOR_DEVIATION, bradley_terry, fit_scores, posterior
from iqa_sr.stats.next_pair import next_pair

CONTENT_DEVIATION = 0.3  # of a version on a content, in standard deviations of a rater's noise
STEP = 10  # answers between two looks at the width
RESAMPLES = 400


@dataclass(frozen=True)
class Rater:
    """A simulated rater.

    Attributes:
        hidden: `(U, K)`, quality of each version of each content, in standard deviations of the noise.
        seed: Seed of the answers.
    """

    hidden: np.ndarray
    seed: int

    def chances(self) -> np.ndarray:
        """`(K, K)`: chance that the row's version is preferred, averaged over the contents."""
        return np.asarray(ndtr((self.hidden[:, :, None] - self.hidden[:, None, :]) / np.sqrt(2)).mean(axis=0))


@dataclass(frozen=True)
class Course:
    """What becomes of a session.

    Attributes:
        widths: `(T,)`, mean width of the intervals after `STEP`, 2 `STEP`, ... answers, in logits.
        errors: `(T,)`, root mean square difference of the predicted chances of all pairs from the true ones.
    """

    widths: np.ndarray
    errors: np.ndarray


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--reliability", nargs="+", type=float, default=[0.75, 0.8, 0.85, 0.9, 0.95], metavar="SHARE")
    parser.add_argument("--hidden", choices=["even", "normal"], default="even", help="hidden scores (default even)")
    parser.add_argument("--versions", type=int, default=8, metavar="K")
    parser.add_argument("--contents", type=int, default=40, metavar="N")
    parser.add_argument("--answers", type=int, default=400, metavar="N", help="of random order (default 400)")
    parser.add_argument("--seeds", type=int, default=12, metavar="N", help="raters of each reliability (default 12)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first rater (default 0)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    print(f"{args.versions} versions ({args.hidden}), {args.contents} contents, {args.seeds} raters in each line")
    print(f"right  random order, {args.answers} answers      active order, answers for the same")
    print("            width     error           width           error   width at best")
    found = {}
    for reliability in args.reliability:
        courses: dict[str, list[Course]] = {"random": [], "active": []}
        raters = [
            simulated_rater(args.hidden, args.versions, args.contents, reliability, args.seed + number)
            for number in range(args.seeds)
        ]
        for rater in raters:
            for order in courses:
                courses[order].append(session(rater, order, args.answers))
        one = compare(courses["random"], courses["active"])
        found[f"{reliability:g}"] = one
        one["at_best"] = float(np.mean([at_best(rater, args.answers) for rater in raters]))
        names = ("for_width", "for_error", "at_best")
        shares = [f"{one[name]:.0f} ({100 * one[name] / args.answers:.0f} %)" for name in names]
        cells = "".join(f"{share:>16}" for share in shares)
        print(f"{reliability:5.2f}{one['width']:12.3f}{one['error']:10.4f}{cells}", flush=True)
    return found


def simulated_rater(hidden: str, versions: int, contents: int, reliability: float, seed: int) -> Rater:
    """A rater who prefers the better version in the share `reliability` of all pairs, 0.5 to 1."""
    generator = np.random.default_rng(seed)
    drawn = generator.normal(size=versions)
    scores = np.linspace(-1, 1, versions)[generator.permutation(versions)] if hidden == "even" else drawn
    deviations = CONTENT_DEVIATION * generator.normal(size=(contents, versions))
    row, column = np.triu_indices(versions, 1)

    def excess(spread: float) -> float:
        chances = Rater(spread * scores + deviations, seed).chances()[row, column]
        return float(np.where(scores[row] > scores[column], chances, 1 - chances).mean()) - reliability

    return Rater(float(brentq(excess, 0, 100)) * scores + deviations, seed)


def session(rater: Rater, order: str, answers: int) -> Course:
    """Ask so many questions in random or active order, as `iqa-sr label` does, without known pairs and repeats.

    No question comes twice; active order takes a content that was asked for least.
    """
    contents, versions = rater.hidden.shape
    generator, noise = np.random.default_rng((rater.seed, 1)), np.random.default_rng((rater.seed, 2))
    pairs = list(combinations(range(versions), 2))
    everything = [(*pairs[one % len(pairs)], one // len(pairs)) for one in generator.permutation(len(pairs) * contents)]
    open_contents = {pair: generator.permutation(contents).tolist() for pair in pairs}
    true, counts = rater.chances(), [0] * contents
    wins = np.zeros((versions, versions))
    asked: list[tuple[int, int, float, int]] = []
    widths, errors = [], []
    for number in range(1, answers + 1):
        if order == "random":
            first, second, content = everything[number - 1]
        else:
            allowed = np.zeros((versions, versions), bool)
            for pair, left in open_contents.items():
                allowed[pair] = bool(left)
            first, second = next_pair(posterior(wins), generator, allowed)
            content = min(open_contents[first, second], key=counts.__getitem__)
            open_contents[first, second].remove(content)
            counts[content] += 1
        difference = rater.hidden[content, first] - rater.hidden[content, second]
        share = float(difference + np.sqrt(2) * noise.normal() > 0)
        wins[first, second] += share
        wins[second, first] += 1 - share
        asked.append((first, second, share, content))
        if number % STEP == 0:
            columns = [np.array(column) for column in zip(*asked, strict=True)]
            widths.append(bradley_terry(versions, *columns, resamples=RESAMPLES).width)
            scores = fit_scores(wins)
            predicted = expit(scores[:, None] - scores[None, :])
            errors.append(float(np.sqrt(np.square(predicted - true).mean())))
    return Course(np.array(widths), np.array(errors))


def compare(random: Sequence[Course], active: Sequence[Course]) -> dict[str, float]:
    """Width and error at the end of random order, and the answers after which active order has reached them.

    Means over the raters are compared; between two looks they are taken to be straight.
    """
    width, error = (float(np.mean([getattr(one, name)[-1] for one in random])) for name in ("widths", "errors"))
    reached = [
        first_at_most(np.mean([getattr(one, name) for one in active], axis=0), limit)
        for name, limit in (("widths", width), ("errors", error))
    ]
    return {"width": width, "error": error, "for_width": reached[0], "for_error": reached[1]}


def at_best(rater: Rater, answers: int) -> float:
    """Answers that give the width of so many in random order, if pairs are asked as often as is best for the width.

    Of the posterior's width by the expected information, which is not the bootstrap's: orders may seem to do a little
    better than that.
    """
    chances = rater.chances()
    scores = fit_scores(answers * (chances - np.diag(np.diag(chances))))
    versions = len(scores)
    row, column = np.triu_indices(versions, 1)
    chance = expit(scores[row] - scores[column])
    edges = np.eye(versions)[row] - np.eye(versions)[column]  # (pairs, K)

    def width(asked: np.ndarray) -> float:
        information = (edges.T * (asked * chance * (1 - chance))) @ edges + np.eye(versions) / PRIOR_DEVIATION**2
        centered = np.eye(versions) - 1 / versions
        return float(np.sqrt(np.diag(centered @ np.linalg.inv(information) @ centered)).mean())

    even = width(np.full(len(row), answers / len(row)))
    best = minimize(lambda logits: width(answers * softmax(logits)), np.zeros(len(row)), method="L-BFGS-B").x
    return float(brentq(lambda count: width(count * softmax(best)) - even, 0, 2 * answers))


def first_at_most(curve: np.ndarray, limit: float) -> float:
    """Answers from which on a curve stays at or below a limit; NaN if it ends above it."""
    above = np.flatnonzero(curve > limit)
    if not len(above):
        return float(STEP)
    last = int(above[-1])
    if last + 1 == len(curve):
        return float("nan")
    return float(STEP * (last + 1 + (curve[last] - limit) / (curve[last] - curve[last + 1])))

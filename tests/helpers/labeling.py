"""Small data sets to label, and raters who answer without looking."""

import cv2

from tests.helpers.sr_datasets import make_image, save


def write_versions(root, count=6, versions=("a", "b", "c"), size=64):
    """Folders of the same images, each blurred a little more than the one before; returns the root."""
    for number in range(count):
        pixels = make_image(number, size)
        for strength, version in enumerate(versions):
            blurred = cv2.GaussianBlur(pixels, (0, 0), strength) if strength else pixels
            save(root / version / f"p{number}.png", blurred)
    return root


def prefers_earlier(question):
    """The answer of a rater who prefers versions whose names come first in the alphabet, and untouched images."""
    if not question.second_version:
        return "first"
    return "first" if question.first_version < question.second_version else "second"


def answer_all(session, choose=prefers_earlier, most=10_000, seconds=2.0):
    """Answer questions until the session ends or so many were answered; returns the questions."""
    asked = []
    while len(asked) < most and (question := session.current()) is not None:
        asked.append(question)
        session.answer(question.number, choose(question), seconds)
    return asked

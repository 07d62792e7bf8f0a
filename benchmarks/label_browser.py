"""A session in a real Chromium: a simulated rater presses keys while the server is killed at random moments.

The rater sees the pixels that the page is sent and has a hidden taste: PSNR against an image that nobody else has, and
Thurstone's noise on top. What counts: the log holds exactly what was pressed, nothing lost, nothing twice.

    python benchmarks/labels.py --part browser
"""

import argparse
import io
import json
import random
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.helpers.label_servers import ServedSession
from tests.helpers.sr_datasets import make_image, save

BLURS = {"sharp": 0.6, "soft": 0.9, "blurred": 1.3, "washed": 1.9}
SIZE = 96
NOISE = 0.6  # dB, of each sight of an image
SAME = 0.3  # dB, below which the rater sees no difference
CHROMIUM_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server")


class PixelRater:
    """Somebody with a taste of their own, who looks at the pixels alone.

    Args:
        images: The undistorted images, by which the taste goes.
        chance: Source of the noise.
    """

    KEYS = {"left": ("1", "\ue012"), "right": ("2", "\ue014"), "same": ("0", "\ue015")}  # and the arrows

    def __init__(self, images: np.ndarray, chance: random.Random) -> None:
        self.images = images.astype(np.float64)
        self.chance = chance

    def side(self, left: np.ndarray, right: np.ndarray) -> str:
        """The side that is preferred, or `same`."""
        difference = self._sight(left) - self._sight(right)
        return "same" if abs(difference) < SAME else "left" if difference > 0 else "right"

    def key(self, side: str) -> str:
        """One of the keys of a side."""
        return self.chance.choice(self.KEYS[side])

    def _sight(self, image: np.ndarray) -> float:
        """PSNR against the undistorted image that is meant, in dB, with noise."""
        error = ((self.images - image) ** 2).mean(axis=(1, 2, 3)).min()
        return float(-10 * np.log10(max(error, 1e-9)) + self.chance.gauss(0, NOISE))


def add_arguments(parser: Any) -> None:
    """Add the arguments of this part."""
    parser.add_argument("--browser-answers", type=int, default=200, metavar="N", help="answers (default 200)")
    parser.add_argument("--browser-kills", type=int, default=20, metavar="N", help="kills of the server (default 20)")
    parser.add_argument("--browser-seed", type=int, default=0, metavar="N", help="of taste and kills (default 0)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Answer all questions and compare the log with what was pressed."""
    chance = random.Random(args.browser_seed)
    with tempfile.TemporaryDirectory() as folder:
        images = _write(Path(folder) / "data", count=max(4, args.browser_answers // 4))
        rater = PixelRater(images, chance)
        with _browser() as browser, ServedSession(Path(folder) / "data", count=args.browser_answers) as served:
            began = time.perf_counter()
            pressed, resent = _answer_all(browser, served, rater, args, chance)
            minutes = (time.perf_counter() - began) / 60
            logged = [_side(answer) for answer in served.answers()]
            known = [answer for answer in served.answers() if answer.question.purpose == "known"]
            summary = _text(browser, "#summary")
    found = {
        "answers": len(logged),
        "kills": args.browser_kills,
        "sent again": resent,
        "log is what was pressed": logged == pressed,
        "known pairs right": f"{sum(one.choice == 'first' for one in known)} of {len(known)}",
        "minutes": round(minutes, 2),
    }
    print("\n".join(f"{name}: {value}" for name, value in found.items()))
    print(f"\nthe page's summary; from best to worst it should say {', '.join(BLURS)}:\n{summary}")
    if logged != pressed:
        raise SystemExit(f"the log is not what was pressed:\npressed {pressed}\nlogged  {logged}")
    return found


def _answer_all(
    browser: Any, served: ServedSession, rater: PixelRater, args: argparse.Namespace, chance: random.Random
) -> tuple[list[str], int]:
    """Sides that were pressed, and how many answers the page had to send more than once."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    def restart() -> None:
        served.kill()
        served.start()

    killed = set(chance.sample(range(args.browser_answers), args.browser_kills))
    pressed, resent = [], 0
    browser.get(served.address)
    for number in range(args.browser_answers):
        WebDriverWait(browser, 60, poll_frequency=0.02).until(
            lambda opened, number=number: _text(opened, "#count").startswith(f"Question {number + 1} ")
        )
        resent += "Connected again" in _text(browser, "#status")
        side = rater.side(*_shown(served))
        # From before the answer is sent until after the next question is there.
        killer = threading.Timer(chance.uniform(0, 0.25), restart if number in killed else lambda: None)
        killer.start()
        time.sleep(chance.uniform(0, 0.15))
        ActionChains(browser).send_keys(" ", rater.key(side)).perform()
        pressed.append(side)
        killer.join()
    WebDriverWait(browser, 60).until(lambda opened: opened.find_element("css selector", "#done").is_displayed())
    return pressed, resent


def _shown(served: ServedSession) -> list[np.ndarray]:
    """The two images of the question that is asked, as the server sends them."""
    question = json.loads(_get(served, "/api/state"))["question"]
    return [np.array(Image.open(io.BytesIO(_get(served, question[side]))), np.float64) for side in ("left", "right")]


def _get(served: ServedSession, path: str) -> bytes:
    joined = "&" if "?" in path else "?"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{served.port}{path}{joined}token={served.token}", timeout=60) as answer:
        content: bytes = answer.read()
        return content


def _side(answer: Any) -> str:
    """The side that an answer in the log names."""
    if answer.choice not in ("first", "second"):
        return str(answer.choice)
    return "left" if answer.choice == answer.question.left else "right"


def _text(browser: Any, selector: str) -> str:
    return str(browser.execute_script("return document.querySelector(arguments[0]).textContent", selector))


def _write(folder: Path, count: int) -> np.ndarray:
    """Versions of `count` images; returns the undistorted ones, `(count, H, W, 3)` uint8."""
    images = np.stack([make_image(number, SIZE) for number in range(count)])
    for number, image in enumerate(images):
        grain = np.random.default_rng(number).normal(0, 12, image.shape)  # something to lose
        images[number] = np.clip(image + grain, 0, 255).astype(np.uint8)
        for version, sigma in BLURS.items():
            save(folder / version / f"p{number}.png", cv2.GaussianBlur(images[number], (0, 0), sigma))
    return images


@contextmanager
def _browser() -> Iterator[Any]:
    from selenium import webdriver

    chromium, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not (chromium and driver):
        raise SystemExit("Chromium and its driver are not on this machine (Debian: apt-get install chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in CHROMIUM_ARGUMENTS:
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    alone = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(alone)
    run(alone.parse_args())

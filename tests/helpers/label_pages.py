"""The page of labels in Debian's Chromium, without a window; `need_chromium` is called before this is imported."""

from contextlib import contextmanager

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.helpers.chromium import CHROMIUM, DRIVER
from tests.helpers.result_folders import write_results
from tests.helpers.sr_datasets import make_image, save, write_groups

ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900")
ARGUMENTS += ("--force-prefers-reduced-motion", "--force-color-profile=srgb", "--no-proxy-server")


@contextmanager
def started(*arguments):
    """A browser that is not asked for a proxy, and shows colors as they are."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.delenv(name, raising=False)
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).textContent", selector)


def wait(browser, condition):
    return WebDriverWait(browser, 30, poll_frequency=0.02).until(lambda _: condition())


def wait_for_question(browser, number):
    wait(browser, lambda: text(browser, "#count").startswith(f"Question {number} "))


def wait_for_end(browser):
    wait(browser, lambda: find(browser, "#done").is_displayed())


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def write_pairs(folder, count=8, size=64):
    """Two versions of each image."""
    for number in range(count):
        pixels = make_image(number, size)
        save(folder / "one" / f"p{number}.png", pixels)
        save(folder / "two" / f"p{number}.png", pixels // 2 + 60)
    return folder


def told(answer):
    """The side that an answer in a log names, as the rater saw it."""
    if answer.choice not in ("first", "second"):
        return answer.choice
    return "left" if answer.choice == answer.question.left else "right"


def sources(folder):
    keys = [f"p{number}" for number in range(11)]
    return {
        "pairs": write_pairs(folder / "pairs", 14),
        "groups": write_groups(folder / "groups", 6),
        "checkpoints": write_results(folder / "run", labels=["a", "b"], keys=keys),
    }

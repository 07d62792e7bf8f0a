"""The page of labels in a real browser: Debian's Chromium, without a window; its server may be killed at any moment."""

import io
import random
import threading
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from PIL import Image

from tests.helpers.chromium import CHROMIUM, DRIVER, need_chromium
from tests.helpers.label_servers import ServedSession
from tests.helpers.result_folders import write_results
from tests.helpers.sr_datasets import make_image, save, write_groups

need_chromium("iqa-sr label")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900")
ARGUMENTS += ("--force-prefers-reduced-motion", "--force-color-profile=srgb", "--no-proxy-server")
MARKUP = "<img src=x onerror=document.title=1>"
ANSWERS = {  # what a key says of the image that is A, or of the version
    "1": "left",
    Keys.ARROW_LEFT: "left",
    "2": "right",
    Keys.ARROW_RIGHT: "right",
    "0": "same",
    Keys.ARROW_DOWN: "same",
    "s": "skip",
}
GROUP_ANSWERS = {"b": "left", "s": "same", "w": "right"}


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


@pytest.fixture(scope="module")
def chromium():
    with started() as driver:
        yield driver


@pytest.fixture
def browser(chromium):
    """The browser, without messages of an earlier test."""
    chromium.get_log("browser")
    yield chromium
    chromium.get("about:blank")


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


@pytest.mark.parametrize("mode", ["pairs", "groups", "checkpoints"])
def test_answers_by_keys_are_in_the_log(browser, tmp_path, mode):
    means = GROUP_ANSWERS if mode == "groups" else ANSWERS
    keys = (list(means) * 4)[:12]
    with ServedSession(sources(tmp_path)[mode], count=12) as served:
        browser.get(served.address)
        if mode == "checkpoints":
            wait_for_question(browser, 1)
            wait(browser, lambda: find(browser, "#lq").is_enabled())
            ActionChains(browser).key_down("l").perform()
            assert text(browser, "#tag-left") == "LQ"
            ActionChains(browser).key_up("l").perform()
            assert text(browser, "#tag-left") == "A"
        for number, key in enumerate(keys, start=1):
            wait_for_question(browser, number)
            press(browser, Keys.SPACE, key)
            if number == 4:  # on second thoughts
                wait_for_question(browser, 5)
                press(browser, "u")
                wait_for_question(browser, 4)
                press(browser, Keys.SPACE, key)
        wait_for_end(browser)
        answers = served.answers()
        assert "12 of 12" in text(browser, "#count") and served.rater in text(browser, "#summary")
        assert [told(answer) for answer in answers] == [means[key] for key in keys]
        assert [answer.question.number for answer in answers] == list(range(1, 13))
        assert all(0 < answer.seconds < 30 for answer in answers)
        press(browser, Keys.BACKSPACE)
        wait_for_question(browser, 12)
        assert served.answers() == answers[:-1]
    assert browser.get_log("browser") == []


def test_a_killed_server_loses_nothing_and_asks_nothing_twice(browser, tmp_path):
    chance = random.Random(20)
    keys = [chance.choice(list(ANSWERS)) for _ in range(12)]
    with ServedSession(write_pairs(tmp_path / "data", 14), count=12) as served:

        def restart():
            served.kill()
            served.start()

        browser.get(served.address)
        killed = chance.sample(range(12), 3)
        for number, key in enumerate(keys):
            wait_for_question(browser, number + 1)
            killer = threading.Timer(chance.uniform(0, 0.1), restart if number in killed else lambda: None)
            killer.start()
            press(browser, Keys.SPACE, key)
            killer.join()
        wait_for_end(browser)
        assert [told(answer) for answer in served.answers()] == [ANSWERS[key] for key in keys]


def test_without_a_server_the_answer_waits_and_a_full_disk_keeps_the_question(browser, tmp_path):
    with ServedSession(write_pairs(tmp_path / "data"), count=6) as served:
        browser.get(served.address)
        wait_for_question(browser, 1)
        served.kill()
        press(browser, Keys.SPACE, "1")
        wait(browser, lambda: "No connection" in text(browser, "#notice"))
        assert "answer is kept here" in text(browser, "#notice")
        served.start(largest_file=served.log.stat().st_size)
        wait(browser, lambda: "File too large" in text(browser, "#notice"))
        assert (
            "this answer is not kept" in text(browser, "#notice") and "question 1 " in text(browser, "#count").lower()
        )
        assert str(tmp_path) not in find(browser, "body").text
        served.kill()
        served.start()
        assert served.answers() == []
        press(browser, "2")
        wait_for_question(browser, 2)
        assert [told(answer) for answer in served.answers()] == ["right"]
        assert not find(browser, "#notice").is_displayed()


def test_two_pages_of_one_session_do_not_mix(browser, tmp_path):
    with ServedSession(write_pairs(tmp_path / "data"), count=6) as served:
        browser.get(served.address)
        wait_for_question(browser, 1)
        first = browser.current_window_handle
        browser.switch_to.new_window("window")
        try:
            browser.get(served.address)
            wait_for_question(browser, 1)
            press(browser, Keys.SPACE, "1")
            wait_for_question(browser, 2)
            second = browser.current_window_handle
            browser.switch_to.window(first)
            press(browser, Keys.SPACE, "2")  # of a question that is answered already
            wait_for_question(browser, 2)
            assert "answered on another page" in text(browser, "#status")
            assert [told(answer) for answer in served.answers()] == ["left"]
            press(browser, "u")
            wait_for_question(browser, 1)
            browser.switch_to.window(second)
            press(browser, "u")  # there is nothing left to undo
            wait_for_question(browser, 1)
            assert served.answers() == []
        finally:
            browser.close()
            browser.switch_to.window(first)


def test_both_images_are_looked_at_before_an_answer_is_taken(browser, tmp_path):
    def shown():
        return browser.execute_script(
            "return ['left', 'right'].map((side) => document.querySelector(`#tag-${side}`).textContent)"
        )

    with ServedSession(write_pairs(tmp_path / "data"), count=6) as served:
        browser.get(served.address)
        wait_for_question(browser, 1)
        press(browser, "1")
        assert "Look at both images first" in text(browser, "#status") and served.answers() == []
        assert shown() == ["A", ""]
        ActionChains(browser).key_down(Keys.SPACE).pause(0.4).perform()
        assert shown() == ["", "B"]
        ActionChains(browser).key_up(Keys.SPACE).perform()
        assert shown() == ["A", ""]  # it was held
        press(browser, Keys.SPACE)
        assert shown() == ["", "B"]  # it was tapped
        press(browser, "d")
        assert shown() == ["A", "B"] and browser.switch_to.active_element.get_attribute("role") == "slider"
        press(browser, Keys.ARROW_RIGHT)  # moves the boundary, and answers nothing
        assert find(browser, "#divider").get_attribute("aria-valuenow") == "52"
        press(browser, "0")
        wait_for_question(browser, 2)
        assert [told(answer) for answer in served.answers()] == ["same"]
        press(browser, "1")  # the boundary shows both
        wait_for_question(browser, 3)
        browser.execute_script("document.activeElement.blur()")  # as a click on a button does
        before = int(find(browser, "#divider").get_attribute("aria-valuenow"))
        press(browser, Keys.ARROW_RIGHT)
        assert int(find(browser, "#divider").get_attribute("aria-valuenow")) == before + 2
        assert len(served.answers()) == 2


def test_a_phone(browser, tmp_path):
    def touch(selector):
        box = find(browser, selector).rect
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    source = sources(tmp_path)["checkpoints"]  # with the LQ image, the most buttons
    with ServedSession(source, count=6) as served:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        try:
            browser.get(served.address)
            wait_for_question(browser, 1)
            size = "const root = document.documentElement; return [root.scrollWidth, root.scrollHeight]"
            assert browser.execute_script(size) == [390, 844]  # nothing sticks out
            wait(browser, lambda: find(browser, "#lq").is_enabled())
            for button in browser.find_elements(By.CSS_SELECTOR, "#asking button"):
                box = button.rect
                assert not button.is_displayed() or min(box["width"], box["height"]) >= 36
            answers = [button.rect for button in browser.find_elements(By.CSS_SELECTOR, "#answers button")]
            assert all(box["height"] >= 48 and box["width"] >= 100 for box in answers)
            place = find(browser, "#stage").rect
            touch("#stage")
            assert text(browser, "#tag-right") == "B"
            assert find(browser, "#stage").rect == place  # the image stays where it is
            touch("[data-choice=right]")
            wait_for_question(browser, 2)
            assert [told(answer) for answer in served.answers()] == ["right"]
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_names_with_markup_are_text(browser, tmp_path):
    for version in ("one", MARKUP):
        for number in range(2):
            save(tmp_path / "data" / version / f"{MARKUP}{number}.png", make_image(number + len(version)))
    with ServedSession(tmp_path / "data", count=1) as served:
        browser.get(served.address)
        wait_for_question(browser, 1)
        assert "onerror" not in browser.execute_script("return document.querySelector('main').outerHTML")
        press(browser, Keys.SPACE, "1")
        wait_for_end(browser)
        assert MARKUP in text(browser, "#summary")  # the names are told now
        assert browser.find_elements(By.CSS_SELECTOR, "#summary *, img") == [] and browser.title == "iqa-sr label"
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("scale", [1, 1.5])
def test_each_pixel_is_a_square_of_whole_pixels(browser, tmp_path, scale):
    patterns = [np.random.default_rng(seed).integers(0, 256, (61, 83, 3), np.uint8) for seed in range(2)]
    for version, pattern in zip(("one", "two"), patterns, strict=True):
        save(tmp_path / "data" / version / "p.png", pattern)
    with ServedSession(tmp_path / "data", count=1) as served, ExitStack() as opened:
        if scale != 1:  # an emulated one resamples the whole page
            browser = opened.enter_context(started(f"--force-device-scale-factor={scale}"))
        browser.get(served.address)
        wait_for_question(browser, 1)
        for zoom in (1, 3):
            press(browser, *"----", *"+" * (zoom - 1))
            assert text(browser, "#zoom-value")[0] == str(zoom)
            shown = []
            for _ in patterns:
                time.sleep(0.1)  # until it is drawn
                shown.append(_pattern(_stage(browser, scale), patterns, zoom))
                press(browser, Keys.SPACE)
            assert set(shown) == {0, 1}


def test_both_images_are_moved_in_step(browser, tmp_path):
    patterns = [np.random.default_rng(seed).integers(0, 256, (520, 1500, 3), np.uint8) for seed in range(2)]
    for version, pattern in zip(("one", "two"), patterns, strict=True):
        save(tmp_path / "data" / version / "p.png", pattern)

    def place():
        """Which part of which image is in the middle."""
        time.sleep(0.1)
        stage = _stage(browser, 1)
        middle = stage[stage.shape[0] // 2, stage.shape[1] // 2 : stage.shape[1] // 2 + 4]
        for number, pattern in enumerate(patterns):
            same = [(pattern[:, shift : 1496 + shift] == color).all(-1) for shift, color in enumerate(middle)]
            for row, column in np.argwhere(np.logical_and.reduce(same)):
                return number, int(row), int(column)
        return None

    with ServedSession(tmp_path / "data", count=1) as served:
        browser.get(served.address)
        wait_for_question(browser, 1)
        first, top, left = place()
        press(browser, Keys.SPACE)
        assert place() == (1 - first, top, left)
        to_the_right = 1 if left < 750 else -1  # where there is something
        arrow = Keys.ARROW_RIGHT if to_the_right > 0 else Keys.ARROW_LEFT
        ActionChains(browser).key_down(Keys.SHIFT).send_keys(arrow).key_up(Keys.SHIFT).perform()
        assert place() == (1 - first, top, left + 48 * to_the_right)
        ActionChains(browser).drag_and_drop_by_offset(find(browser, "#stage"), 30 * to_the_right, 0).perform()
        press(browser, Keys.SPACE)
        assert place() == (first, top, left + 18 * to_the_right)


def _stage(browser, scale):
    """What the screen shows at the images' place, `(H, W, 3)` uint8."""
    whole = np.array(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"))
    box = browser.execute_script(
        "const box = pane.getBoundingClientRect(); return [box.x, box.y, box.right, box.bottom]"
    )
    left, top, right, bottom = (round(place * scale) for place in box)
    return whole[top:bottom, left:right]


def _pattern(stage, patterns, zoom):
    """Number of the pattern whose pixels are in the middle of the stage, each as a square of `zoom` x `zoom`."""
    enlarged = [pattern.repeat(zoom, 0).repeat(zoom, 1) for pattern in patterns]
    height, width = enlarged[0].shape[:2]
    for down in (0, 1):
        for across in (0, 1):
            top, left = (stage.shape[0] - height + down) // 2, (stage.shape[1] - width + across) // 2
            part = stage[top : top + height, left : left + width]
            for number, pattern in enumerate(enlarged):
                if np.array_equal(part, pattern):
                    return number
    return None

"""What the page of labels shows, in a real browser: pixel by pixel, in step, on a phone; names are text."""

import io
import time
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image

from tests.helpers.chromium import need_chromium
from tests.helpers.label_servers import ServedSession
from tests.helpers.sr_datasets import make_image, save

need_chromium("iqa-sr label")

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from tests.helpers.label_pages import (  # noqa: E402
    find,
    press,
    sources,
    started,
    text,
    told,
    wait,
    wait_for_end,
    wait_for_question,
)

MARKUP = "<img src=x onerror=document.title=1>"


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

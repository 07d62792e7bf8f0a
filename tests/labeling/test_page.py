"""Answers on the page of labels in a real browser, Debian's Chromium; its server may be killed at any moment."""

import random
import threading

import pytest

from tests.helpers.chromium import need_chromium
from tests.helpers.label_servers import ServedSession

need_chromium("iqa-sr label")

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from tests.helpers.label_pages import (  # noqa: E402
    find,
    press,
    sources,
    text,
    told,
    wait,
    wait_for_end,
    wait_for_question,
    write_pairs,
)

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

"""A report in a real browser: Debian's Chromium, without a window, from a file, with nothing to connect to."""

from pathlib import Path

import pytest

from iqa_sr.cli.main import main as cli
from iqa_sr.set_metrics.result_scores import write_set_results
from tests.helpers.answers import write_opinions
from tests.helpers.chromium import CHROMIUM, DRIVER, need_chromium
from tests.helpers.result_folders import EVIL, write_experiment, write_results
from tests.helpers.set_results import set_result

need_chromium("iqa-sr report")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

LONG = "swinir_" * 12
NOTHING = "\u2013"  # a cell without a score
KEYS = ["p0", "p1", EVIL.replace("/", "")]
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900")


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, "--force-prefers-reduced-motion", "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.delenv(name, raising=False)
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two data sets of one evaluation and a training with a guard, in one page."""
    folder = tmp_path_factory.mktemp("report")
    results = write_results(folder / "results", labels=["a", "b", "c"], keys=KEYS, datasets=["x", "y"])
    experiment = write_experiment(folder)
    page = folder / "page.html"
    assert cli(["report", str(results), str(experiment), "--output", str(page)]) == 0
    return page


@pytest.fixture
def opened(browser, page):
    """The page, as it is when it was just loaded."""
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def texts(browser, selector):
    return [one.text for one in browser.find_elements(By.CSS_SELECTOR, selector)]


def choose(browser, name, text):
    Select(find(browser, f"#{name}")).select_by_visible_text(text)


def position(browser, selector):
    return browser.execute_script(
        "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [box.x, box.y, box.width, box.height];",
        selector,
    )


def test_it_loads_without_errors_and_draws_every_plot(opened):
    plots = opened.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(plots) == 1 + 2 + 5  # the plane, a curve for each metric, the training's history
    for plot in plots:
        opened.execute_script("arguments[0].scrollIntoView()", plot)
        WebDriverWait(opened, 20).until(
            lambda _, plot=plot: plot.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")
        )
    assert opened.get_log("browser") == []
    assert opened.title == "Super-resolution report"
    sections = texts(opened, "section:not([hidden]) h2")
    assert sections[:3] == ["Scores", "Perception and distortion", "Over the iterations"] and len(sections) == 7


def test_nothing_is_asked_of_a_network(opened):
    addresses = [entry["message"] for entry in opened.get_log("performance")]
    asked = [one for one in addresses if "Network.requestWillBeSent" in one]
    assert asked and not [one for one in asked if '"url":"http' in one]


def test_sorting_sorts(opened):
    def column(position):
        cells = texts(opened, f"#table tbody tr > :nth-child({position})")
        return [cell.splitlines()[0].lstrip("≈ ") for cell in cells]

    choose(opened, "scope", "y")
    unsorted = column(1)
    assert unsorted[0] == "bicubic"
    for title, first in (("psnr", "descending"), ("niqe", "ascending")):
        button = find(opened, f"#table thead button[aria-label^='{title}']")
        button.click()
        position = [text.split()[0] for text in texts(opened, "#table thead th")].index(title) + 1
        values = [float(text) for text in column(position) if text[-1].isdigit()]
        assert values == sorted(values, reverse=first == "descending") and len(set(values)) > 3
        assert find(opened, f"#table thead th:nth-child({position})").get_attribute("aria-sort") == first
        find(opened, f"#table thead button[aria-label^='{title}']").click()
        assert [float(text) for text in column(position) if text[-1].isdigit()] == values[::-1]
    assert sorted(column(1)) == sorted(unsorted) and column(1) != unsorted


def test_the_slider_moves_by_mouse_and_keys(opened):
    opened.execute_script("document.querySelector('#stage').scrollIntoView()")
    divider = find(opened, "#divider")
    x, _, width, _ = position(opened, "#stage")

    def boundary():
        left, _, wide, _ = position(opened, "#divider")
        percent = float(divider.get_attribute("aria-valuenow"))
        assert (left + wide / 2 - x) / width * 100 == pytest.approx(percent, abs=1)
        clip = opened.execute_script("return getComputedStyle(document.querySelector('#right-half')).clipPath")
        assert clip.endswith("%)") and float(clip.split()[-1].rstrip("%)")) == pytest.approx(percent, abs=1)
        return percent

    assert boundary() == 50
    ActionChains(opened).drag_and_drop_by_offset(divider, int(width * 0.2), 0).perform()
    assert boundary() == pytest.approx(70, abs=1)
    divider.send_keys(Keys.ARROW_LEFT)
    assert boundary() == pytest.approx(68, abs=1)
    divider.send_keys(Keys.HOME)
    assert boundary() == 0
    assert "left of it" in divider.get_attribute("aria-valuetext")


def test_all_images_are_zoomed_together(opened):
    def matrices():
        return opened.execute_script(
            "return [...document.querySelectorAll('#browser .layer')].map((one) => {"
            " const matrix = new DOMMatrix(getComputedStyle(one).transform);"
            " return [matrix.a, matrix.e / one.offsetWidth, matrix.f / one.offsetHeight]; })"
        )

    choose(opened, "scope", "x")
    assert len(matrices()) == 2 + 5  # left and right; bicubic, three checkpoints, the original
    assert all(one == [1, 0, 0] for one in matrices())
    tile = find(opened, "#tiles .view")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", tile)
    ActionChains(opened).double_click(tile).perform()
    zoomed = matrices()
    assert all(one == pytest.approx([2, -0.5, -0.5], abs=0.02) for one in zoomed)
    ActionChains(opened).drag_and_drop_by_offset(tile, 20, 10).perform()
    moved = matrices()
    assert moved[0][1] > zoomed[0][1] and all(one == pytest.approx(moved[0], abs=0.02) for one in moved)
    divider = find(opened, "#divider")
    divider.send_keys(Keys.SHIFT, Keys.ARROW_RIGHT)
    assert matrices()[0][1] < moved[0][1]
    opened.execute_script("document.querySelector('#browser').scrollIntoView()")
    find(opened, "#zoom-fit").click()
    assert all(one == [1, 0, 0] for one in matrices())


def test_images_are_chosen_from_the_extremes_and_one_by_one(opened):
    choose(opened, "scope", "x")
    assert "no scores" not in find(opened, "#extremes-list").text
    choose(opened, "extremes-metric", "niqe ↓")
    choose(opened, "extremes-entry", "b")
    choose(opened, "extremes-other", "a")
    values = [float(text.split("(")[1].rstrip(")")) for text in texts(opened, "#extremes-list .card .value")]
    half = len(values) // 2
    assert values[:half] == sorted(values[:half]) and max(values[:half]) <= min(values[half:])  # lower is better
    opened.execute_script("document.querySelector('#browser details').open = true")
    first = find(opened, "#extremes-list .card")
    name = first.get_attribute("title")
    opened.execute_script("arguments[0].click()", first)
    shown = Select(find(opened, "#image"))
    assert shown.first_selected_option.text == name
    assert texts(opened, ".stage .tag") == ["a", "b"]
    assert find(opened, "#right-image").get_attribute("alt") == f"b: {name}"
    scores = {text.split()[0]: text.split()[-1] for text in texts(opened, "#image-scores tbody tr")}
    assert float(scores["b"]) - float(scores["a"]) == pytest.approx(values[0], abs=2e-3)
    find(opened, "#next").click()
    assert shown.first_selected_option.text != name
    assert [option.text for option in shown.options].count(f"x/{KEYS[2]}") == 1  # the name that looks like markup
    find(opened, "#tiles button[aria-label='c to the right']").click()
    assert texts(opened, ".stage .tag") == ["a", "c"]


def test_data_sets_and_planes_are_chosen(opened):
    assert Select(find(opened, "#scope")).first_selected_option.text == "val"  # the folders have no set in common
    choose(opened, "scope", "all data sets")
    assert "not compared with them: a, b, c, run 100, run 200" in find(opened, "#few").text
    choose(opened, "scope", "x")
    whole = texts(opened, "#table tbody")
    choose(opened, "scope", "y")
    assert texts(opened, "#table tbody") != whole
    shown = opened.execute_script("return [...document.querySelectorAll('#stage img')].map((one) => one.naturalWidth)")
    assert shown == [48, 48] and "(no image)" not in "".join(texts(opened, ".stage .tag"))
    assert {option.text.split("/")[0] for option in Select(find(opened, "#image")).options} == {"y"}
    assert find(opened, "#plane-front").text == "On the front: c, b, a."  # PSNR rises and NIQE gets worse
    choose(opened, "plane-y", "psnr ↑")
    assert find(opened, "#plane-front").text == "On the front: c."


def test_where_there_is_nothing_to_show_it_is_said(browser, tmp_path):
    one = write_results(tmp_path / "one", labels=["a", "b"], datasets=["x"])
    two = write_results(tmp_path / "two", labels=[LONG], datasets=["y"], images=False)
    (two / "scores.csv").write_text((two / "scores.csv").read_text().replace('"spec": "RGB"', '"spec": "luma"'))
    assert cli(["report", str(one), str(two), "--output", str(tmp_path / "page.html")]) == 0
    browser.get((tmp_path / "page.html").as_uri())

    def shown(selector):
        return [part.is_displayed() for part in browser.find_elements(By.CSS_SELECTOR, selector)]

    choose(browser, "scope", "x")
    assert shown("#curves .plot") == [True, True, False] and shown("#browsing, #stage") == [True, True]  # not psnr (2)
    assert shown("#curves-none, #browsing-none") == [False, False]
    choose(browser, "plane-y", "psnr (2) ↑")
    assert find(browser, "#plane-front").text == "No checkpoint was scored by both metrics on the same images."
    choose(browser, "scope", "y")  # one checkpoint, without images
    assert shown("#curves .plot") == [False] * 3 and shown("#browsing") == [False]
    assert shown("#curves-none, #browsing-none") == [True, True]
    choose(browser, "extremes-metric", "niqe ↓")
    choose(browser, "extremes-entry", LONG)
    cards = browser.find_elements(By.CSS_SELECTOR, "#extremes-list .card")
    assert cards and all(card.value_of_css_property("opacity") == "1" for card in cards)  # its numbers can be read
    choose(browser, "scope", "x")
    assert shown("#curves .plot") == [True, True, False] and shown("#browsing") == [True]
    choose(browser, "scope", "all data sets")
    assert LONG in find(browser, "#few").text
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    width = "return document.documentElement.scrollWidth"
    try:  # the plots are drawn anew a little after the window has changed
        WebDriverWait(browser, 20).until(lambda opened: opened.execute_script(width) == 390)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_people_are_a_column(browser, tmp_path):
    keys = [f"p{number}" for number in range(10)]
    results = write_results(tmp_path / "results", labels=["a", "b", "c", "d"], keys=keys, datasets=["x", "y"])
    scores = {"a": 0.0, "b": 2.0, "c": 1.8, "original": 3.0}
    write_opinions(results, "ann", scores, 250, [f"x/{key}" for key in keys])
    assert cli(["report", str(results), "--output", str(tmp_path / "page.html")]) == 0
    browser.get((tmp_path / "page.html").as_uri())
    button = find(browser, "#table thead button[aria-label^='people']")
    assert button.get_attribute("aria-label") == "people, higher is better: sort"
    assert button.get_attribute("title") in find(browser, "#specs").get_attribute("textContent")
    button.click()
    names, cells = texts(browser, "#table tbody th"), texts(browser, "#table tbody td:last-child")
    assert names[0] == "original" and set(names[1:3]) == {"b", "c"} and names[3] == "a"
    assert set(cells[4:]) == {NOTHING} and "best in" not in cells[0]  # neither d nor bicubic was compared
    score, ends, chance = cells[1].splitlines()
    assert float(score) > 0 and " … " in ends and chance.startswith("best in ") and cells[2].startswith("≈ ")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#table td.best:last-child")) == 1
    assert find(browser, "#people-legend").text.startswith("people: 250 answers of 1 rater about 10 contents")
    choose(browser, "scope", "y")
    assert set(texts(browser, "#table tbody td:last-child")) == {NOTHING}
    assert not find(browser, "#people-legend").is_displayed() and browser.get_log("browser") == []


def test_metrics_of_sets_have_a_table_and_curves(browser, tmp_path):
    results = write_results(tmp_path / "results", labels=["a", "b"], datasets=["x", "y"])
    numbers = [set_result(label, value, "x") for label, value in (("bicubic", 9), ("a", 8.0), ("b", 5.25))]
    write_set_results(results, [*numbers, set_result("b", 0.0123, "x", metric="kid", images=1000, width=0.001)])
    assert cli(["report", str(results), "--output", str(tmp_path / "page.html")]) == 0
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.get((tmp_path / "page.html").as_uri())
        choose(browser, "scope", "x")
        assert texts(browser, "#sets-table thead th") == ["checkpoint", "fid ↓", "kid ↓"]
        cells = [text.splitlines() for text in texts(browser, "#sets-table tbody td")]
        assert cells[:2] == [["9.000", "8.000 … 10.000", "100 images"], [NOTHING]]
        assert cells[4] == ["5.250", "4.250 … 6.250", "100 images"] and cells[5][0] == "0.01230"
        assert texts(browser, "#sets-table td.best") == ["\n".join(cells[4])]
        (caution,) = texts(browser, "#sets-few li")
        assert caution.startswith("fid of 100 images, fewer than 1000")
        (plot,) = [one for one in browser.find_elements(By.CSS_SELECTOR, "#sets-plots .plot") if one.is_displayed()]
        assert "fid of x over the iterations" in plot.get_attribute("aria-label")  # kid has a single point
        browser.execute_script("arguments[0].scrollIntoView()", plot)
        WebDriverWait(browser, 20).until(lambda _: len(plot.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")) > 2)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        choose(browser, "scope", "y")
        assert find(browser, "#sets-none").is_displayed() and not find(browser, "#sets-shown").is_displayed()
        choose(browser, "scope", "all data sets")
        assert texts(browser, "#sets-table thead th")[1].split() == ["fid", "↓", "x"]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []


def test_dark_light_and_a_phone(browser, page):
    def background():
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    def emulate(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    emulate("dark")
    browser.get(page.as_uri())
    dark = background()
    find(browser, "#theme").click()
    light = background()
    emulate("light")
    browser.get(page.as_uri())
    assert background() == light != dark
    find(browser, "#theme").click()
    assert background() == dark
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get(page.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390  # nothing sticks out
        assert position(browser, "#stage")[2] <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []


def test_two_fingers_zoom(browser, page):
    def touch(kind, *positions):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(positions)]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    browser.get(page.as_uri())
    browser.execute_script("document.querySelector('#stage').scrollIntoView({block: 'center'})")
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    try:
        x, y, width, height = position(browser, "#stage")
        middle = (x + width / 2, y + height / 2)
        touch("touchStart", (middle[0] - 50, middle[1]))
        touch("touchStart", (middle[0] - 50, middle[1]), (middle[0] + 50, middle[1]))
        for apart in (75, 100, 150):
            touch("touchMove", (middle[0] - apart, middle[1]), (middle[0] + apart, middle[1]))
        touch("touchEnd")
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    style = "return getComputedStyle(document.querySelector('#browser')).getPropertyValue(arguments[0])"
    assert float(browser.execute_script(style, "--zoom")) == pytest.approx(3, abs=0.3)
    assert float(browser.execute_script(style, "--move-x").rstrip("%")) == pytest.approx(
        -100, abs=15
    )  # the middle stays


def test_a_finger_that_scrolls_does_not_move_the_slider(browser, page):
    def touch(kind, *positions):
        points = [{"x": x, "y": y} for x, y in positions]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def boundary():
        return float(find(browser, "#divider").get_attribute("aria-valuenow"))

    browser.get(page.as_uri())
    browser.execute_script("document.querySelector('#stage').scrollIntoView({block: 'center'})")
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        x, y, width, _ = position(browser, "#stage")
        touch("touchStart", (x + 0.2 * width, y + 90))
        for across in (0.25, 0.3):
            touch("touchMove", (x + across * width, y + 92))
        touch("touchEnd")
        assert boundary() == pytest.approx(30, abs=1)
        touch("touchStart", (x + 0.7 * width, y + 90))
        for down in (80, 60, 40):
            touch("touchMove", (x + 0.7 * width, y + down))
        touch("touchEnd")
        assert boundary() == pytest.approx(30, abs=1)
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_images_beside_the_page_are_found(browser, page):
    other = page.with_name("beside page.html")
    results = page.parent / "results"
    assert cli(["report", str(results), "--output", str(other), "--images", "beside"]) == 0
    browser.get(other.as_uri())
    browser.execute_script("document.querySelector('#tiles').scrollIntoView()")  # they wait until they are near
    waited = WebDriverWait(browser, 20).until(
        lambda _: browser.execute_script(
            "const shown = [...document.querySelectorAll('#tiles img')];"
            "return shown.length && shown.every((one) => one.complete && one.naturalWidth) ? shown.length : 0"
        )
    )
    assert waited == 5 and Path(other.parent / "beside page_files").is_dir()
    assert browser.get_log("browser") == []

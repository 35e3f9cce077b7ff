"""The page in a real browser: no error, it sorts, filters and shows the right row, by keyboard too, on a phone too."""

import json
import re
import shutil
from pathlib import Path

import pytest
import small_results

from cadc.report import leaderboard
from cadc.report.page import making
from cadc.report.stated import Stated

playwright = pytest.importorskip("playwright.sync_api", reason="the page is not opened: playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="the page is not opened: no chromium on this machine (apt-get install chromium)"
)
REPOSITORY = Path.cwd()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page of small results, and its data."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_results.write_root(REPOSITORY)
        small_results.write_pool()
        making.write(leaderboard.make(Stated(), 40), Stated())
    path = folder / making.PATH
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1]
    return path, json.loads(held)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, made):
    """Open the page at `#hash` in a window; what it wrote to the console, and asked for, must come to nothing."""
    pages, faults = [], []

    def opened(address="", width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
        page.goto(f"{made[0].as_uri()}{address}")
        page.wait_for_selector("#intervals svg")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not faults


def column(page, n: int) -> list[str]:
    return page.locator(f"#board tbody tr > :nth-child({n})").all_inner_texts()


def test_every_part_is_drawn(opened, made):
    page = opened()
    for chart in ("intervals", "scatter", "curve", "trend-0"):
        assert page.locator(f"#{chart} svg circle").count() >= 3, chart
    assert page.locator("#board tbody tr").count() == len(made[1]["board"]["arms"])
    assert page.locator("#cards li").count() == 24 and page.locator("#cards-one li").count() > 0
    assert page.locator("#found .panel").count() == 4 and page.title() == "cadc: which rows, and why"
    assert "All 400 rows" in page.inner_text("#sample")


def test_labels_in_charts_do_not_collide(opened):
    for width in (390, 1280):
        page = opened(width=width)
        for chart in ("scatter", "curve"):
            boxes = page.locator(f"#{chart} svg g[class] > text").evaluate_all(
                "all => all.map((one) => one.getBoundingClientRect().toJSON())"
            )
            meet = [
                (a, b)
                for i, a in enumerate(boxes)
                for b in boxes[:i]
                if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
                and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 2
            ]
            assert len(boxes) > 1 and not meet and all(0 <= box["left"] < box["right"] <= width for box in boxes)


def test_a_head_sorts_by_its_column_and_tells_readers_so(opened):
    page = opened()
    means = [float(text.split()[0]) for text in column(page, 3)]
    assert means == sorted(means, reverse=True)
    head = page.locator("#board th button").nth(2)
    head.focus()
    page.keyboard.press("Enter")
    assert [float(text.split()[0]) for text in column(page, 3)] == sorted(means)
    assert page.locator("#board th").nth(2).get_attribute("aria-sort") == "ascending"
    assert page.evaluate("document.activeElement.textContent") == head.inner_text()  # focus stays
    page.locator("#board th button").nth(0).click()
    assert column(page, 1) == sorted(column(page, 1), key=str.lower)
    differences = column(page, 5)
    page.locator("#board th button").nth(4).click()
    empty = differences.count("")
    assert empty and column(page, 5)[-empty:] == [""] * empty  # what has no value stands last


def test_another_figure_is_drawn(opened, made):
    page = opened()
    page.select_option("#figure", "pope_f1")
    best = max(made[1]["board"]["arms"], key=lambda arm: arm["figures"]["pope_f1"][0])
    label = page.locator("#intervals svg").get_attribute("aria-label")
    assert label.startswith(f"POPE F1: {best['title']} {best['figures']['pope_f1'][0]:.1f}")


def test_rows_are_filtered_by_who_chose_them_by_group_and_by_words(opened, made):
    page, rows = opened(), made[1]["browser"]["rows"]
    page.select_option("#by", "=cadc")
    own = [row for row in rows if row["picked"].get("cadc", [0] * 5)[4]]
    assert page.inner_text("#count").startswith(f"{len(own)} rows;")
    page.select_option("#left", "=random")
    assert page.inner_text("#count").startswith(f"{sum('random' not in row['picked'] for row in own)} rows;")
    page.select_option("#by", "")
    page.select_option("#left", "")
    page.select_option("#group-0", "=b")
    assert page.inner_text("#count").startswith("200 rows;")
    page.fill("#search", "r33")
    assert page.locator("#cards button").evaluate_all("all => all.map(one => one.dataset.row)") == [
        str(row["row"]) for row in rows if "r33" in row["id"] and row["row"] % 2
    ]
    page.fill("#search", "no such words")
    assert page.inner_text("#count") == "No row matches." and page.locator("#cards li").count() == 0


def test_a_row_opens_with_its_picture_words_and_choosers(opened, made):
    page, rows = opened(), made[1]["browser"]["rows"]
    page.fill("#search", "r12")
    page.locator('#cards [data-row="12"]').focus()
    page.keyboard.press("Enter")
    row = next(one for one in rows if one["row"] == 12)
    said = page.inner_text("#row")
    assert "Row r12" in said and "how many of kind 12 ?" in said and "it is 12" in said
    assert page.locator("#row img").first.evaluate("one => one.naturalWidth") == 16
    assert page.locator("#row img").first.get_attribute("src") == made[1]["browser"]["pictures"][row["pictures"][0]]
    for arm in made[1]["board"]["arms"]:
        line = page.locator("#row tbody tr", has=page.locator(f'th:text-is("{arm["title"]}")')).first.inner_text()
        chosen = row["picked"].get(arm["arm"])
        assert (f"{chosen[0]} of 3" in line and f"{chosen[1]}" in line) if chosen else "none" in line
    assert page.url.endswith("#row=12")
    page.keyboard.press("Escape")
    page.locator("#row").wait_for(state="hidden")
    page.wait_for_url(lambda url: "#row" not in url)
    assert page.evaluate("document.activeElement.dataset.row") == "12"


def test_an_address_opens_its_row_and_arrows_go_on(opened):
    page = opened("#row=7")
    assert "Row r7" in page.inner_text("#row") and "r0, cosine 1.000: a duplicate" in page.inner_text("#row")
    page.keyboard.press("ArrowRight")
    assert "Row r8" in page.inner_text("#row") and page.url.endswith("#row=8")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="r0, cosine").click()
    assert "Row r0" in page.inner_text("#row")
    page.get_by_role("button", name="Next row").focus()
    for _ in range(2):
        page.keyboard.press("Enter")  # the focus stays on the button
    assert "Row r2" in page.inner_text("#row")


def test_two_arms_are_compared_with_counts_of_all_rows(opened, made):
    page, data = opened(), made[1]
    page.select_option("#one", "cadc")
    page.select_option("#other", "random")
    pair = next(one for one in data["overlaps"] if set(one[:2]) == {"cadc", "random"})
    alone = dict(zip(pair[:2], pair[3:], strict=True))
    said = page.inner_text("#overlap")
    assert f"{pair[2]} rows in both, {alone['cadc']} only in cadc" in said
    assert f"{alone['random']} only in random" in said
    shown = page.locator("#cards-one button").evaluate_all("all => all.map(one => Number(one.dataset.row))")
    picked = {row["row"]: row["picked"] for row in data["browser"]["rows"]}
    assert shown and all("cadc" in picked[row] and not picked[row].get("random", [0] * 5)[4] for row in shown)
    page.select_option("#other", "")
    assert page.inner_text("#only-other").startswith("Not selected by cadc")


def test_what_a_row_says_is_never_run(opened):
    page = opened("#row=3")
    page.wait_for_timeout(200)
    assert small_results.HOSTILE in page.inner_text("#row")
    assert page.title() == "cadc: which rows, and why" and page.locator("img[onerror]").count() == 0
    assert page.locator("script").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_its_words_stand_out(opened, scheme):
    page = opened(width=390, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#cards button").first.click()
    assert page.locator("#row").evaluate("one => one.scrollWidth <= one.clientWidth")
    contrasts = page.evaluate(CONTRAST)
    assert len(contrasts) > 50 and min(contrasts) >= 4.5  # WCAG 2.2, 1.4.3


def test_every_control_has_a_name(opened):
    page = opened()
    unnamed = page.locator("button, select, input, a, svg[role=img], [role=region]").evaluate_all(
        """all => all.filter(one => !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.length
        || one.getAttribute("aria-labelledby"))).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []


#: Contrast of every text with the nearest background that is opaque, by WCAG's formula.
CONTRAST = """() => {
  const rgb = (colour) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const known = new Map(), seen = (colour) => known.get(colour) ?? known.set(colour, rgb(colour)).get(colour);
  const light = (colour) => seen(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const made = [];
  for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
    if (one.closest("script, noscript, :disabled, option, .skip") || !one.getClientRects().length) continue;
    let under = one;
    while (under.parentElement && seen(getComputedStyle(under).backgroundColor)[3] < 255) under = under.parentElement;
    const style = getComputedStyle(one), svg = one.closest("svg");
    const pair = [light(svg ? style.fill : style.color), light(getComputedStyle(under).backgroundColor)];
    made.push((Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
  }
  return made;
}"""

"""The page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import ActionChains

from baggage.boundary import Kind
from tests.tracing.view import samples
from tests.tracing.view.browser import Browser, browsing
from tests.tracing.view.samples import Sample

# Where each bar begins and ends, and its lane does, in pixels.
BARS = """
return [...document.querySelectorAll(".row")].map((row) => {
  const [bar, lane] = [row.querySelector(".bar"), row.querySelector(".lane")]
    .map((node) => node.getBoundingClientRect());
  return [bar.left - lane.left, bar.right - lane.left, lane.width, bar.top - lane.top];
});
"""
CHOSEN = "document.querySelector('[aria-selected=true] .operation')?.textContent"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("view")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Whatever is done in the page, it complains about nothing and asks nobody."""
    yield chromium
    assert chromium.complaints() == []
    assert [url for url in chromium.requests() if url != "data:,"] == []


def test_each_span_is_a_row_whose_bar_stands_where_its_time_does(browser: Browser) -> None:
    spans = samples.proxy()
    browser.show(spans)
    root = spans[0]
    assert browser.names()[:3] == [
        "proxy GET /object",
        "proxy GET /sda1/AUTH_a/c/o",
        "object-server GET /sda1/AUTH_a/c/o",
    ]
    bars = browser.run(BARS)
    assert len(bars) == len(spans)
    for span, (left, right, width, top) in zip(spans, bars, strict=True):
        begin = (span.timestamp - root.timestamp) / root.duration
        assert left == pytest.approx(begin * width, abs=1)
        assert right - left == pytest.approx(span.duration / root.duration * width, abs=1)
        assert top > 0


def test_halves_of_one_span_are_one_block(browser: Browser) -> None:
    browser.show(samples.proxy())
    blocks = [
        [name for name in str(row.get_attribute("class")).split() if name in {"whole", "half"}]
        for row in browser.rows()
    ]
    assert blocks == [[], *[["whole"], ["half"]] * 4]
    assert len(browser.all(".lane > .note")) == 4


def test_the_keyboard_opens_walks_and_closes(browser: Browser) -> None:
    browser.show(samples.checkout())
    browser.rows()[0].click()
    browser.press("ESCAPE", "ARROW_DOWN", "ARROW_DOWN", "ENTER")
    assert browser.one("#details h2").text == "users"
    assert "clocks" not in browser.one("#details").text
    assert "later than its own clock says" in browser.one("#details").text
    browser.press("ARROW_DOWN")
    assert browser.run(f"return {CHOSEN}") == "GET /cart/7"
    browser.press("ENTER")
    assert browser.run("return document.activeElement.id") == "details"
    browser.press("ESCAPE")
    assert not browser.one("#details").is_displayed()
    assert browser.run("return document.activeElement.dataset.place") == "3"


def test_the_keyboard_folds_what_is_below(browser: Browser) -> None:
    browser.show(samples.checkout())
    browser.rows()[3].click()
    every = len(browser.rows())
    browser.press("ARROW_LEFT")
    assert len(browser.rows()) == every - 5
    assert browser.rows()[3].get_attribute("aria-expanded") == "false"
    browser.press("ARROW_RIGHT", "ARROW_RIGHT", "ARROW_LEFT", "ARROW_LEFT")
    assert browser.run("return document.activeElement.dataset.place") == "3"
    browser.press("END", "HOME", "ARROW_LEFT")
    assert len(browser.rows()) == 1


def test_details_tell_all_that_a_span_says(browser: Browser) -> None:
    browser.show(samples.checkout())
    browser.rows()[0].click()
    browser.press("e")
    said = browser.one("#details").text
    for part in (
        "Fault injected timeout",
        "Read timed out. (read timeout=3)",
        "cart.views.prices:41",
        "prices (10.0.1.1:443)",
        "0000000000000007",
        "+35 ms",
        "Began after",
    ):
        assert part in said
    marks = [mark.text for mark in browser.all("[aria-selected=true] .label > *")]
    assert marks == ["timeout", "ReadTimeout"]


def test_annotations_have_times_from_their_spans_beginning(browser: Browser) -> None:
    browser.show(samples.proxy())
    browser.rows()[1].click()
    assert "+25.8 ms\nResponse headers received" in browser.one("#details").text


def test_a_search_leaves_what_matches_and_its_callers(browser: Browser) -> None:
    browser.show(samples.checkout())
    browser.press("/", *"ledger grpc")
    assert browser.one("#found").text == "1 span found"
    assert browser.names() == [
        "shop POST /checkout",
        "shop POST /charge",
        "payments POST /charge",
        "payments /bank.Ledger/Debit",
    ]
    assert len(browser.all(".row.dim:not([hidden])")) == 3
    browser.press("ESCAPE")
    assert len(browser.rows()) == len(samples.checkout())


def test_the_legend_narrows_the_view_to_a_service(browser: Browser) -> None:
    browser.show(samples.checkout())
    browser.all(".chip")[1].click()
    assert browser.names()[-1] == "users GET /users/7"
    assert browser.all(".chip")[1].get_attribute("aria-pressed") == "true"
    browser.all(".chip")[1].click()
    assert len(browser.rows()) == len(samples.checkout())


def test_the_critical_path_is_marked(browser: Browser) -> None:
    browser.show(samples.quorum())
    on_path = browser.all(".row.on-path")
    assert [row.get_attribute("data-place") for row in on_path] == ["0", "5", "6", "11"]
    assert all("critical path" in str(row.get_attribute("aria-label")) for row in on_path)
    path = str(browser.one(".drawing path.critical:not(.halo)").get_attribute("d"))
    assert path.count("M") == 7
    browser.click(".narrow")
    assert len(browser.rows()) == 4


def test_causes_are_drawn_for_all_or_for_the_chosen_span(browser: Browser) -> None:
    browser.show(samples.quorum())
    assert len(browser.all(".drawing path.after")) == 5
    browser.click(".toggle:not(.narrow)")
    assert browser.all(".drawing path.after") == []
    browser.all(".row")[9].click()
    browser.drawn()
    assert len(browser.all(".drawing path.after.chosen")) == 4
    end, begin = browser.run("""
      const path = document.querySelector(".drawing path.after.chosen");
      return [path.getPointAtLength(0).x, path.getPointAtLength(path.getTotalLength()).x];
    """)
    bars = browser.run(BARS)
    assert end == pytest.approx(bars[1][1], abs=2)
    assert begin == pytest.approx(bars[9][0], abs=8)
    browser.all("#details .link")[0].click()
    assert browser.run("return document.activeElement.dataset.place") == "1"


def test_strings_of_spans_are_inert(browser: Browser) -> None:
    browser.show(samples.hostile())
    browser.rows()[0].click()
    browser.drawn()
    assert browser.driver.title == "Traces"
    assert browser.all("img") == []
    assert len(browser.all("script")) == 2
    assert browser.one("#details .wrong .error").text == f"Error {samples.EVIL}"


def test_the_page_may_not_use_the_network(chromium: Browser) -> None:
    chromium.show(samples.proxy())
    said = chromium.driver.execute_async_script("""
      fetch("http://127.0.0.1:9/").then(() => arguments[0]("fetched"), (e) => arguments[0](e.name));
    """)
    assert said == "TypeError"
    assert chromium.requests() == []
    assert "Content Security Policy" in "".join(chromium.complaints())


def test_a_thousand_spans_are_shown(browser: Browser) -> None:
    browser.show(samples.large())
    assert len(browser.all(".row")) == 1_000
    assert len(browser.all(".chip")) == 20
    assert browser.one("canvas.map").is_displayed()
    browser.rows()[0].click()
    browser.press("ESCAPE", "END")
    assert browser.run("return document.activeElement.dataset.place") == "999"
    browser.press("/", *"503")
    assert browser.one("#found").text == "16 spans found"


def test_zooming_widens_bars_and_escape_ends_it(browser: Browser) -> None:
    browser.show(samples.proxy())
    browser.rows()[2].click()
    browser.press("ESCAPE")
    before = browser.run(BARS)[2]
    browser.press("+")
    after = browser.run(BARS)[2]
    assert after[1] - after[0] == pytest.approx(2 * (before[1] - before[0]), abs=1)
    browser.press("ESCAPE")
    assert browser.run(BARS)[2] == before


def test_dragging_over_the_axis_zooms_into_that_time(browser: Browser) -> None:
    browser.show(samples.proxy())
    axis = browser.one(".axis")
    quarter = axis.size["width"] // 4
    chain = ActionChains(browser.driver)
    chain.move_to_element_with_offset(axis, -quarter, 0).click_and_hold()
    chain.move_by_offset(quarter, 0).release().perform()
    browser.drawn()
    left, right, width, _ = browser.run(BARS)[0]
    assert right - left == pytest.approx(4 * width, rel=0.02)
    assert left == pytest.approx(-width, rel=0.02)
    browser.all(".actions button:not([hidden])")[-1].click()
    browser.drawn()
    assert browser.run(BARS)[0][0] == 0


def test_tab_comes_to_a_row_that_is_shown(browser: Browser) -> None:
    browser.show(samples.checkout())
    browser.rows()[9].click()
    browser.press("ESCAPE")
    browser.all(".chip")[1].click()
    (row,) = browser.all(".row[tabindex='0']")
    assert row.get_attribute("data-place") == "0"


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_sticks_out(browser: Browser, width: int) -> None:
    browser.show(samples.checkout(), width=width)
    browser.rows()[6].click()
    assert browser.run("return document.documentElement.scrollWidth") == width
    assert browser.one("#details").is_displayed()


def test_the_page_is_dark_for_who_wants_that(browser: Browser) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser.show(samples.proxy(), dark=True)
    assert browser.run(ground) == "rgb(14, 16, 20)"
    browser.show(samples.proxy())
    assert browser.run(ground) == "rgb(244, 245, 248)"


def test_several_traces_are_a_list_to_choose_from(browser: Browser) -> None:
    other = Sample(b"-other-trace-id-", samples.BEGIN + 60_000_000)
    other.span(0, Kind.SERVER, "shop", "GET /", 0, 10)
    browser.show([*samples.checkout(), *other.spans])
    heads = browser.all(".summary")
    assert [head.get_attribute("aria-expanded") for head in heads] == ["false", "false"]
    assert browser.rows() == []
    heads[1].click()
    assert browser.names() == ["shop GET /"]
    browser.press("/", *"ledger")
    assert [trace.is_displayed() for trace in browser.all(".trace")] == [True, False]


def test_no_spans_are_said_to_be_none(browser: Browser) -> None:
    browser.show([])
    assert browser.one("#traces").text == "No spans here."

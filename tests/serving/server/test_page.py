"""The page in a real browser: by keyboard, on a telephone, in the dark, with evil texts."""

from __future__ import annotations

import numpy as np
import pytest
import server_fakes as fakes
from browsers import headless

from tfner.serving.server.limits import Limits

MIXED = "😀 Anna met 👩🏽‍🚀 Bo.\nאנה met Clara 🎉"
EVIL = (
    "<script>document.title='Owned'</script> Evil "
    "<img src=x onerror=\"document.title='Owned'\"> & &amp; Anna"
)
CONTRAST = """
(elements) => {
  const channels = (color) => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3), (value) => value / 255);
  };
  const light = (color) => {
    const linear = (value) => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
    const [red, green, blue] = channels(color).map(linear);
    return .2126 * red + .7152 * green + .0722 * blue;
  };
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    const clear = /^rgba.*, 0\\)$/.test(color);
    return clear && element.parentElement ? behind(element.parentElement) : color;
  };
  return elements.flatMap((element) => [null, '::after'].map((part) => {
    const both = [light(getComputedStyle(element, part).color), light(behind(element))];
    const [one, other] = both.sort((a, b) => b - a);
    return (one + .05) / (other + .05);
  }));
}
"""


EVERY_HUE = """
() => {
  for (const selector of ['#legend li', 'mark', '.tag']) {
    const one = document.querySelector(selector);
    for (let hue = 0; hue < 360; hue += 15) {
      one.style.setProperty('--hue', hue);
      one.after(one.cloneNode(true));
    }
  }
}
"""


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, the machine's own."""
    with headless() as browser:
        yield browser


@pytest.fixture(scope="module")
def model():
    return fakes.FakeModel()


@pytest.fixture(scope="module")
def address(model):
    """Run a server in another thread: the browser's driver has an event loop in this one."""
    limits = Limits(body_bytes=1 << 18)
    with fakes.running(lambda: fakes.service(model, limits=limits)) as (address, _):
        yield address


@pytest.fixture
def open_page(browser, address):
    """`open_page(**options of the browser's context)` opens the page.

    The test fails if the page logged an error or asked another host.
    """
    contexts, complaints = [], []

    def check_console(message):
        if message.type == "error":
            complaints.append(message.text)

    def check_request(request):
        if not request.url.startswith((address, "data:")):
            complaints.append(request.url)

    def open_one(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", check_console)
        page.on("request", check_request)
        page.goto(address)
        return page

    open_one.complaints = complaints
    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


def eventually(locator):
    """What Playwright waits for; the page's policy lets no test evaluate a condition of its own."""
    from playwright.sync_api import expect

    return expect(locator)


def find(page, text):
    """Have the entities of a text shown."""
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Find entities").click()
    page.locator("#result").wait_for()


def marks(page):
    read = (
        "(marks) => marks.map((mark) => [mark.textContent, mark.dataset.label, mark.dataset.score])"
    )
    return list(map(tuple, page.locator("mark").evaluate_all(read)))


def test_entities_are_marked_at_their_code_points(open_page):
    page = open_page()
    find(page, MIXED)
    assert marks(page) == [(name, "PER", "0.90") for name in ("Anna", "Bo", "אנה", "Clara")]
    assert page.locator("#text").text_content() == MIXED
    assert page.get_by_role("status").text_content().startswith("Found 4 entities in ")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('mark'), '::after').content")
        == '"\u2066PER\u20090.90\u2069\u200e"'
    )
    assert [item.text_content() for item in page.locator("#legend li").all()] == ["PER 4"]


def test_the_list_says_what_and_where(open_page):
    page = open_page()
    find(page, MIXED)
    page.get_by_text("As a list").click()
    rows = [
        [cell.text_content() for cell in row.locator("th, td").all()]
        for row in page.locator("#rows tr").all()
    ]
    assert rows[0] == ["Anna", "PER", "0.90", "2–6"]
    assert [row[0] for row in rows] == ["Anna", "Bo", "אנה", "Clara"]
    start, end = map(int, rows[2][3].split("–"))
    assert MIXED[start:end] == "אנה"


def test_lines_run_in_their_own_direction(open_page):
    page = open_page()
    find(page, "אנה פגשה את Bo\nAnna met אנה")
    left = page.evaluate(
        "Array.from(document.querySelectorAll('mark'), (mark) => mark.getBoundingClientRect().left)"
    )
    names = [name for name, _, _ in marks(page)]
    assert (
        left[names.index("אנה")] > left[names.index("Bo")]
    )  # the first line runs from right to left
    latin = names.index("Anna")
    assert left[latin] < left[latin + 1]


def test_a_label_stays_beside_its_name_in_a_line_of_two_directions(open_page):
    page = open_page()
    find(page, "אנה said to Bo that אבא knows Clara too")
    assert [name for name, _, _ in marks(page)] == ["אנה", "Bo", "אבא", "Clara"]
    assert (
        page.locator("mark").evaluate_all(
            "(marks) => marks.map((mark) => mark.getClientRects().length)"
        )
        == [1] * 4
    )


def test_what_looks_like_markup_stays_text(open_page):
    page = open_page()
    find(page, EVIL)
    assert page.locator("#text").text_content() == EVIL
    assert ("Evil", fakes.LABELS["Evil"], "0.90") in marks(page)
    assert page.locator("main script, main img, main i, #evil").count() == 0
    page.get_by_text("As a list").click()
    assert fakes.LABELS["Evil"] in page.locator("#rows .tag").all_text_contents()
    assert page.title() == f"{fakes.NAME} – entities"


def test_everything_can_be_done_by_keyboard(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.type("Anna met Bo")
    page.keyboard.press("Control+Enter")
    page.locator("#result").wait_for()
    assert len(marks(page)) == 2
    page.keyboard.type(" and Clara")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Find entities"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    eventually(page.locator("mark")).to_have_count(3)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#rows").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector(':target').textContent") == "Anna"


@pytest.mark.parametrize("name", ["Anna", "A" * 400, "👩🏽‍🚀Ж" * 100])
def test_a_telephone_never_scrolls_sideways(open_page, name):
    page = open_page(
        viewport={"width": 320, "height": 640},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
    )
    find(page, f"{name} met Evil " * 20)
    page.get_by_text("As a list").click()
    assert page.locator("#rows tr").count() >= 20
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert (
        page.evaluate("parseFloat(getComputedStyle(document.querySelector('#input')).fontSize)")
        >= 16
    )  # or telephones zoom in


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_readable_by_day_and_by_night(open_page, scheme):
    page = open_page(color_scheme=scheme)
    find(page, "Anna met Evil of Acme")
    page.get_by_text("As a list").click()
    page.evaluate(EVERY_HUE)
    shown = "h1, h2, p:not([hidden]), label, button, kbd, mark, #legend li, .tag, th, td, summary"
    shown += ", footer, textarea"
    assert min(page.locator(shown).evaluate_all(CONTRAST)) >= 4.5
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 16, 22)"
    assert dark == (scheme == "dark")


def test_errors_are_shown_and_go_away(open_page, model, monkeypatch):
    page = open_page()
    page.get_by_label("Text", exact=True).fill(fakes.REFUSED.decode())
    page.get_by_role("button", name="Find entities").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").text_content() == "such a text is refused"
    assert page.locator("#result").is_hidden()
    page.get_by_label("Text", exact=True).fill("x" * (1 << 18))
    page.get_by_role("button", name="Find entities").click()
    eventually(page.get_by_role("alert")).to_contain_text("262144 bytes")
    page.context.set_offline(True)
    page.get_by_role("button", name="Find entities").click()
    eventually(page.get_by_role("alert")).to_contain_text("does not answer")
    page.context.set_offline(False)
    find(page, "Anna")
    assert page.get_by_role("alert").count() == 0
    assert [text for text in open_page.complaints if "Failed to load resource" not in text] == []
    open_page.complaints.clear()


def test_outputs_that_the_page_does_not_know_are_listed(open_page, monkeypatch):
    def answer(inputs):
        known = fakes.answer_texts(inputs)
        ranks = np.arange(known["entity_start"].size).reshape(known["entity_start"].shape)
        return known | {"entity_rank": ranks, "text_language": np.array([b"<b>sv"], object)}

    monkeypatch.setitem(fakes.ANSWERS, "serving_default", answer)
    page = open_page()
    find(page, "Anna met Bo")
    assert page.locator("#others").text_content() == "text_language: <b>sv"
    page.get_by_text("As a list").click()
    assert page.locator("#head th").all_text_contents()[-1] == "entity_rank"
    assert page.locator("#rows td:last-child").all_text_contents() == ["0", "1"]


def test_an_empty_text_is_not_sent(open_page, model):
    page = open_page()
    asked = len(model.calls)
    page.get_by_role("button", name="Find entities").click()
    assert page.get_by_role("status").text_content() == "There is no text yet."
    assert len(model.calls) == asked


def test_half_a_surrogate_pair_does_no_harm(open_page):
    page = open_page()
    page.evaluate("document.querySelector('#input').value = '\\ud83d Anna \\udc00'")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+Enter")
    page.locator("#result").wait_for()
    assert page.locator("#text").text_content() == "\ufffd Anna \ufffd"
    assert [name for name, _, _ in marks(page)] == ["Anna"]


def test_a_long_text_is_shown_whole(open_page):
    page = open_page()
    text = "Anna met 😀 bo. " * 3000
    find(page, text)
    assert page.locator("#text").text_content() == text
    assert page.locator("mark").count() == 3000
    assert page.get_by_text("and 2000 more, all marked in the text").count() == 1


def test_the_example_is_one_click_away_and_the_version_is_shown(open_page):
    page = open_page()
    page.get_by_role("button", name="Example").click()
    page.locator("#result").wait_for()
    assert ("Anna", "PER", "0.90") in marks(page)
    eventually(page.locator("#version")).to_have_text("Named entities in your text · version 1")

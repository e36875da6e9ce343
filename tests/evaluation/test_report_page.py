"""The evaluation page in a real browser, used as a reader uses it."""

import time

import pytest

from pipeline.evaluation import report
from tests.support import tiny_page
from tests.support.browser import needs_browser, running

pytestmark = needs_browser

IDS = "[...document.querySelectorAll('#grid .name')].map(e => e.textContent)"
CLASS_ORDER = "[...document.querySelectorAll('.sortable tbody .show')].map(e => e.textContent)"
FOCUSED = "document.activeElement.querySelector('.name')?.textContent"
VIEWER = "[viewer.open, document.getElementById('viewer-title').textContent]"
LAYER = "document.documentElement.dataset.layer"


@pytest.fixture(scope="module")
def browser():
    with running() as tab:
        yield tab


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write(tmp_path_factory.mktemp("page") / "evaluation.html")


def write(path, **changes):
    """Write the page with some fields replaced; return its address."""
    report.write(path, tiny_page.page(**changes))
    return path.as_uri()


@pytest.fixture
def tab(browser, address):
    """The page, newly opened from its file; no action of a test may cause console messages or requests."""
    browser.window(1400)
    browser.open(address)
    yield browser
    assert browser.complaints == []
    assert {request.split(":")[0] for request in browser.requests} == {"file", "data"}
    assert [request for request in browser.requests if request.startswith("file:")] == [address]


def until(tab, condition):
    """Wait until a JavaScript condition holds."""
    for _ in range(100):
        if tab.run(condition):
            return
        time.sleep(0.05)
    raise AssertionError(condition)


def test_all_images_are_shown_the_worst_first(tab):
    assert tab.run(IDS) == [f"test/{name}" for name in tiny_page.WORST_FIRST]
    scores = tab.run("[...document.querySelectorAll('#grid .of')].map(e => e.textContent)")
    assert scores == ["mIoU 33.3%", "mIoU 62.5%", "mIoU 75.0%", "mIoU 100.0%", "mIoU n/a"]


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(tab):
    heading = ".sortable th:nth-child(2) button"
    assert tab.run(CLASS_ORDER) == ["road", "sky", "car"]
    tab.click(heading)
    assert tab.run(CLASS_ORDER) == ["car", "road", "sky"]  # 25%, 50%, n/a
    assert tab.run("document.querySelector('.sortable th:nth-child(2)').ariaSort") == "ascending"
    tab.click(heading)
    assert tab.run(CLASS_ORDER) == ["road", "car", "sky"]  # undefined values stay last
    assert tab.run("document.querySelector('.sortable th:nth-child(2)').ariaSort") == "descending"


def test_enter_on_a_heading_sorts(tab):
    tab.run("document.querySelector('.sortable th:nth-child(3) button').focus()")
    tab.press("Enter")
    assert tab.run(CLASS_ORDER) == ["car", "road", "sky"]  # 20%, 30%, 50%
    tab.run("document.querySelector('.sortable th:nth-child(1) button').focus()")
    tab.press("Enter", "Enter")
    assert tab.run(CLASS_ORDER) == ["sky", "road", "car"]  # by name, turned round
    assert tab.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_the_class_filter_shows_the_images_of_a_class_its_worst_first(tab):
    tab.run("document.getElementById('class').focus()")
    tab.press("c")  # typed ahead: car
    assert tab.run(IDS) == ["test/e", "test/c"]  # IoU 0 and 1/2
    assert tab.run("document.getElementById('status').textContent") == "2 images with car, lowest car IoU first"
    assert tab.run("document.querySelector('#grid .of').textContent") == "IoU 0.0%"
    tab.press("ArrowUp", "ArrowUp", "ArrowUp")  # from the third class to all
    assert len(tab.run(IDS)) == 5


def test_a_click_on_a_class_shows_its_images(tab):
    tab.click(".show[data-class='0']")
    assert tab.run(IDS) == ["test/b", "test/c", "test/a"]  # road: 1/2, 3/4, 1; image e has none
    assert tab.run("document.getElementById('class').value") == "0"
    assert tab.run(FOCUSED) == "test/b"


def test_the_slider_changes_the_layers_opacity(tab):
    opacity = "getComputedStyle(document.querySelector('.card .layer')).opacity"
    tab.run("document.querySelector('.toolbar .opacity input').focus()")
    assert tab.run(opacity) == "0.8"
    tab.press("ArrowLeft", "ArrowLeft")
    assert tab.run(opacity) == "0.7"
    assert tab.run("[...document.querySelectorAll('.opacity output')].map(e => e.textContent)") == ["70%", "70%"]
    tab.click(".toolbar .opacity input")  # its middle
    assert tab.run(opacity) == "0.5"


def test_the_gallery_is_used_by_keyboard(tab):
    tab.run("document.querySelector('.card').focus()")
    tab.press("ArrowRight")
    assert tab.run(FOCUSED) == "test/b"
    tab.press("Enter")
    assert tab.run(VIEWER) == [True, "test/b"]
    tab.press("ArrowRight")
    assert tab.run(VIEWER) == [True, "test/c"]
    tab.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert tab.run(VIEWER) == [True, "test/d"]  # from the first to the last
    layers = []
    for key in "12345":
        tab.press(key)
        layers.append(tab.run(LAYER))
    assert layers == ["photo", "truth", "prediction", "error", "uncertainty"]
    tab.press("Escape")
    assert tab.run(VIEWER)[0] is False
    until(tab, f"{FOCUSED} === 'test/d'")


def test_tab_stops_once_in_the_gallery_and_the_focus_can_be_seen(tab):
    tab.run("[...document.querySelectorAll('.toolbar input')].at(-1).focus()")
    tab.press("Tab")
    assert tab.run(FOCUSED) == "test/e"
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("Tab")
    assert tab.run("document.activeElement.closest('#grid')") is None


def test_an_arrow_on_the_viewers_slider_does_not_leave_the_image(tab):
    tab.click(".card")
    tab.run("document.querySelector('dialog .opacity input').focus()")
    tab.press("ArrowRight")
    assert tab.run(VIEWER) == [True, "test/e"]
    assert tab.run("getComputedStyle(document.querySelector('#stage .layer')).opacity") == "0.85"


def test_the_viewer_shows_the_pixels_of_a_layer(tab):
    tab.click(".card")  # image e: the right half of it is wrong
    colours = """(async () => {
        const image = document.querySelector('#stage .layer');
        await image.decode();
        const canvas = new OffscreenCanvas(10, 8).getContext('2d', {willReadFrequently: true});
        canvas.drawImage(image, 0, 0);
        return [2, 7].map(x => [...canvas.getImageData(x, 4, 1, 1).data]);
    })()"""
    assert tab.run(colours) == [[0, 0, 0, 0], [255, 214, 10, 255]]
    tab.press("2")
    assert tab.run(colours) == [[70, 130, 180, 255], [0, 0, 142, 255]]  # sky and car
    tab.press("3")
    assert tab.run(colours) == [[70, 130, 180, 255], [128, 64, 128, 255]]  # sky and road


def test_the_viewer_names_each_class_and_its_iou(tab):
    tab.click(".card")
    rows = tab.run("[...document.querySelectorAll('#viewer-classes tr')].map(e => e.textContent)")
    assert rows == ["road (not in truth)0.0%", "car0.0%", "sky100.0%"]
    assert tab.run("document.getElementById('viewer-scores').textContent") == "mIoU 33.3%, accuracy 50.0%"
    assert tab.run("document.getElementById('position').textContent") == "1 of 5"


def test_the_matrix_changes_from_shares_to_pixels(tab):
    shown = "document.querySelector('#matrix tbody tr:nth-child(3) td').innerText"
    assert tab.run(shown) == "86"
    tab.click("button[data-cells=counts]")
    assert tab.run(shown) == "48"
    tab.click("#matrix tbody tr:nth-child(3) td")
    assert tab.run("document.getElementById('cell').textContent") == "car → road: 85.71% of car, 48 pixels"
    tab.click("#matrix tbody tr:nth-child(1) td:nth-child(4)")
    assert tab.run("document.getElementById('cell').textContent") == "road → car: no pixels"


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_does_not_scroll_sideways(tab, width):
    tab.window(width)
    assert tab.run("document.documentElement.scrollWidth") == width
    tab.click(".card")
    assert tab.run("viewer.scrollWidth <= innerWidth") is True


def test_the_page_is_dark_for_who_wants_it(tab):
    background = "getComputedStyle(document.body).backgroundColor"
    assert tab.run(background) == "rgb(255, 255, 255)"
    tab.window(1400, scheme="dark")
    assert tab.run(background) == "rgb(20, 24, 29)"


def test_only_the_pictures_in_sight_are_decoded(browser, tmp_path):
    browser.window(1400)
    browser.open(write(tmp_path / "page.html", gallery=tiny_page.gallery("e" * 300)))
    loaded = "document.querySelectorAll('.card .photo[src]').length"
    assert browser.run(loaded) <= 60
    browser.run("document.querySelector('.card:last-child').scrollIntoView({behavior: 'instant'})")
    until(browser, "document.querySelector('.card:last-child .photo').naturalWidth === 10")
    until(browser, f"{loaded} <= 150")


def test_twelve_images_are_printed_without_controls(browser, tmp_path):
    browser.open(write(tmp_path / "page.html", gallery=tiny_page.gallery("e" * 300)))
    browser.call("Emulation.setEmulatedMedia", media="print")
    visible = "[...document.querySelectorAll('{}')].filter(e => e.checkVisibility()).length"
    assert browser.run(visible.format(".card")) == 12
    assert browser.run("[...document.querySelectorAll('.card:not(.unprinted) .photo')].every(e => e.src)") is True
    assert browser.run(visible.format("#gallery button:not(.card), input, select, nav")) == 0
    browser.call("Emulation.setEmulatedMedia", media="")
    assert browser.pdf().startswith(b"%PDF-")

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts.validation import Finding, Offender, Validation
from pipeline.files.images import encode_png
from pipeline.validation import page as validation_page
from pipeline.validation.facts import gather
from pipeline.validation.page import write_page
from pipeline.validation.tables import summary
from tests.support import browser, hostile, right_to_left
from tests.support.tiny_dataset import change, make


@pytest.fixture
def manifest(tmp_path):
    return make(tmp_path)


def finding(*offenders, severity="error", check="missing_pair"):
    return Finding(check, severity, not offenders, "a pair", "what was seen", offenders)


def page(manifest, folder, *findings):
    validation = Validation(manifest.dataset, summary(gather(manifest)), findings)
    write_page(validation, manifest, folder, folder / "page.html")
    return (folder / "page.html").read_text()


def pictures(html):
    """Return the (format, width, height) of each picture of the failed checks."""
    encoded = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html.partition("Failed checks")[2])
    opened = [Image.open(io.BytesIO(base64.b64decode(text))) for text in encoded]
    return [(image.format, *image.size) for image in opened]


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([finding()], r"<strong>Passed\.</strong>"),
        ([finding(Offender("sky", "rare", ()), severity="warning")], r"<strong>Passed with 1 warning\.</strong>"),
        (
            [finding(Offender("sky", "rare", ()))] * 2,
            r"<strong>Stopped\.</strong> 2 errors and\s0 warnings in 2 checks",
        ),
    ],
)
def test_the_verdict_stands_on_top(findings, verdict, manifest, tmp_path):
    assert re.search(verdict, page(manifest, tmp_path, *findings))


def test_the_page_refers_to_nothing_outside_itself(manifest, tmp_path):
    html = page(manifest, tmp_path, finding(Offender("val/1", "no mask", ("val/1",))))
    targets = re.findall(r'(?:src|href|url|@import)\s*[=(]\s*"?([^")>\s]*)', html)
    assert len(targets) == 6 + 2 + 3  # images, classes, and the failed check's
    assert all(target.startswith(("data:image/", "#missing_pair")) for target in targets)
    assert "http" not in html
    assert "<script" not in html
    assert "<link" not in html


def test_one_image_is_shown_with_its_mask(manifest, tmp_path):
    html = page(manifest, tmp_path, finding(Offender("val/1", "no good", ("val/1",))))
    assert pictures(html) == [("JPEG", 40, 32), ("PNG", 40, 32)]


def test_a_pair_is_shown_side_by_side(manifest, tmp_path):
    html = page(manifest, tmp_path, finding(Offender("train/0 ~ val/1", "3 bits", ("train/0", "val/1"))))
    assert pictures(html) == [("JPEG", 40, 32)] * 2
    assert html.index('alt="train/0 ~ val/1: train/0"') < html.index('alt="train/0 ~ val/1: val/1"')


def test_of_many_equal_images_three_are_shown(manifest, tmp_path):
    ids = ("train/0", "val/0", "test/0", "train/1", "train/2")
    html = page(manifest, tmp_path, finding(Offender("train/0 = val/0 = test/0", "the same file", ids)))
    assert len(pictures(html)) == 3
    assert "train/1" not in html


def test_a_large_image_is_shown_small(manifest, tmp_path):
    wide = Image.new("RGB", (960, 48))
    wide.save(tmp_path / "images/val/1.png")
    html = page(manifest, tmp_path, finding(Offender("val/1", "no good", ("val/1",))))
    assert pictures(html)[0] == ("JPEG", 192, 10)


def test_the_mask_is_shown_in_its_class_colours(manifest, tmp_path):
    html = page(manifest, tmp_path, finding(Offender("val/1", "no good", ("val/1",))))
    assert colours_of(html) == {(0, 0, 0): 128, (70, 130, 180): 512, (128, 64, 128): 640}
    assert "swatch" not in html.partition("Failed checks")[2]


def colours_of(html):
    encoded = re.search(r'src="data:image/png;base64,([^"]+)"', html)[1]
    return dict(reversed(item) for item in Image.open(io.BytesIO(base64.b64decode(encoded))).getcolors())


def outside(manifest, folder, pixels):
    (folder / "outside.png").write_bytes(encode_png(pixels))
    return change(manifest, ["val/1"], outside_mask="outside.png")


def test_labels_outside_the_table_are_shown_in_a_colour_of_their_own(manifest, tmp_path):
    pixels = np.zeros((32, 40), np.bool_)
    pixels[:2, :30] = True  # 40 of road, 20 of sky
    manifest = outside(manifest, tmp_path, pixels)
    html = page(manifest, tmp_path, finding(Offender("val/1", "7", ("val/1",)), check="label_outside_table"))
    assert colours_of(html) == {(0, 0, 0): 128, (70, 130, 180): 492, (128, 64, 128): 600, (255, 255, 0): 60}
    assert '<i class="swatch" style="background: rgb(255, 255, 0)"></i>a label that dataset.classes does not' in html


def test_a_single_pixel_outside_the_table_is_seen_in_a_small_picture(manifest, tmp_path):
    pixels = np.zeros((4800, 6400), np.bool_)
    pixels[4799, 6399] = True
    (tmp_path / "masks/val/1.png").write_bytes(encode_png(np.zeros((4800, 6400), np.uint8)))
    html = page(outside(manifest, tmp_path, pixels), tmp_path, finding(Offender("val/1", "1", ("val/1",))))
    assert colours_of(html) == {(128, 64, 128): 144 * 192 - 1, (255, 255, 0): 1}


def test_what_cannot_be_read_is_said_to_have_no_picture(manifest, tmp_path):
    (tmp_path / "images/val/1.png").write_bytes(b"broken")
    manifest = change(manifest, ["val/1"], mask="")
    html = page(manifest, tmp_path, finding(Offender("val/1", "broken", ("val/1",))))
    assert pictures(html) == []
    assert html.count("no preview") == 2


def test_images_and_masks_that_are_refused_are_shown_as_a_viewer_shows_them(manifest, tmp_path):
    Image.new("CMYK", (40, 32)).save(tmp_path / "images/val/1.tif")
    Image.new("RGB", (40, 32)).save(tmp_path / "masks/val/1.png")
    manifest = change(manifest, ["val/1"], image="images/val/1.tif", problem="image: CMYK; mask: three channels")
    html = page(manifest, tmp_path, finding(Offender("val/1", "refused", ("val/1",)), check="unreadable_image"))
    assert pictures(html) == [("JPEG", 40, 32), ("JPEG", 40, 32)]


def test_the_first_24_are_pictured_and_the_others_named(manifest, tmp_path):
    offenders = [Offender(f"<{i}>", "no mask", ("val/1",)) for i in range(525)]
    html = page(manifest, tmp_path, finding(*offenders))
    assert len(pictures(html)) == 48
    assert "<summary>501 more than the first 24</summary>" in html
    assert html.count("<li>") == 500
    assert "and 1 more, all named in validation.json" in html


def test_of_very_many_the_page_says_how_many_the_report_names(manifest, tmp_path):
    offenders = [Offender(f"<{i}>", "no mask", ("val/1",)) for i in range(525)]
    html = page(manifest, tmp_path, dataclasses.replace(finding(*offenders), unnamed=9_475))
    assert "<summary>9,976 more than the first 24</summary>" in html
    assert "and 9,476 more; validation.json names the first 525" in html


def test_names_are_escaped(manifest, tmp_path):
    name = 'val/<b>"&'
    manifest = dataclasses.replace(manifest, images=manifest.images.replace({"id": {"val/1": name}}))
    html = page(manifest, tmp_path, finding(Offender(name, "<i>detail</i>", (name,))))
    assert "<b>" not in html
    assert "<i>detail" not in html
    assert "val/&lt;b&gt;&#34;&amp;" in html
    assert len(pictures(html)) == 2


def test_the_data_set_is_summarised(manifest, tmp_path):
    html = page(manifest, tmp_path, finding())
    assert html.count("\n40 x 32") == 3
    assert html.count("55.56%") == 3  # road: 640 of 1152 labelled pixels
    assert html.count("width: 80.0%; background: rgb(70, 130, 180)") == 3  # sky: 512 / 640 of the longest bar


def test_names_of_others_show_their_control_characters(manifest, tmp_path):
    html = page(manifest, tmp_path, finding(Offender(hostile.STORABLE, hostile.STORABLE, ())))
    assert not hostile.acting(html, lines=True)
    assert "a\\x1b[2Jb" in html


def test_a_page_of_thousands_of_offenders_is_under_15_megabytes(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(validation_page, "_image_uri", lambda _: "i" * 25_000)  # what noise takes
    monkeypatch.setattr(validation_page, "_mask_uri", lambda *_: "m" * 110_000)
    rows = manifest.images[manifest.images["id"] == "train/0"]
    rows = rows.loc[rows.index.repeat(3000)].reset_index(drop=True)
    rows["id"] = [f"train/{i:04}" for i in range(3000)]
    many = dataclasses.replace(manifest, images=rows)
    offenders = [Offender(name, "no good", (name,)) for name in rows["id"]]
    html = page(many, tmp_path, *(finding(*offenders, check=f"check {i}") for i in range(14)))
    assert 5e6 < len(html) < 15e6
    # 10 million characters for 14 checks are five pairs of 135,000 for each.
    assert html.count("<summary>2,995 more than the first 5</summary>") == 14
    assert html.count("and 2,495 more, all named in validation.json") == 14
    assert "6 images, spread evenly over each split, with their masks laid over them." in html


def named(manifest, *names):
    return dataclasses.replace(manifest, classes=dataclasses.replace(manifest.classes, names=names))


def test_names_from_right_to_left_reorder_nothing(manifest, tmp_path):
    road, sky = right_to_left.ROAD, right_to_left.SKY
    seen = finding(Offender(sky, f"{sky} 5%", ("val/1",)), Offender(road, f"{road} 3%", ()))
    html = page(named(manifest, road, sky), tmp_path, dataclasses.replace(seen, observed=f"{road} 3%, {sky} 5%"))
    assert right_to_left.loose(html) == []


@browser.needs_browser
def test_a_long_name_of_a_class_breaks(manifest, tmp_path):
    name = "x" * 200
    seen = dataclasses.replace(finding(Offender(name, name, ())), observed=f"1 of {name}")
    page(named(manifest, name, "sky"), tmp_path, seen)
    with browser.running() as tab:
        for width in (400, 1200):
            tab.window(width)
            tab.open((tmp_path / "page.html").as_uri())
            assert tab.run("document.documentElement.scrollWidth") == width


@browser.needs_browser
def test_the_page_fits_windows_of_all_widths_and_is_dark_for_who_wants_it(manifest, tmp_path):
    name = "val/" + "a_very_long_name_" * 8
    named = dataclasses.replace(manifest, images=manifest.images.replace({"id": {"val/1": name}}))
    page(named, tmp_path, finding(Offender(f"{name} ~ test/1", "3 bits", (name, "test/1"))))
    widths = "[...document.querySelectorAll('.pictures img')].map(each => Math.round(each.width))"
    with browser.running() as tab:
        for width, shown in ((400, 171), (1400, 166)):  # half of a card less its borders and gap; 10.4rem
            tab.window(width, scheme="dark")
            tab.open((tmp_path / "page.html").as_uri())
            assert tab.run("document.documentElement.scrollWidth") == width
            assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
            assert tab.run(widths) == [shown, shown]
        assert tab.complaints == []

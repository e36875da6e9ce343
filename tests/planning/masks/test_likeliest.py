"""By hand: the image of a mask, where many images have the name."""

from pipeline.planning.masks import likeliest

NONE = ("", "")


def chosen(masks, *images):
    """The image of each mask; all have one name."""
    found = likeliest.choose(dict.fromkeys(masks, "1"), {"1": [(image, NONE) for image in images]})
    return [found[mask][0] for mask in masks]


def test_the_folders_that_both_have_count():
    images = [f"{split}/{city}/1.jpg" for split in ("train", "val") for city in ("bonn", "ulm")]
    masks = [f"gt/{split}/{city}/1.png" for split in ("val", "train") for city in ("ulm", "bonn")]
    assert chosen(masks, *images) == ["val/ulm/1.jpg", "val/bonn/1.jpg", "train/ulm/1.jpg", "train/bonn/1.jpg"]


def test_a_picture_among_masks_counts_less_than_one_that_has_no_folder_in_common():
    assert chosen(["a/masks/1.png"], "a/masks/x/1.jpg", "b/1.jpg") == ["b/1.jpg"]
    assert chosen(["a/gt/1.png"], "a/instances/1.jpg", "b/1.jpg") == ["b/1.jpg"]


def test_of_folders_that_are_as_likely_it_is_the_one_named_after_images_and_the_whole_name():
    assert chosen(["gt/1.png"], "depth/1.jpg", "images/1.jpg", "thermal/1.jpg") == ["images/1.jpg"]
    images = {"1": [("a/images/1_img.jpg", ("", "_img")), ("z/1.jpg", NONE)]}
    assert likeliest.choose({"gt/1.png": "1"}, images) == {"gt/1.png": ("z/1.jpg", NONE)}


def test_a_mask_whose_name_fits_no_image_has_none():
    assert likeliest.choose({"gt/1.png": "1", "gt/2.png": "2"}, {"2": [("2.jpg", NONE)]}) == {
        "gt/2.png": ("2.jpg", NONE)
    }


def test_folders_are_compared_once_whatever_the_number_of_frames(monkeypatch):
    compared, likelihood = [], likeliest._likelihood
    monkeypatch.setattr(likeliest, "_likelihood", lambda *both: (compared.append(both), likelihood(*both))[1])
    images = {str(frame): [(f"images/{s}/{frame}.jpg", NONE) for s in "abc"] for frame in range(20)}
    masks = {f"gt/{s}/{frame}.png": str(frame) for s in "abc" for frame in range(20)}
    found = likeliest.choose(masks, images)
    assert all(image == mask.replace("gt", "images").replace("png", "jpg") for mask, (image, _) in found.items())
    assert len(compared) == 9

import pytest

from pipeline.data.annotations.matching import image_of


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.jpg", "train2017/a.jpg"),
        ("val2017/b.jpg", "val2017/b.jpg"),
        ("/home/me/pictures/a.jpg", "train2017/a.jpg"),
        ("..\\pictures\\a.jpg", "train2017/a.jpg"),
        ("elsewhere/nothing.jpg", "nothing.jpg"),
    ],
)
def test_a_name_is_the_end_of_a_path_or_its_last_part(name, image):
    assert image_of([name], ["train2017/a.jpg", "val2017/b.jpg"], "annotations.json") == {name: image}


def test_of_equal_names_the_one_in_the_folder_of_the_annotations_is_meant():
    images = ["train/1.jpg", "valid/1.jpg"]
    assert image_of(["1.jpg"], images, "valid/_annotations.coco.json") == {"1.jpg": "valid/1.jpg"}


def test_of_equal_names_the_one_in_a_folder_that_the_file_is_named_after_is_meant():
    images = ["train2017/1.jpg", "val2017/1.jpg"]
    assert image_of(["1.jpg"], images, "annotations/instances_val2017.json") == {"1.jpg": "val2017/1.jpg"}


def test_a_name_of_two_images_is_refused():
    with pytest.raises(
        ValueError, match=r"x.json: expected 1.jpg to be the name of one image, got a/1.jpg and b/1.jpg;"
    ):
        image_of(["1.jpg"], ["b/1.jpg", "a/1.jpg"], "x.json")


def test_two_names_of_one_image_are_refused():
    with pytest.raises(
        ValueError, match=r"expected a name for each image, got 1.jpg and a/1.jpg, which both are a/1.jpg"
    ):
        image_of(["0.jpg", "1.jpg", "a/1.jpg", "2.jpg"], ["a/1.jpg", "0.jpg", "2.jpg"], "x.json")


def test_a_name_of_three_parts_that_ends_no_path_is_told_by_its_last():
    images = ["b/c/1.jpg", "d/e/2.jpg"]
    assert image_of(["a/b/c/1.jpg", "x/y/2.jpg"], images, "a.json") == {
        "a/b/c/1.jpg": "b/c/1.jpg",
        "x/y/2.jpg": "d/e/2.jpg",
    }

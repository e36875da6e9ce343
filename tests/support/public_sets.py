"""The folders and file names of public data sets, with small images of noise and masks of two halves."""

import numpy as np
from PIL import Image

from tests.support.layouts import HEIGHT, WIDTH, mask, picture

SPLITS = (("train", 6), ("val", 3), ("test", 3))


def write(root, images, masks, splits=SPLITS, values=(1, 5)):
    """Write images and masks, whose paths have {split} and {i}; those of an empty path are left out."""
    for split, number in splits:
        for i in range(number):
            picture(root / images.format(split=split, i=i), 100 * len(images) + 10 * len(split) + ord(split[0]) + i)
            if masks:
                mask(root / masks.format(split=split, i=i), *values)


def isic(root):
    splits = (("Training", 6), ("Validation", 3), ("Test", 3))
    truth = "ISIC2018_Task1_{split}_GroundTruth/ISIC_{i:07}_segmentation.png"
    write(root, "ISIC2018_Task1-2_{split}_Input/ISIC_{i:07}.jpg", truth, splits)


def loveda(root):
    """The masks of the test images are not public."""
    for place in ("Rural", "Urban"):
        splits = (("Train", 3), ("Val", 2))
        write(
            root,
            f"{{split}}/{place}/images_png/{place[0]}{{i}}.png",
            f"{{split}}/{place}/masks_png/{place[0]}{{i}}.png",
            splits,
        )
    write(root, "Test/Rural/images_png/{i}.png", "", (("Test", 2),))


def voc(root):
    """The masks of the test images are not public; most lists are of other tasks."""
    write(root, "JPEGImages/{i}.jpg", "SegmentationClass/{i}.png", (("train", 9),))
    write(root, "JPEGImages/1{i}.jpg", "", (("test", 4),))
    for task, train, val in (("Segmentation", (0, 6), (6, 9)), ("Main", (4, 6), (8, 14))):
        lists = {"train": train, "val": val, "trainval": (train[0], val[1]), "test": (10, 14)}
        for split, (start, stop) in lists.items():
            path = root / f"ImageSets/{task}/{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{i}\n" for i in range(start, stop)))


def kitti(root):
    for folder in ("semantic", "semantic_rgb", "instance"):
        write(root, "training/image_2/{i:06}_10.png", f"training/{folder}/{{i:06}}_10.png", (("training", 9),))
    write(root, "testing/image_2/{i:06}_10.png", "", (("testing", 2),))


def floodnet(root):
    write(root, "{split}/{split}-org-img/{i}.jpg", "{split}/{split}-label-img/{i}_lab.png")


def bdd100k(root):
    for kind in ("masks", "colormaps"):
        write(root, "images/10k/{split}/{i}-x.jpg", f"labels/sem_seg/{kind}/{{split}}/{{i}}-x.png", SPLITS[:2])
    write(root, "images/10k/{split}/{i}-x.jpg", "", SPLITS[2:])


def mapillary(root):
    for kind in ("labels", "instances"):
        splits = (("training", 6), ("validation", 3))
        write(root, "{split}/images/{i}.jpg", f"{{split}}/v2.0/{kind}/{{i}}.png", splits)


def roboflow(root):
    write(root, "{split}/a{i}_jpg.rf.0{i}.jpg", "{split}/a{i}_jpg.rf.0{i}_mask.png", values=(0, 1))
    for split, _ in SPLITS:
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n")


def uavid(root):
    for flight in ("seq1", "seq2"):
        write(root, f"uavid_{{split}}/{flight}/Images/{{i:06}}.png", f"uavid_{{split}}/{flight}/Labels/{{i:06}}.png")


def suim(root):
    write(root, "{split}/images/d_r_{i}_.jpg", "{split}/masks/d_r_{i}_.bmp", (("train_val", 6), ("TEST", 3)))


def below_one_folder(root):
    top = "semantic_segmentation_dataset"
    write(root, f"{top}/{{split}}/photos/{{i}}.jpg", f"{top}/{{split}}/annotated/{{i}}.png")


def split_words(root):
    write(root, "set-{split}-rgb/{i}.jpg", "set-{split}-gt/{i}.png")


def unlabelled(root):
    write(root, "{split}/images/{i}.jpg", "{split}/masks/{i}.png")
    write(root, "{split}/images/{i}.jpg", "", (("extra", 3),))


ALL = (("all", 6),)


def camvid_of_fastai(root):
    write(root, "images/0001TP_{i:06}.png", "labels/0001TP_{i:06}_P.png", ALL)
    (root / "codes.txt").write_text("Animal\nArchway\nBicyclist\nBridge\nBuilding\nCar\n")


def glas(root):
    write(root, "testA_{i}.bmp", "testA_{i}_anno.bmp", ALL)


def vaihingen(root):
    write(root, "top/top_mosaic_09cm_area{i}.tif", "gts_for_participants/top_mosaic_09cm_area{i}.tif", ALL)


def carla(root):
    for run in "AB":
        write(root, f"data{run}/CameraRGB/F{run}{{i}}.png", f"data{run}/CameraSeg/F{run}{{i}}.png", (("all", 3),))


def apolloscape(root):
    write(
        root, "ColorImage/Record1/Camera 5/17_{i}_Camera_5.jpg", "Label/Record1/Camera 5/17_{i}_Camera_5_bin.png", ALL
    )


def rugd(root):
    """The folder of the images has a word of masks too."""
    for place in ("creek", "trail"):
        masks = f"RUGD_annotations/{place}/{place}_{{i:05}}.png"
        write(
            root,
            f"RUGD_frames-with-annotations/{place}/{place}_{{i:05}}.png",
            masks,
            (("all", 3),),
            ([9, 9, 9], [7, 0, 7]),
        )
    table = "0 void 0 0 0\n1 dirt 9 9 9\n3 grass 7 0 7\n"
    (root / "RUGD_annotations/RUGD_annotation-colormap.txt").write_text(table)


def drive(root):
    write(root, "training/images/{i}_training.tif", "training/1st_manual/{i}_manual1.gif", ALL)


def drive_with_fields_of_view(root):
    """Vessels, and in mask/ where the camera sees anything, which is the same for all images; both for test images."""
    for split, start in (("training", 21), ("test", 1)):
        for i in range(start, start + 6):
            picture(root / f"{split}/images/{i:02}_{split}.tif", i)
            vessels(root / f"{split}/1st_manual/{i:02}_manual1.gif", i)
            mask(root / f"{split}/mask/{i:02}_{split}_mask.gif", 0, 255)


def hrf(root):
    for i in range(1, 7):
        picture(root / f"images/{i:02}_dr.JPG", i)
        vessels(root / f"manual1/{i:02}_dr.tif", i)
        mask(root / f"mask/{i:02}_dr_mask.tif", [0, 0, 0], [255, 255, 255])


def vessels(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.where(np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 1 / 8, 255, 0)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def x_and_y(root):
    write(root, "x_{split}/{i}.png", "y_{split}/{i}.png")


def targets(root):
    write(root, "{split}/image/{i}.png", "{split}/target/{i}.png")


def word_of_both(root):
    """The folder of the images has a word that is of masks in other sets."""
    write(root, "target_field/{i}.jpg", "masks/{i}.png", ALL)


def days_and_nights(root):
    """Folders of one split, of which some have no masks."""
    write(root, "images/{split}_day/{i}.jpg", "masks/{split}_day/{i}.png", SPLITS[:2])
    write(root, "images/{split}_night/{i}.jpg", "", SPLITS[:2])


def numbered_splits(root):
    """Folders of one split, in which files have the same names."""
    write(root, "{split}/images/{i}.jpg", "{split}/masks/{i}.png", (("train_01", 6), ("train_02", 6), ("test_01", 6)))


def manual_tests(root):
    for folder, number in (("train/auto", 6), ("test/manual", 3)):
        write(root, folder + "/images/{i}.jpg", folder + "/masks/{i}.png", (("all", number),))


def test_photos(root):
    """Images of which some end with a word that ends all images of other sets."""
    write(root, "images/{i}.jpg", "masks/{i}.png", ALL)
    write(root, "images/{i}_test.jpg", "", ALL)


def semi_supervised(root):
    """Images without masks beside a folder that has both, of the same names."""
    write(root, "labeled/images/{i}.jpg", "labeled/masks/{i}.png", ALL)
    write(root, "unlabeled/images/{i}.jpg", "", ALL)


def semi_supervised_splits(root):
    write(root, "labeled/images/{split}/{i}.jpg", "labeled/masks/{split}/{i}.png")
    write(root, "unlabeled/images/x{i}.jpg", "", ALL)

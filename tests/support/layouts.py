"""Small data sets in the layouts of the field: images of noise, with masks of two halves or an annotation."""

import json

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 40, 56
PLACES = "abcdefgh"
CITY = '<image id="{}" name="{}" width="56" height="40">{}</image>'
CORNERS = [[4, 4], [40, 4], [40, 30], [4, 30]]
FLAT = [value for corner in CORNERS for value in corner]


def picture(path, seed):
    """Write an image of noise about a level: no two are alike, and none is blank."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).save(path)


def mask(path, left, right, border=None, palette=None):
    """Write a mask of two halves: of values, or of colours where these are lists; `border` lies between them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((HEIGHT, WIDTH, *np.shape(left)), left, np.uint8)
    pixels[:, WIDTH // 2 :] = right
    if border is not None:
        pixels[:, WIDTH // 2] = border
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def voc(root):
    """Eight images, six of them listed by stem; palette PNGs with a border of 255; XML of boxes."""
    palette = [value for i in range(256) for value in (i, 255 - i, i // 2)]
    names = [f"2007_{i:06}" for i in range(8)]
    for i, name in enumerate(names):
        picture(root / f"JPEGImages/{name}.jpg", i)
        (root / "Annotations").mkdir(exist_ok=True)
        (root / f"Annotations/{name}.xml").write_text("<annotation><folder>VOC2012</folder></annotation>")
    for name in names[:6]:
        for kind in ("Class", "Object"):
            mask(root / f"Segmentation{kind}/{name}.png", 0, 12, 255, palette)
    lists = {"train": names[:4], "val": names[4:6], "trainval": names[:6]}
    for folder, listed in (("Segmentation", lists), ("Main", {**lists, "train": names})):
        (root / f"ImageSets/{folder}").mkdir(parents=True)
        for split, stems in listed.items():
            (root / f"ImageSets/{folder}/{split}.txt").write_text("\n".join(stems) + "\n")


def ade20k(root):
    for i in range(8):
        split = "training" if i < 6 else "validation"
        picture(root / f"images/{split}/ADE_{split[:5]}_{i:08}.jpg", i)
        mask(root / f"annotations/{split}/ADE_{split[:5]}_{i:08}.png", i % 2, 3, 0)
    (root / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1\t9\t9\t1\twall\n2\t0.1\t9\t9\t1\tbuilding, edifice\n"
        "3\t0.1\t9\t9\t1\tsky\n"
    )


def cityscapes(root):
    for split, cities in (("train", ("aachen", "ulm")), ("val", ("bonn",)), ("test", ("berlin",))):
        for i, city in enumerate(cities):
            for n in range(2):
                name = f"{city}_000000_{n:06}"
                picture(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", 10 * len(city) + 3 * i + n)
                start = root / f"gtFine/{split}/{city}/{name}_gtFine"
                for kind in ("labelIds", "instanceIds"):
                    values = (3, 3, 1) if split == "test" else (7, 26, 4)
                    mask(start.with_name(f"{start.name}_{kind}.png"), *values)
                mask(start.with_name(f"{start.name}_color.png"), [128, 64, 128], [0, 0, 142])


def segnet_camvid(root):
    for split in ("train", "val", "test"):
        lines = []
        for i in range(3):
            name = f"{len(split)}001TP_{i:06}{split[0]}.png"
            picture(root / f"{split}/{name}", ord(split[1]) + i)
            mask(root / f"{split}annot/{name}", 0, 3, 11)
            lines.append(f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}")
        (root / f"{split}.txt").write_text("\n".join(lines))


def camvid_raw(root):
    for i, place in enumerate(PLACES):
        for n in range(2):
            picture(root / f"701_StillsRaw_full/{place}001_{n:05}.png", 10 * i + n)
            mask(root / f"LabeledApproved_full/{place}001_{n:05}_L.png", [64, 128, 64], [0, 0, 0])
    for n in range(2):
        mask(root / f"LabeledApproved_full/{PLACES[0]}001_{n:05}_L.png", [64, 128, 64], [192, 0, 128])
        mask(root / f"LabeledApproved_full/{PLACES[1]}001_{n:05}_L.png", [64, 128, 64], [192, 0, 128])
    (root / "label_colors.txt").write_text("64 128 64\tAnimal\n192 0 128\t\tArchway\n0 0 0\t\tVoid\n")


def nnunet(root):
    for i, place in enumerate(PLACES):
        picture(root / f"imagesTr/{place}_001_0000.png", i)
        mask(root / f"labelsTr/{place}_001.png", 0, 1)
        picture(root / f"imagesTs/{place}_002_0000.png", 50 + i)
    tree = {
        "channel_names": {"0": "R"},
        "labels": {"background": 0, "road": 1},
        "numTraining": 8,
        "file_ending": ".png",
    }
    (root / "dataset.json").write_text(json.dumps(tree))


def nnunet_folds(root):
    """Labelled test images too, and nnU-Net's five folds where it keeps them; of the first, two images are val's."""
    nnunet(root)
    for i, place in enumerate(PLACES[:4]):
        mask(root / f"labelsTs/{place}_002.png", i % 2, 1)
    names = [f"{place}_001" for place in PLACES]
    folds = [names[2 * i : 2 * i + 2] for i in range(4)] + [names[1:3]]
    for place in PLACES[4:]:
        (root / f"imagesTs/{place}_002_0000.png").unlink()
    path = root.parent / f"nnUNet_preprocessed/{root.name}/splits_final.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"train": [each for each in names if each not in val], "val": val} for val in folds]))


def _coco(path, names):
    shape = {"category_id": 18, "segmentation": [FLAT], "iscrowd": 0, "bbox": [4, 4, 36, 26], "area": 1}
    images = [{"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in enumerate(names)]
    tree = {"images": images, "categories": [{"id": 18, "name": "dog"}, {"id": 19, "name": "horse"}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = [shape | {"id": i, "image_id": i} for i in range(len(names))]
    path.write_text(json.dumps(tree | {"annotations": shapes}))


def coco(root):
    for split, count in (("train2017", 5), ("val2017", 3), ("test2017", 2)):
        names = [f"{i:012}.jpg" for i in range(count)]
        for i, name in enumerate(names):
            picture(root / f"{split}/{name}", 100 * len(split) + i + count)
        if split != "test2017":
            _coco(root / f"annotations/instances_{split}.json", names)
            captions = {"images": [], "annotations": [{"image_id": 0, "caption": "A dog."}]}
            (root / f"annotations/captions_{split}.json").write_text(json.dumps(captions))


def coco_folders(root):
    """A JSON of polygons beside the images of each split, as Roboflow exports COCO."""
    for split, count in (("train", 5), ("valid", 2), ("test", 1)):
        names = [f"{split}_{i}.jpg" for i in range(count)]
        for i, name in enumerate(names):
            picture(root / f"{split}/{name}", 100 * len(split) + i + count)
        _coco(root / f"{split}/_annotations.coco.json", names)


def panoptic(root):
    for split, count in (("train2017", 5), ("val2017", 3)):
        rows, images = [], []
        for i in range(count):
            picture(root / f"{split}/{i:012}.jpg", 100 * count + i)
            mask(root / f"annotations/panoptic_{split}/{i:012}.png", [7, 0, 0], [1, 2, 3], [0, 0, 0])
            segments = [{"id": 7, "category_id": 1}, {"id": 1 + 2 * 256 + 3 * 65_536, "category_id": 2}]
            rows.append({"image_id": i, "file_name": f"{i:012}.png", "segments_info": segments})
            images.append({"id": i, "file_name": f"{i:012}.jpg", "height": HEIGHT, "width": WIDTH})
        tree = {
            "images": images,
            "annotations": rows,
            "categories": [{"id": 1, "name": "sky"}, {"id": 2, "name": "sea"}],
        }
        (root / f"annotations/panoptic_{split}.json").write_text(json.dumps(tree))


def labelme(root):
    for i, place in enumerate(PLACES):
        picture(root / f"{place}_1.jpg", i)
        shape = {"label": "cow", "points": CORNERS, "shape_type": "polygon"}
        tree = {"version": "5.4.1", "imagePath": f"{place}_1.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (root / f"{place}_1.json").write_text(json.dumps(tree | {"shapes": [shape], "imageData": None}))


def labelme_folders(root):
    """LabelMe's files in a folder of their own."""
    labelme(root / "images")
    (root / "annotations").mkdir()
    for path in (root / "images").glob("*.json"):
        text = path.read_text().replace('"imagePath": "', '"imagePath": "../images/')
        (root / "annotations" / path.name).write_text(text)
        path.unlink()


def cvat(root):
    images = []
    for i, place in enumerate(PLACES):
        picture(root / f"images/{place}_1.jpg", i)
        points = ";".join(f"{x},{y}" for x, y in CORNERS)
        images.append(CITY.format(i, f"{place}_1.jpg", f'<polygon label="cow" points="{points}" z_order="0"/>'))
    text = "".join(images)
    (root / "annotations.xml").write_text(f"<?xml version='1.0'?><annotations><meta/>{text}</annotations>")


def yolo(root):
    corners = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in CORNERS)
    for i, place in enumerate(PLACES):
        split = "train" if i < 6 else "val"
        picture(root / f"images/{split}/{place}.jpg", i)
        (root / f"labels/{split}").mkdir(parents=True, exist_ok=True)
        (root / f"labels/{split}/{place}.txt").write_text(f"1 {corners}\n")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")


def one_folder(root):
    for i, place in enumerate(PLACES):
        picture(root / f"{place}_1.jpg", i)
        mask(root / f"{place}_1_mask.png", 0, 255)


def masks_elsewhere(root):
    for i, place in enumerate(PLACES):
        picture(root / f"{place}_1.jpg", i)
        mask(root.parent / f"labels/{place}_1.png", 1, 2)


def train_and_test(root):
    """Fixed test images, and none for validation."""
    for split, count in (("train", 8), ("test", 2)):
        for i in range(count):
            picture(root / f"{split}/images/{PLACES[i]}_{split}.png", 20 * count + i)
            mask(root / f"{split}/masks/{PLACES[i]}_{split}.png", 1, 2)


def split_folders(root):
    """Folders of images and of colour masks in a folder for each split, and no file that says what colours mean."""
    for split, count in (("train", 5), ("val", 2), ("test", 1)):
        for i in range(count):
            picture(root / f"{split}/images/{split}{i}.jpg", 100 * len(split) + i)
            mask(root / f"{split}/masks/{split}{i}.png", [255, 0, 128], [0, 128, 0])


def split_document(root):
    """Images by number, and one YAML file of numbers for both splits, as CWFID has them."""
    for i in range(10):
        picture(root / f"images/{i + 1:03}_image.png", i)
        mask(root / f"annotations/{i + 1:03}_annotation.png", 1, 2)
    (root / "train_test_split.yaml").write_text("train: [1, 2, 4, 5, 7, 8, 9, 10]\ntest: [3, 6]\n")


BUILDERS = (
    voc, ade20k, cityscapes, segnet_camvid, camvid_raw, nnunet, nnunet_folds, coco, coco_folders, panoptic, labelme,
    labelme_folders, cvat, yolo, one_folder, masks_elsewhere, train_and_test, split_folders, split_document,
)  # fmt: skip

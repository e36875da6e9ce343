import pytest

from pipeline.planning.names import well_known
from pipeline.planning.names.label_names import Name


def test_well_known_sets_are_recognised_by_their_names():
    voc, _, _ = well_known.of_layout("VOC2012/SegmentationClass/2007_1.png")
    assert (voc[0].text, voc[15].text, voc[20].text, len(voc)) == ("background", "person", "tvmonitor", 22)
    assert voc[255] == Name("void", True)
    cities, _, _ = well_known.of_layout("gtFine/train/ulm/ulm_1_2_gtFine_labelIds.png")
    assert (cities[7], cities[33], cities[0]) == (Name("road", False), Name("bicycle", False), Name("ignored", True))
    assert sum(not name.ignore for name in cities.values()) == 19
    camvid, _, _ = well_known.of_layout("trainannot/0001.png")
    assert (camvid[0].text, camvid[11]) == ("Sky", Name("unlabelled", True))


@pytest.mark.parametrize(
    ("mask", "whose", "is_sure"),
    [
        ("VOCdevkit/VOC2012/SegmentationClass/2007_000032.png", "Pascal VOC's, by the layout", True),
        ("SegmentationClass/frame_000001.png", "Pascal VOC's, by the layout", False),
        ("gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png", "Cityscapes', by the layout", True),
        ("CamVid/trainannot/0001TP_006690.png", "CamVid's in the SegNet release, by the layout", True),
        ("testannot/Seq05VD_f00000.png", "CamVid's in the SegNet release, by the layout", True),
        ("trainannot/0001.png", "CamVid's in the SegNet release, by the layout", False),
        ("masks/0001TP_006690.png", "", False),
    ],
)
def test_a_layout_that_others_share_is_told_by_the_names_of_its_files(mask, whose, is_sure):
    assert well_known.of_layout(mask)[1:] == (whose, is_sure)

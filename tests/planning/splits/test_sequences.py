import re

import pytest

from pipeline.planning.splits import sequences

PATIENTS = r"(?<![A-Za-z])(patient[_-]?\d+)[^/]*$"
NAMES = r"([^/]+?)(?:\.[^./]*)?$"


def groups(pattern, images):
    return {re.search(pattern, image)[1] for image in images}


@pytest.mark.parametrize(
    ("images", "expected", "reason"),
    [
        (
            [f"slide_{i:03}_{512 * x}_{512 * y}" for i in range(8) for x in range(3) for y in range(3)],
            {f"slide_{i:03}" for i in range(8)},
            "what ends with the first number in a name: 8 sequences, each of which stays in one split",
        ),
        (
            [f"a/run-2-site-{i}-{x}-{y}" for i in range(7) for x in range(3) for y in range(3)],
            {f"run-2-site-{i}" for i in range(7)},
            "what ends with the second number in a name: 7 sequences, each of which stays in one split",
        ),
        (
            [f"s1_v{i}_f{frame:03}" for i in range(6) for frame in range(4)],
            {f"s1_v{i}" for i in range(6)},
            "what ends with the second number in a name: 6 sequences, each of which stays in one split",
        ),
        (
            [f"volume-{i}_{n}" for i in range(6) for n in range(2)],
            {f"volume-{i}" for i in range(6)},
            "what is before the last number in a name: 6 sequences, each of which stays in one split",
        ),
    ],
)
def test_of_names_with_several_numbers_the_coarsest_sequences_that_are_enough_are_taken(images, expected, reason):
    images = [f"{image}.png" for image in images]
    pattern, why, questions = sequences.propose(images)
    assert groups(pattern, images) == expected
    assert (why, questions) == (reason, ())


@pytest.mark.parametrize(
    ("images", "taken", "other"),
    [
        (
            [f"top_potsdam_{a}_{b}_{y}_{x}" for a in (2, 3, 4) for b in (10, 11, 12) for y in "12" for x in "12"],
            "top_potsdam_2_10",
            ("begin with top_potsdam_2", 3),
        ),
        (
            [f"patient_{i}_visit_{j}_slice_{k}" for i in range(4) for j in range(3) for k in range(4)],
            "patient_0_visit_0_slice",
            ("contain patient_0", 4, PATIENTS),
        ),
        (
            [f"slice_{k:03}_patient_{i:02}" for k in range(8) for i in range(6)],
            "slice_000_patient",
            ("contain patient_00", 6, PATIENTS),
        ),
        (
            [f"{kind}_patient_{i}_{k}" for kind in ("T1", "T2", "FLAIR") for i in range(4) for k in range(3)],
            "T1_patient_0",
            ("contain patient_0", 4, PATIENTS),
        ),
        (
            [f"{kind}_patient_{i}" for kind in ("T1", "T2", "FLAIR") for i in range(4)],
            "",
            ("contain patient_0", 4, PATIENTS),
        ),
        ([f"z{z:03}/p{i:02}" for z in range(8) for i in range(5)], "z000", ("are p00", 5, NAMES)),
        ([f"x/aug_{n}/leaf_{i}" for n in range(6) for i in range(8)], "aug_0", ("are leaf_0", 8, NAMES)),
    ],
)
def test_sequences_that_others_cut_across_or_that_could_be_coarser_are_asked_about(images, taken, other):
    images = [f"{image}.png" for image in images]
    pattern, _, (question,) = sequences.propose(images)
    names, number, *expected = other
    assert re.search(pattern, images[0])[1] == (taken or images[0])
    assert question.startswith(
        f"Are images alike whose names {names}? As it is, they may be in several splits. Default: no, a sequence is "
    )
    assert (f", such as {taken}. If yes" if taken else "each image on its own. If yes") in question
    offered = question.partition(f"If yes, which makes {number} sequences: sequence: ")[2]
    assert expected in ([], [offered])
    assert len(groups(offered, images)) == number


@pytest.mark.parametrize(
    "images",
    [
        [f"patient_{i}/slice_{k}" for i in range(6) for k in range(4)],
        [f"site{i}/DSC_{k:04}" for i in range(6) for k in range(4)],
        [f"site{i}/case_{k}" for i in range(6) for k in range(4)],
        [f"patient_{i}_slice_{k}" for i in range(6) for k in range(4)],
        [f"{place}/case_{i}_{k}" for place in "ab" for i in range(6) for k in range(4)],
        [f"z{z}/{z}_{k}" for z in range(6) for k in range(4)],
    ],
)
def test_sequences_that_nothing_cuts_across_are_not_asked_about(images):
    assert sequences.propose([f"{image}.png" for image in images])[2] == ()

"""An evaluation of 130 images: python -m tests.support.evaluated FOLDER SAMPLES; writes what was counted and shown.

With RAY_ADDRESS, nodes predict. More samples take longer, and every image's number is printed when it is shown.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from pipeline import params
from pipeline.artifacts import scores
from pipeline.artifacts.spec import Spec
from pipeline.evaluation import evaluate
from pipeline.files import log
from pipeline.inference import predict
from tests.support import SCENES
from tests.support.tiny_data import CLASSES, write_raw
from tests.support.tiny_model import write_model
from tests.support.tiny_training import ANYWHERE

IMAGES = 130  # eight ranges of sixteen, and two images more


def main(folder, samples):
    log.to_stderr()
    spec = Spec("bayesian_segnet_basic", 0.0625, CLASSES, "toy", 32, 64, 1.0, "run-a")
    manifest = write_raw(folder / "raw", [(32, 64), (40, 48)] * (IMAGES // 2))
    predictor = predict.load(write_model(folder / "model", spec), **predict.PLAIN | {"samples": samples})
    shown = []

    def show(image_id, image, truth, prediction, *, uncertainty, counts_CC):
        total = hashlib.sha256(image_id.encode())
        for array in (image, truth, prediction, uncertainty, counts_CC):
            total.update(np.ascontiguousarray(array).tobytes())
        shown.append(f"{image_id} {total.hexdigest()}\n")
        print(len(shown), flush=True)

    result = evaluate.run(predictor, manifest, folder / "raw", on_image=show, placement=ANYWHERE)
    (folder / "shown.txt").write_text("".join(shown))
    scores.write(folder, result, evaluate.intervals(result, params.load(SCENES).evaluate))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""What a method costs, measured when a page is made: such numbers stand in no file that is compared."""

import contextlib
import functools
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from model.backend import prepare_keras
from pipeline.uv.position_map import load_uv
from stages.project.params import DataParams
from stages.project.paths import LAYOUT
from stages.project.runs import choose_regression
from stages.project.survey import Finder, open_tools, sample_faces
from stages.project.survey_methods import KINDS
from stages.project.survey_params import NOTHING, SurveyMethod
from stages.project.variants import VariantSettings

# Test photos, evenly spaced, that a method is timed on; how often a network is.
PHOTOS, TURNS = 5, 9
FLOAT32_BYTES = 4
MEGABYTE = 1e6


class Cost(NamedTuple):
    """What a face takes once its landmarks are known: median milliseconds on one thread, and MB of what is loaded."""

    milliseconds: float
    megabytes: float


def measure_methods(
    root: Path, methods: Mapping[str, SurveyMethod], open_landmarks: Callable[[str], Finder], data: DataParams
) -> dict[str, Cost]:
    """Measure the survey's methods on some test photos of the project at `root`, without what finds their landmarks.

    Parameters
    ----------
    root : Path
    methods : dict of str to SurveyMethod
    open_landmarks : callable
        Opens what finds the landmarks of a source's name.
    data : DataParams

    Returns
    -------
    dict of str to Cost
        Of methods that could do none of these photos, none. MB are those of the files that a method reads, without the
        UV layout.
    """
    costs = {}
    for name, method in methods.items():
        kind, tools = KINDS[method.kind], open_tools(root, method)
        times: list[float] = []
        for face in sample_faces(root, open_landmarks(method.landmarks), data, PHOTOS):
            run = functools.partial(kind.method, face, tools)
            with contextlib.suppress(ValueError, OSError), threadpool_limits(1):  # failed.csv has why
                if not times:
                    run()  # what is kept from face to face is made once
                times.append(_milliseconds(run))
        if times:
            needed = [] if method.needs == NOTHING else [Path(method.needs)]
            size = sum(_size(root / path) for path in (*kind.files, *needed))
            costs[name] = Cost(statistics.median(times), size / MEGABYTE)
    return costs


def measure_networks(root: Path, settings: Mapping[str, VariantSettings]) -> dict[str, Cost]:
    """Measure the networks of variants, from a crop to what they put out, on TensorFlow.

    Their weights are drawn, since what a multiplication takes does not depend on its numbers; equal networks are
    measured once.

    Returns
    -------
    dict of str to Cost
        MB are those of float32 weights.
    """
    # TensorFlow reads them when it starts: one thread, and no accelerator.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    prepare_keras()
    layout = load_uv(root / LAYOUT)
    measured: dict[tuple, Cost] = {}
    costs = {}
    for name, each in settings.items():
        key = (each.network, each.train.scaling, each.train.mirror)
        if key not in measured:
            network = choose_regression(each, layout).build()
            predict = functools.partial(
                network.predict_on_batch, np.zeros((1, layout.size, layout.size, 3), np.float32)
            )
            predict()  # which compiles it
            times = [_milliseconds(predict) for _ in range(TURNS)]
            looks = 2 if each.train.mirror else 1
            measured[key] = Cost(looks * statistics.median(times), FLOAT32_BYTES * network.count_params() / MEGABYTE)
        costs[name] = measured[key]
    return costs


def _milliseconds(function: Callable[[], object]) -> float:
    """Time of the processor, which on one thread is the time that passes where nothing else runs."""
    start = time.process_time()
    function()
    return 1000 * (time.process_time() - start)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())

"""What networks cost: measured once for all variants that have the same one."""

import pytest

from pipeline.uv.position_map import load_uv
from stages.pages.costs import measure_networks
from stages.project.runs import choose_regression
from stages.project.variants import resolve_variant
from tests.helpers.made_params import PARAMS
from tests.helpers.small_project import write_model


@pytest.mark.slow
def test_equal_networks_are_measured_once_and_weigh_what_their_weights_do(keras, tmp_path, monkeypatch):
    write_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")  # undone after the test
    settings = {name: resolve_variant(PARAMS, name) for name in ("prn", "final")}
    settings["again"] = settings["prn"]
    costs = measure_networks(tmp_path, settings)
    assert costs["again"] is costs["prn"]
    for name in ("prn", "final"):
        network = choose_regression(settings[name], load_uv(tmp_path / "data/uv_embedding/uv.h5")).build()
        assert costs[name].megabytes == pytest.approx(4e-6 * network.count_params())
        assert costs[name].milliseconds > 0
    assert costs["final"].megabytes > costs["prn"].megabytes

import numpy as np
import pytest

from model.export import open_session
from pipeline.crops.blaze_face import open_network
from pipeline.crops.face_mesh import FILES, read_files
from pipeline.photo.browser_parts import LOOKING
from pipeline.photo.litert_to_onnx import convert


@pytest.fixture(scope="module")
def files():
    return read_files()


@pytest.mark.parametrize("name", LOOKING)
def test_a_converted_network_puts_out_what_litert_does(files, name):
    content = files[FILES[name]]
    network = open_network(content, 1)
    session = open_session(convert(content), 1)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, network.size, network.size, 3)).astype(np.float32)
    expected, found = network.run(photo), session.run(None, {"photo": photo})
    assert [each.shape for each in found] == [each.shape for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.ptp(other) > 1 or other.size == 1
        # In px of what the network sees, or logits.
        assert np.abs(one - other).max() < 1e-3


def test_the_same_network_is_converted_to_the_same_bytes_and_stays_as_small(files):
    content = files[FILES["near"]]
    assert convert(content) == convert(content)
    assert len(convert(content)) < len(content)

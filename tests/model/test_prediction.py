"""A network applied to samples, in order, with and without the mirror image, by a stand-in for the network."""

import numpy as np
import pytest

from model.regression import mirrored_maps
from pipeline.store.samples import locate
from pipeline.store.shards import write_shard

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

SIZE = 4


class Network:
    """Puts out a map whose x is the photo's red times 10, and whose y is the row; it counts the photos of each call."""

    def __init__(self):
        self.seen = []

    def predict_on_batch(self, photos):
        self.seen.append(len(photos))
        rows = np.broadcast_to(np.arange(SIZE, dtype=np.float32)[:, None], photos.shape[:3])
        return {"final": np.stack([10 * photos[..., 0], rows, np.full_like(rows, 7)], axis=-1)}


@pytest.fixture
def samples(tmp_path):
    """Three photos: the k-th has k/255 of red on the left, and 3k/255 in its last column."""
    images = np.zeros((3, SIZE, SIZE, 3), np.uint8)
    images[..., 0] = np.arange(3)[:, None, None]
    images[:, :, -1, 0] *= 3
    names = np.array(["a/0", "a/1", "a/2"], object)
    write_shard(tmp_path / "00000.h5", {"image": images, "sample_id": names}, {})
    return locate([tmp_path / "00000.h5"])


def predict(samples, mirrored=None):
    from model.prediction import predict

    network = Network()
    parts = list(predict(network, samples, 2, lambda final: final, mirrored))
    assert [[sample.sample_id for sample in batch] for batch, _ in parts] == [["a/0", "a/1"], ["a/2"]]
    # The last batch is filled up.
    assert set(network.seen) == {2}
    return np.concatenate([maps for _, maps in parts])


def test_maps_come_in_the_order_of_the_samples(samples):
    maps = predict(samples)
    # Red is seen from 0 to 1.
    assert maps[:, 0, 0, 0] == pytest.approx(np.arange(3) / 25.5)
    assert maps[:, 2, -1, 0] == pytest.approx(3 * np.arange(3) / 25.5)
    assert maps[1, :, 0, 1].tolist() == [0, 1, 2, 3]


def test_a_mirror_image_s_map_is_mirrored_back_in_columns_and_in_x_and_counts_half(samples):
    maps = predict(samples, mirrored_maps)
    # In the mirror the first column is the last: its map comes back to where it was, but x counts from the right.
    for k in range(3):
        for column, red in ((0, k), (-1, 3 * k)):
            own = red / 25.5
            assert maps[k, :, column, 0] == pytest.approx((own + (SIZE - 1 - own)) / 2)
    assert maps[0, :, 1, 1].tolist() == [0, 1, 2, 3]
    assert (maps[..., 2] == 7).all()

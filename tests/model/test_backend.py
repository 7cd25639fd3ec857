"""What Keras runs on: a parameter says it, and the environment may only agree."""

import pytest

from model.backend import check_backend
from tests.helpers.processes import run_alone


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("environment", [None, "", "tensorflow", "jax", "torch"])
def test_the_environment_may_say_the_same_or_nothing(monkeypatch, backend, environment):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if environment is not None:
        monkeypatch.setenv("KERAS_BACKEND", environment)
    if environment in (None, "", backend):
        check_backend(backend)
        return
    with pytest.raises(ValueError, match=f"KERAS_BACKEND is {environment} in the environment, but train.backend is "):
        check_backend(backend)


@pytest.mark.parametrize(
    ("backend", "mended"), [("tensorflow", "`make install` installs it"), ("jax", "`pip install jax`")]
)
def test_a_backend_that_is_not_installed_is_told(monkeypatch, backend, mended):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=f"train.backend is {backend}, which is not installed here: {mended}"):
        check_backend(backend)


def started() -> tuple[str, str, str]:
    from model.backend import prepare_keras

    prepare_keras()
    import keras

    return keras.backend.backend(), keras.config.image_data_format(), keras.config.floatx()


@pytest.mark.slow
def test_neither_the_environment_nor_a_file_in_the_home_folder_changes_what_a_stage_asks_for(tmp_path):
    """As where weights are exported that JAX has made: LiteRT's converter is TensorFlow's."""
    (tmp_path / "keras.json").write_text(
        '{"backend": "jax", "image_data_format": "channels_first", "floatx": "float16", "epsilon": 1e-7}'
    )
    found = run_alone(started, KERAS_BACKEND="jax", KERAS_HOME=str(tmp_path))
    assert found == ("tensorflow", "channels_last", "float32")

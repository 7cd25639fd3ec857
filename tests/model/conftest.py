import pytest


@pytest.fixture
def set_precision(keras):
    """Set what layers compute in, for one test."""
    kept = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(kept)

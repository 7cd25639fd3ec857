"""Start Keras on its backend, with what has to be set before a network is built."""

import contextlib
import importlib.util
import logging
import os

from pipeline.store.memory import ALL_MEMORY, keep_memory
from pipeline.store.quiet import quiet_stderr


def check_backend(backend: str) -> None:
    """Check that what a run is to be trained and applied on is there, and that the environment asks for nothing else.

    Parameters
    ----------
    backend : {'tensorflow', 'jax'}
        ``train.backend``. KERAS_BACKEND may say the same; DVC would not see that it has changed.

    Raises
    ------
    ValueError
        If KERAS_BACKEND is another one, or it is not installed.
    """
    asked = os.environ.get("KERAS_BACKEND") or backend
    if asked != backend:
        raise ValueError(
            f"KERAS_BACKEND is {asked} in the environment, but train.backend is {backend}: unset KERAS_BACKEND. The "
            "parameter train.backend chooses, tensorflow or jax, since DVC sees no environment."
        )
    if importlib.util.find_spec(backend) is None:
        raise ValueError(
            f"train.backend is {backend}, which is not installed here: "
            + ("`pip install jax`, or set it to tensorflow." if backend == "jax" else "`make install` installs it.")
        )


def prepare_keras(precision: str = "float32", xla: bool = False, devices: int = 1, backend: str = "tensorflow") -> None:
    """Import Keras on a backend, whatever the environment says: quiet, and deterministic (but for XLA).

    Parameters
    ----------
    precision : {'float32', 'mixed_bfloat16', 'mixed_float16'}
        Keras's name of what layers compute in.
    xla : bool
        Whether XLA is to compile what is trained, which takes TensorFlow's deterministic mode away.
    devices : int
        How many devices share each batch, by Keras's data parallelism. Its `distribution` does nothing real on
        TensorFlow, and TensorFlow's own strategy keeps batch statistics apart: more than one need JAX.
    backend : {'tensorflow', 'jax'}
        What is exported must be on TensorFlow, whatever it was trained on; weights are the same on both.

    Raises
    ------
    ValueError
        If there are fewer devices.
    """
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Convolutions by oneDNN, which TensorFlow itself turns on only for some processors, twice as fast on the others.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if not xla:
        # Keras leaves XLA out, with no more than a warning, where TensorFlow is told to be deterministic.
        os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    keep_memory(ALL_MEMORY)
    # TensorFlow counts a network's phases, each compiled anew, as tracing too often.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with quiet_stderr():
        import keras
    # A file in the user's home folder may say otherwise.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(precision)
    if devices > 1:
        found = keras.distribution.list_devices()
        if len(found) < devices:
            raise ValueError(f"train.devices is {devices}; JAX finds {len(found)}: {', '.join(found)}.")
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found[:devices]))


def full_precision() -> contextlib.AbstractContextManager:
    """Compute matrix products within in float32 to the last bit, which a GPU rounds to 10 bits where it is let.

    On TensorFlow this holds everywhere, see `prepare_keras`.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_matmul_precision("highest")
    return contextlib.nullcontext()


def device_name() -> str:
    """Name what Keras computes on, for a line of the log: the kind of the first device that its backend has."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return f"JAX on {jax.devices()[0].device_kind}"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU") if gpus else "the CPU"
        return f"TensorFlow on {name}"
    return keras.backend.backend()

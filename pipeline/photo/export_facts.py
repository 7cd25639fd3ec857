"""What an exported file says of itself, so that nobody needs params.yaml to read it.

ONNX files have it among their `metadata_props`, under `facts`; LiteRT files have `facts.json` in a zip file behind the
network, which is LiteRT's own way (``unzip -p network.tflite facts.json``). Both are JSON.
"""

import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from .onnx_session import open_session

PROPERTY, MEMBER = "facts", "facts.json"
# Members have no times of their own, so that the same network has the same bytes.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ExportFacts:
    """What must be known to use an exported network.

    Attributes
    ----------
    variant : str
        Which network it is.
    scaling : str
        How its output becomes px, see `scaling.Scaling`.
    size : int
        Side in px of its crops and maps.
    margin : float
        Side of the crop in sides of the box of the 68 landmarks.
    level : bool
        Whether its crops are levelled.
    weights_sha256 : str
        Of the file of the weights that it was exported from.
    uv_sha256 : str
        Of the UV layout of its maps, as `weights.digest_uv` gives it.
    """

    variant: str
    scaling: str
    size: int
    margin: float
    level: bool
    weights_sha256: str
    uv_sha256: str


def write_facts(path: Path, facts: ExportFacts) -> None:
    """Put facts into an exported file (.onnx or .tflite) that has none; the same bytes each time."""
    text = json.dumps(asdict(facts), sort_keys=True)
    if path.suffix == ".onnx":
        import onnx

        model = onnx.load(path)
        model.metadata_props.add(key=PROPERTY, value=text)
        onnx.save(model, path)
    else:
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(zipfile.ZipInfo(MEMBER, LONG_AGO), text)


def read_facts(path: Path) -> ExportFacts:
    """Read what an exported file says of itself.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it says nothing, or something else than `write_facts` does.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; expected an exported network (.onnx or .tflite).")
    try:
        if path.suffix == ".onnx":
            facts = facts_in(open_session(path, threads=1))
        else:
            with zipfile.ZipFile(path) as file:
                facts = _parse(file.read(MEMBER))
    except Exception as error:  # of ONNX Runtime, zipfile and json, which have kinds of their own
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"{path} is damaged, or no network that `export` wrote ({reason}): export it anew.") from error
    if facts is None:
        raise ValueError(f"{path} does not say how its output becomes px: export it anew.")
    return facts


def facts_in(session: Any) -> ExportFacts | None:
    """Read the facts of an ONNX network that is open (`open_session`); None if it has none.

    Raises
    ------
    ValueError
        If one of them is of another kind.
    """
    text = session.get_modelmeta().custom_metadata_map.get(PROPERTY)
    return None if text is None else _parse(text)


def _parse(text: str | bytes) -> ExportFacts:
    facts = ExportFacts(**json.loads(text))
    wrong = [field.name for field in fields(facts) if type(getattr(facts, field.name)) is not field.type]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} of its facts is of another kind")
    return facts


def check_same(facts: ExportFacts, expected: Any, whose: str) -> None:
    """Check that a network says of itself what else is said of it.

    Parameters
    ----------
    facts : ExportFacts
    expected : object
        With attributes of the same names; those that it has not are not compared.
    whose : str
        Who says that, for the sentence.

    Raises
    ------
    ValueError
        If they contradict each other.
    """
    for name, said in asdict(facts).items():
        other = getattr(expected, name, said)
        if other != said:
            raise ValueError(f"The network says of itself that its {name} is {said}, and {whose} that it is {other}.")

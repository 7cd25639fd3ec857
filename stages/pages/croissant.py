"""data/croissant.json: the prepared set as machines read it, in Croissant 1.1 with the responsible-AI vocabulary 1.0.

Croissant has no way into an HDF5 file (github.com/mlcommons/croissant, issue 697): the shards are described as files,
and each dataset in them as a field with shape and type but without a rule to extract it, so that what reads Croissant
knows what is there and does not try. The tables beside them are read by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.store.shards import ENCODING, SCHEMA_VERSION
from stages.project.data_sources import DataSource
from stages.project.paths import PARTS

Node = dict[str, Any]
# The terms that the specification asks for, word for word.
CONTEXT: Node = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {
    "uint8": "cr:UInt8",
    "uint16": "cr:UInt16",
    "int32": "cr:Int32",
    "float32": "cr:Float32",
    "float64": "cr:Float64",
    "str": "sc:Text",
}
# What docs/data.md, section 'Contracts', says of each dataset.
DATASETS = {
    "image": f"Crop, RGB, aligned. Stored as {ENCODING}.",
    "position_map": "Positions x, y, z of the face's points by texel, in px of the crop: stored * scale + offset, both "
    f"attributes of the dataset. Stored as {ENCODING}.",
    "landmarks": "The face model's 68 landmarks, x, y, z in px of the crop.",
    "similarity": "From px of the raw photo to px of the crop, homogeneous.",
    "pose": "Pitch, yaw, roll in radians, tx, ty, tz, scale, of the crop.",
    "coefficients": "Of the face model: identity, then expression.",
    "sample_id": "<subset>/<stem of the photo's name>.",
    "photo": "Name of the raw photo.",
    "source_sha256": "SHA-256 of the raw pair, photo and annotation.",
    "photo_sha256": "SHA-256 of the raw photo.",
}
COLUMNS = {
    "sample_id": ("sc:Text", "<subset>/<stem of the photo's name>."),
    "photo": ("sc:Text", "Name of the raw photo."),
    "annotation": ("sc:Text", "Name of its annotation."),
    "source_sha256": ("sc:Text", "SHA-256 of both."),
    "photo_sha256": ("sc:Text", "SHA-256 of the raw photo."),
    "width": ("sc:Integer", "Of the raw photo, px."),
    "height": ("sc:Integer", "Of the raw photo, px."),
    "pitch": ("sc:Float", "As annotated, radians, not wrapped."),
    "yaw": ("sc:Float", "As annotated, radians, not wrapped."),
    "roll": ("sc:Float", "As annotated, radians, not wrapped."),
    "tx": ("sc:Float", "As annotated, px."),
    "ty": ("sc:Float", "As annotated, px."),
    "tz": ("sc:Float", "As annotated, px."),
    "scale": ("sc:Float", "As annotated, px a unit of the face model."),
}


def describe_croissant(
    sources: Iterable[DataSource],
    layout: Mapping[str, tuple[Sequence[int], str]],
    levels: Sequence[str],
    counts: Mapping[str, int],
    card: str,
) -> Node:
    """Describe the prepared set, as the file beside it has to.

    Parameters
    ----------
    sources : iterable of DataSource
    layout : dict of str to (shape of a row, type)
        Datasets of the shards, see `stages.project.data_facts.read_layout`.
    levels : sequence of {'on', 'off'}
    counts : dict of str to int
        Samples of each part.
    card : str
        Name of the data card beside the file.

    Returns
    -------
    dict
        JSON-LD, the same for the same set: without a date, since what `dvc repro` makes is published by nobody.
    """
    sources = list(sources)
    names = " and ".join(source.name for source in sources)
    parts = ", ".join(f"{counts[part]} {part}" for part in PARTS)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": "prepared_faces",
        "description": f"Crops, UV position maps, 68 landmarks, poses and face-model coefficients of {names}, prepared "
        f"for learning 3D face reconstruction from one photo. Samples: {parts}. {card} says more.",
        "version": f"{SCHEMA_VERSION}.0.0",
        "url": card,
        "license": list(dict.fromkeys(source.licence_url or source.licence for source in sources)),
        "citeAs": "; ".join(dict.fromkeys(source.citation for source in sources if source.citation)),
        "creator": {"@type": "sc:Organization", "name": "Who ran the pipeline; the photos are those of its sources"},
        "rai:dataCollection": " ".join(source.made for source in sources),
        "rai:dataLimitations": [error for source in sources for error in source.errors],
        "rai:dataUseCases": ["Research on 3D face reconstruction. Not for recognising or judging people."],
        "rai:personalSensitiveInformation": [
            f"{source.name}; who is shown and wants a photo taken out asks {source.ask}." for source in sources
        ],
        "distribution": [
            *(_shards(level) for level in levels),
            _files("pairs-tables", "text/csv", ["index/*/*/accepted.csv"], "Accepted pairs of each subset."),
            _files("parts-tables", "text/csv", [f"split/{part}.csv" for part in PARTS], "Samples of each part."),
        ],
        "recordSet": [*(_samples(level, layout) for level in levels), _pairs(), _parts()],
    }


def _files(name: str, kind: str, includes: list[str], text: str) -> Node:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": text,
        "encodingFormat": kind,
        "includes": includes,
    }


def _shards(level: str) -> Node:
    text = f"Shards of samples, {_level_text(level)}: HDF5, a row a sample in every dataset."
    return _files(f"shards-{level}", "application/x-hdf5", [f"position_maps/*/*/{level}/*.h5"], text)


def _level_text(level: str) -> str:
    return "levelled" if level == "on" else "not levelled"


def _samples(level: str, layout: Mapping[str, tuple[Sequence[int], str]]) -> Node:
    record_set = f"samples-{level}"
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{record_set}/{name}",
            "name": name,
            "description": f"Dataset /{name}. {DATASETS.get(name, '')}".strip(),
            "dataType": TYPES[kind],
            "source": {"fileSet": {"@id": f"shards-{level}"}},
        }
        | ({"isArray": True, "arrayShape": ",".join(map(str, shape))} if shape else {})
        for name, (shape, kind) in sorted(layout.items())
    ]
    text = f"A face, {_level_text(level)}. Read the shards with h5py and hdf5plugin."
    return _records(record_set, text, fields) | {"key": {"@id": f"{record_set}/sample_id"}}


def _records(name: str, text: str, fields: list[Node]) -> Node:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": text, "field": fields}


def _column(record_set: str, name: str, kind: str, text: str, files: str) -> Node:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": text,
        "dataType": kind,
        "source": {"fileSet": {"@id": files}, "extract": {"column": name}},
    }


def _pairs() -> Node:
    fields = [_column("pairs", name, kind, text, "pairs-tables") for name, (kind, text) in COLUMNS.items()]
    return _records("pairs", "A raw pair that can be used, with its annotated pose.", fields) | {
        "key": {"@id": "pairs/sample_id"}
    }


def _parts() -> Node:
    part: Node = {
        "@type": "cr:Field",
        "@id": "parts/part",
        "name": "part",
        "description": f"One of {', '.join(PARTS)}.",
        "dataType": ["sc:Text", "cr:Split"],
        "source": {
            "fileSet": {"@id": "parts-tables"},
            "extract": {"fileProperty": "filename"},
            "transform": {"regex": "^(.+)\\.csv$"},
        },
    }
    sample = _column("parts", "sample_id", "sc:Text", "A sample of the part.", "parts-tables")
    identity = _column("parts", "identity", "sc:Text", "Who is shown, as far as names tell.", "parts-tables")
    sample["references"] = {"field": {"@id": "pairs/sample_id"}}
    return _records("parts", "Which part each sample is in.", [part, sample, identity])

"""The stages about landmarks that are found, not annotated, and the fit's prior, on a small procedural set."""

import csv
import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest

from pipeline.crops import dlib_faces, landmark_map
from pipeline.crops.alignment import align, face_roll, resample
from pipeline.crops.face_finding import Face, first_crop
from pipeline.crops.landmark_map import load_map, table_map
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.demo.dataset import write_dataset
from pipeline.face.face_model import load_model
from pipeline.face.fit import load_prior
from pipeline.face.similarity import apply_similarity, similarity_angle, similarity_scale
from pipeline.photo.bundle import save_bundle
from pipeline.photo.map_network import make_network
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo
from pipeline.store.shards import list_shards, read_shard, write_shard
from pipeline.uv.position_map import load_uv
from pipeline.uv.scaling import Scaling, to_network
from stages import aligned, coefficient_prior, detected, found
from stages import landmark_map as landmark_map_stage
from stages.photo import landmark_finders
from stages.photo.landmark_finders import open_finder
from stages.project.annotated_face import annotated_face
from stages.project.paths import LANDMARK_MAP, LAYOUT, MODEL
from tests.helpers.data_project import SIZE, SUBSETS, call, must, prepare, write_params
from tests.helpers.made_networks import REAL, write_onnx

PARTS = ("train", "validation", "test")
MARGIN = 1.5


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    write_dataset(folder / "raw", seed=3, photos_per_subset=6, test_photos=3, photo_size=160)
    write_params(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare()
        must(landmark_map_stage)
    return folder


@pytest.fixture
def project(prepared, tmp_path, monkeypatch):
    """A copy of the prepared project, which the stages run in."""
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder


def read_ids(project, part):
    with (project / f"data/split/{part}.csv").open() as file:
        return [row["sample_id"] for row in csv.DictReader(file)]


def annotated(project, name):
    subset, stem = name.split("/")
    return read_annotation(project / "raw" / SUBSETS[subset] / f"{stem}.mat")


def read_raw(project, name):
    subset, stem = name.split("/")
    return read_photo(project / "raw" / SUBSETS[subset] / f"{stem}.jpg")


def truth_of(project, name):
    """The model's 68 landmarks of a photo to learn from, which has none annotated."""
    for path in list_shards(project / f"data/meshes/learn/{name.split('/')[0]}"):
        shard = read_shard(path)
        if name in shard["sample_id"]:
            return shard["landmarks"][list(shard["sample_id"]).index(name), :, :2].astype(np.float64)
    raise AssertionError(name)


def found_samples(project, source):
    """Samples that the stage `found` made, by their ids, and what it rejected with the reason."""
    folder = project / f"data/found/{source}/on"
    shards = [read_shard(path) for path in list_shards(folder)]
    names = [str(name) for shard in shards for name in shard["sample_id"]]
    arrays = {key: np.concatenate([shard[key] for shard in shards]) for key in ("image", "similarity")}
    with (folder / "rejected.csv").open() as file:
        rejected = {row["sample"]: row["reason"] for row in csv.DictReader(file)}
    return {name: {key: values[row] for key, values in arrays.items()} for row, name in enumerate(names)}, rejected


# --- the map of landmarks -----------------------------------------------------------------------------------------


def test_of_few_faces_the_map_is_the_table_and_no_face_is_counted_twice(prepared):
    assert np.array_equal(load_map(prepared / LANDMARK_MAP), table_map())
    metrics = json.loads((prepared / "metrics/landmark_map.json").read_text())
    sizes = {part: len(read_ids(prepared, part)) for part in PARTS}
    assert sizes == {"train": 6, "validation": 6, "test": 3}
    assert 4 <= metrics["train"] <= 6
    assert 4 <= metrics["validation"] <= 6
    assert (metrics["map_mean"], metrics["map_median"]) == (metrics["table_mean"], metrics["table_median"])
    assert 2 < metrics["table_median"] < 12, "percent of the face, of a drawn one"


def test_of_enough_faces_the_map_is_learnt_from_the_training_part_alone(project, monkeypatch):
    monkeypatch.setattr(landmark_map, "ENOUGH", 4)
    must(landmark_map_stage)
    learnt = load_map(LANDMARK_MAP)
    find = open_finder("facemesh", LANDMARK_MAP)

    def errors(part):
        for name in read_ids(project, part):
            points = find(read_raw(project, name), truth_of(project, name))
            if points is not None:
                away = np.linalg.norm(points - truth_of(project, name), axis=1).mean()
                yield 100 * away / np.sqrt(np.ptp(truth_of(project, name), axis=0).prod())

    # A map has more numbers than six faces: it repeats what it takes for right, and guesses the rest.
    assert np.median(list(errors("train"))) < 1
    assert np.median(list(errors("validation"))) > 3
    # Of the validation part it knows nothing: without it the same map is learnt.
    (project / "data/split/validation.csv").write_text("sample_id\n")
    must(landmark_map_stage)
    assert np.array_equal(load_map(LANDMARK_MAP), learnt)
    assert json.loads((project / "metrics/landmark_map.json").read_text()).keys() == {"train", "validation"}


def test_of_many_faces_some_evenly_spaced_are_looked_at(project, monkeypatch):
    looked_at = []
    find = landmark_map_stage.find_faces
    monkeypatch.setattr(landmark_map_stage, "MOST_FACES", 3)
    monkeypatch.setattr(
        landmark_map_stage, "find_faces", lambda data, names: looked_at.append(list(names)) or find(data, names)
    )
    must(landmark_map_stage)
    train, validation = (read_ids(project, part) for part in ("train", "validation"))
    assert looked_at == [[names[0], names[2], names[5]] for names in (train, validation)]


# --- crops by what was found --------------------------------------------------------------------------------------


def test_each_test_photo_is_cropped_and_levelled_by_the_points_of_face_mesh(project):
    must(found, "facemesh")
    samples, rejected = found_samples(project, "facemesh")
    assert sorted([*samples, *rejected]) == sorted(read_ids(project, "test"))
    assert len(samples) >= 2
    corners, moved = np.array([[0, 0], [SIZE - 1, 0], [0, SIZE - 1]]), []
    for name, sample in samples.items():
        photo = read_photo(project / f"raw/{name}.jpg")
        assert np.array_equal(sample["image"], resample(photo, sample["similarity"], SIZE))
        truth = align(annotated(project, name).true_landmarks, MARGIN, level=True, size=SIZE)
        away = apply_similarity(truth @ np.linalg.inv(sample["similarity"]), corners) - corners
        moved.append(np.abs(away).max())
    # Near to the annotation's crop, and not that crop; Face Mesh does not know the photo that stands on its head.
    assert min(moved) > 0.01
    assert sorted(moved)[1] < 0.2 * SIZE


def test_the_annotation_says_whose_face_is_meant_and_nothing_else(prepared):
    find = open_finder("facemesh", prepared / LANDMARK_MAP)
    name = read_ids(prepared, "test")[0]
    photo, landmarks = read_photo(prepared / f"raw/{name}.jpg"), annotated(prepared, name).true_landmarks
    expected = find(photo, landmarks)
    assert np.array_equal(find(photo, landmarks + np.array([4, -3, 50])), expected)
    assert np.array_equal(find(photo, 0.8 * landmarks + 0.2 * landmarks.mean(axis=0)), expected)
    assert find(photo, landmarks + np.array([500, 0, 0])) is None


def test_dlib_finds_landmarks_by_the_file_that_is_named(project, monkeypatch):
    *others, lost = read_ids(project, "test")
    truths = {name: annotated(project, name).true_landmarks[:, :2] for name in others}
    photos = {name: read_photo(project / f"raw/{name}.jpg") for name in others}
    opened, crops = [], []

    def name_of(photo):
        return next((name for name, pixels in photos.items() if np.array_equal(pixels, photo)), None)

    def box_of(points):
        return np.concatenate([points.min(axis=0), np.ptp(points, axis=0)])

    def find_faces(predictor, photo):
        assert predictor == "predictor"
        truth = truths.get(name_of(photo), np.zeros((68, 2)))
        stranger = Face(np.array([0.0, 0, 5, 5]), np.zeros((5, 2)), 3.0, 0)
        five = [truth[36:42].mean(axis=0), truth[42:48].mean(axis=0), *truth[[30, 48, 54]]]
        return [stranger, Face(box_of(truth), np.array(five), 1.0, 0)]

    def find_landmarks(_, photo, crop):
        crops.append(crop)
        return truths[name_of(photo)] + 1.0

    monkeypatch.setattr(dlib_faces, "open_predictor", lambda path: opened.append(path) or "predictor")
    monkeypatch.setattr(dlib_faces, "find_faces", find_faces)
    monkeypatch.setattr(dlib_faces, "find_landmarks", find_landmarks)
    (project / "68.dat").touch()
    change_found(project, "dlib: 68.dat")
    must(found, "dlib")
    samples, rejected = found_samples(project, "dlib")
    assert {str(path) for path in opened} == {"68.dat"}
    assert rejected == {lost: "No face was found where the annotation has one."}
    assert samples.keys() == truths.keys()
    for name, sample in samples.items():
        assert sample["similarity"] == pytest.approx(align(truths[name] + 1.0, MARGIN, level=True, size=SIZE))
    # Its predictor sees the face in the middle of a crop whose box has two thirds of the side.
    assert apply_similarity(crops[0], truths[others[0]]).mean(axis=0) == pytest.approx([192, 192], abs=20)


def test_a_set_whose_boxes_are_detected_is_framed_as_photos_are(project, monkeypatch):
    """MTCNN stood in for: it has the face of one sample of a shard, and not that of the other."""
    path = list_shards(project / "data/meshes/learn/AFW")[0]
    shard = read_shard(path)
    points = shard["landmarks"][0, :, :2].astype(np.float64)
    five = np.array([points[36:42].mean(axis=0), points[42:48].mean(axis=0), *points[[30, 48, 54]]])
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    face = Face(np.concatenate([low - 0.1 * extent, 1.2 * extent]), five, 1.0, 0)
    finds = iter([[face], []])
    monkeypatch.setattr(detected, "find_faces", lambda _: next(finds))
    content = detected.detect(path, project / "raw" / SUBSETS["AFW"])
    assert content.rejected == [(shard["sample_id"][1], "The detector found no face where the annotation has one.")]
    assert list(content.datasets["sample_id"]) == [shard["sample_id"][0]]
    write_shard(project / "detected.h5", content.datasets, {})
    crop = aligned.align_photos(project / "detected.h5", project / "raw" / SUBSETS["AFW"], MARGIN, True, SIZE)
    framed = crop.datasets["similarity"][0]
    photo = first_crop(face, MARGIN, SIZE)
    assert similarity_scale(framed) == pytest.approx(similarity_scale(photo), rel=1e-5)
    middle = apply_similarity(np.linalg.inv(photo), np.full(2, (SIZE - 1) / 2))
    assert apply_similarity(framed, middle) == pytest.approx([(SIZE - 1) / 2] * 2, abs=1e-3)
    # It is levelled by the annotation.
    assert similarity_angle(framed) == pytest.approx(-face_roll(points), abs=1e-6)


def test_a_network_finds_landmarks_in_a_first_crop_by_the_bundle_that_is_named(project, embedded):
    """A network that says of every crop that each texel lies at its own place in it: landmarks lie at their texels."""
    model, layout = load_model(MODEL), load_uv(LAYOUT)
    row, column = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    places = np.stack([column, row, np.zeros_like(row)], axis=-1)
    onnx = write_onnx(to_network(places, Scaling("tanh", SIZE), layout.face_mask))
    save_bundle(project / "net.face3d", dataclasses.replace(embedded, network=make_network(onnx, REAL, model, layout)))
    save_bundle(project / "none.face3d", embedded)
    change_found(project, "network: net.face3d")
    must(found, "network")
    samples, _ = found_samples(project, "network")
    assert len(samples) >= 2
    texels = layout.uv[model.landmarks] * (SIZE - 1)
    for name, sample in samples.items():
        # The second crop is that of the texels in the first: the same scale and turn for all.
        expected = align(texels, MARGIN, level=True, size=SIZE)
        first = np.linalg.inv(expected) @ sample["similarity"]
        truth = align(annotated(project, name).true_landmarks, MARGIN, level=True, size=SIZE)
        photo = read_photo(project / f"raw/{name}.jpg")
        mesh = annotated_face(photo, annotated(project, name).true_landmarks).mesh
        assert first == pytest.approx(align(read_landmarks(mesh), MARGIN, level=True, size=SIZE), abs=0.02)
        assert first != pytest.approx(truth, abs=0.02)
    with pytest.raises(ValueError, match=r"none\.face3d has no network: name a bundle with one"):
        open_finder("network", project / "none.face3d")


def change_found(project, sources):
    text = (project / "params.yaml").read_text()
    assert "found: {facemesh: data/landmark_map}" in text
    changed = text.replace("found: {facemesh: data/landmark_map}", f"found: {{{sources}}}")
    (project / "params.yaml").write_text(changed)


def test_a_source_that_is_not_asked_for_and_one_without_its_package_are_told(project, monkeypatch):
    asked = call(found, "asm")
    assert asked.exit_code == 1
    assert "Error: 'asm' is not in crop.found, which has facemesh." in asked.output
    monkeypatch.setitem(sys.modules, "dlib", None)
    (project / "68.dat").touch()
    change_found(project, "dlib: 68.dat")
    missing = call(found, "dlib")
    assert missing.exit_code == 1
    assert "dlib is not installed: `pip install dlib`" in missing.output


def test_the_shapes_start_in_the_annotated_face_of_mtcnn(tmp_path, monkeypatch):
    truth = np.random.default_rng(0).uniform(50, 90, (68, 2))
    points = np.arange(10.0).reshape(5, 2)
    faces = [
        Face(np.array([0.0, 0, 30, 30]), np.zeros((5, 2)), 1.0, 0),
        Face(np.array([45.0, 45, 50, 50]), points, 0.8, 0),
    ]
    monkeypatch.setattr(landmark_finders, "find_faces", lambda _: faces)
    monkeypatch.setattr(landmark_finders.active_shape, "load_model", lambda path: path)
    monkeypatch.setattr(landmark_finders.active_shape, "fit", lambda model, _, five: (model, five))
    find = open_finder("asm", tmp_path / "model.h5")
    photo = np.zeros((100, 100, 3), np.uint8)
    assert find(photo, truth)[0] == tmp_path / "model.h5"
    assert np.array_equal(find(photo, truth)[1], points)
    assert find(photo, truth + 100) is None


# --- the prior of the coefficients --------------------------------------------------------------------------------


def test_the_prior_is_mean_and_spread_of_the_training_part_as_it_is_annotated(project):
    assert must(coefficient_prior) == "coefficient_prior: 6 faces in, 19 coefficients\n"
    coefficients = np.stack([coefficients_of(project, name) for name in read_ids(project, "train")])
    prior = load_prior(project / "data/coefficient_prior/prior.h5")
    assert prior.mean == pytest.approx(coefficients.mean(axis=0), rel=1e-5, abs=1e-6)
    deviations = coefficients - coefficients.mean(axis=0)
    assert prior.sigma == pytest.approx(np.sqrt((deviations**2).sum(axis=0) / 6), rel=1e-4, abs=1e-6)
    everyone = [coefficients_of(project, name) for part in PARTS[:2] for name in read_ids(project, part)]
    assert np.abs(prior.mean - np.mean(everyone, axis=0)).max() > 1e-3


def coefficients_of(project, name):
    """Those that the demo's face model has, 13 of identity and 6 of expression."""
    annotation = annotated(project, name)
    return np.concatenate([annotation.shape[:13], annotation.expression[:6]])


def test_without_meshes_no_prior_is_made(project):
    (project / "data/split/train.csv").write_text("sample_id\n")
    result = call(coefficient_prior)
    assert result.exit_code == 1
    assert "Error: The training part has no meshes: no coefficients can be measured." in result.output
    assert not (project / "data/coefficient_prior").exists()

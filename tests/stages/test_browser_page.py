"""The page that makes faces in a browser, in a real one: from a file, without a network, beside the same in Python."""

import cv2
import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from benchmarks.chromium import opening
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_reconstructor
from pipeline.photo.bundle import save_bundle
from pipeline.photo.photo_files import encode_image, open_photo
from stages import browser_page as command
from stages.photo.browser_runtime import find_runtime
from tests.helpers.accessibility import violations
from tests.helpers.browser import needs_browser
from tests.helpers.photo_project import make_photo_project
from tests.helpers.places import FACE_DATA, ROOT

pytestmark = [pytest.mark.slow, needs_browser]
# Upright and turned faces of which Face Mesh is sure; one in doubt moves by as much where a pixel changes by one level.
REAL = ("image00002", "image00175", "image01054", "image02416", "image03888")
READY = "status.textContent.startsWith('Choose') || status.className"
FACES = (
    "shown.faces.map(({landmarks, vertices, pose, doubt}) => "
    "({landmarks: [...landmarks], vertices: [...vertices], pose, doubt}))"
)
CAMERA = ("--use-fake-device-for-media-stream",)


@pytest.fixture(scope="module")
def root(tmp_path_factory, embedded):
    """Photos, the embedded bundle, a bundle with a network, and a page of each."""
    root = tmp_path_factory.mktemp("browser_page")
    make_photo_project(root, embedded)
    save_bundle(root / "embedded.face3d", embedded)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        try:
            find_runtime(None)
        except ValueError as error:
            pytest.skip(str(error))
        for name, bundle, method in (("fit", "embedded", "fit"), ("network", "b", "network")):
            options = ["--out", str(root / name), "--bundle", str(root / f"{bundle}.face3d"), "--method", method]
            result = CliRunner().invoke(command.main, options)
            assert result.exit_code == 0, result.output
    return root


@pytest.fixture(scope="module")
def page(root):
    with opening(root / "fit/faces.html", root / "profile", *CAMERA) as page:
        page.wait(READY)
        assert page.run("status.className") == ""
        yield page
        assert page.said == []
        assert {url.split(":")[0] for url in page.asked} <= {"file", "blob", "data"}


def test_it_breaks_no_rule_of_wcag_at_a_and_aa_with_a_photo_and_fits_a_phone(page, root):
    choose(page, root / "photo.png")
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        assert violations(page) == []
    page.prefer("light")
    page.resize(360, 740, phone=True)
    assert page.run("document.documentElement.scrollWidth") == 360
    page.resize(1280, 900)


def choose(page, path):
    """Choose a photo; what the page says then."""
    page.run("say('wait')")
    page.choose("#file", path)
    page.wait("status.textContent !== 'wait' && !status.textContent.startsWith('Looking')")
    return page.run("status.textContent")


def by_points(values):
    return np.reshape(values, (3, -1)).T


def compare(page, path, reconstructor):
    """Largest distance in px of landmarks and vertices from Python's; all faces alike otherwise."""
    choose(page, path)
    photo, _ = open_photo(path)
    expected = [reconstructor.reconstruct(photo, face) for face in reconstructor.find_faces(photo)]
    found = page.run(FACES)
    assert len(found) == len(expected) > 0
    distances = []
    for one, other in zip(found, expected, strict=True):
        assert one["doubt"] == other.doubt
        assert np.allclose(one["pose"][:3], other.pose[:3], atol=np.deg2rad(0.3))
        pairs = ((one["landmarks"], other.landmarks), (one["vertices"], other.vertices))
        distances += [np.abs(by_points(values) - points)[:, :2].max() for values, points in pairs]
    return max(distances)


def test_the_landmarks_are_pythons_by_the_fit(page, root):
    reconstructor = open_reconstructor(ReconstructorOptions(bundle=root / "embedded.face3d", method="fit"), 1)
    assert compare(page, root / "photo.png", reconstructor) < 0.1
    assert compare(page, root / "head_down.png", reconstructor) < 0.5


@pytest.mark.skipif(not FACE_DATA.is_dir(), reason="the real sample is missing; set FACE_DATA to its folder")
def test_the_landmarks_of_real_photos_are_pythons(page, root):
    reconstructor = open_reconstructor(ReconstructorOptions(bundle=root / "embedded.face3d", method="fit"), 1)
    for name in REAL:
        assert compare(page, FACE_DATA / f"AFLW2000/{name}.jpg", reconstructor) < 0.5, name


def test_the_landmarks_are_pythons_by_a_network(root):
    reconstructor = open_reconstructor(ReconstructorOptions(bundle=root / "b.face3d", method="network"), 1)
    with opening(root / "network/faces.html", root / "network_profile") as page:
        page.wait(READY)
        assert compare(page, root / "photo.png", reconstructor) < 0.1


def test_the_mesh_turns_where_it_is_dragged_and_is_plain_where_asked(page, root):
    choose(page, root / "photo.png")
    x, y, width, height = page.run(
        "(() => { const r = at('mesh').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
    )

    def look():
        page.run("new Promise((done) => setTimeout(done, 500))")
        picture = cv2.imdecode(np.frombuffer(page.picture(), np.uint8), cv2.IMREAD_COLOR)
        return picture[int(y) : int(y + height), int(x) : int(x + width)].astype(int)

    front = look()
    background = np.abs(front - front[5, 5]).max(axis=2) < 8
    assert 0.3 < background.mean() < 0.8
    page.drag((x + width / 2, y + height / 2), (x + width / 2 + 120, y + height / 2))
    turned = look()
    assert (np.abs(turned - front).max(axis=2) > 20).mean() > 0.1
    page.run("document.querySelector('[data-look=reset]').click()")
    assert np.abs(look() - front).max() <= 2
    page.run("document.querySelector('[data-look=grey]').click()")
    grey = look()
    assert np.ptp(grey[~background], axis=1).mean() < 15 < np.ptp(front[~background], axis=1).mean()
    page.run("document.querySelector('[data-look=texture]').click()")


def test_what_shows_no_face_is_no_picture_or_no_camera_is_told(page, root, tmp_path):
    assert choose(page, root / "wall.png").startswith("No face was found in wall.png: choose a photo")
    assert page.run("at('mesh').offsetParent") is None
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    assert choose(page, bad).startswith("bad.jpg is damaged, or no picture")
    page.call("Browser.setPermission", permission={"name": "camera"}, setting="denied")
    page.run("say('wait'); at('camera').click()")
    page.wait("status.textContent !== 'wait'")
    assert page.run("status.textContent").startswith("The camera was refused: allow it")
    # Then it goes on.
    assert choose(page, root / "photo.png") == "One face was found."


def test_the_page_fits_a_phone(page, root):
    page.resize(390, 844, phone=True)
    try:
        choose(page, root / "photo.png")
        assert page.run("document.documentElement.scrollWidth") == 390
        assert page.run("at('mesh').getBoundingClientRect().top > at('photo').getBoundingClientRect().bottom")
    finally:
        page.resize(1280, 900)


def test_a_face_is_followed_through_the_cameras_frames(root):
    photo, frames = skimage.data.astronaut(), []
    for number in range(30):
        turn = np.sin(2 * np.pi * number / 30)
        matrix = cv2.getRotationMatrix2D((226, 110), 10 * turn, 1.3)
        matrix[:, 2] += [100, 110]
        frames.append(encode_image(cv2.warpAffine(photo, matrix, (640, 480)), ".jpg"))
    video = root / "camera.mjpeg"
    video.write_bytes(b"".join(frames))
    flags = (*CAMERA, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={video}")
    with opening(root / "fit/faces.html", root / "camera_profile", *flags) as page:
        page.wait(READY)
        page.run("globalThis.rolls = []; globalThis.before = 0; at('camera').click()")
        page.run(
            "globalThis.watch = setInterval(() => { if (shown.faces.length && shown.frames !== before) {"
            "before = shown.frames; rolls.push(shown.faces[0].pose[2] * 180 / Math.PI); } }, 10); 0"
        )
        page.wait("rolls.length > 25")
        rolls = page.run("rolls")
        assert page.run("status.textContent") == "Following the face."
        # The head rolls by 10 degrees to either side.
        assert 14 < max(rolls) - min(rolls) < 26
        page.run("at('camera').click()")
        assert page.run("shown.camera") is None
        assert page.run("status.textContent") == "The camera is off."
        assert page.said == []

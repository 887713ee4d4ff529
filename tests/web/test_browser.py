"""The page in a real Chromium: what a visitor does, from the first sample to the verdict of a study."""

import base64
import io
import zipfile

import PIL.Image
import pytest
from torchvision.transforms.v2.functional import pil_to_tensor

from gan_augment import from_pretrained

from .conftest import photos, wait_for, write_zip


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def upload(page, path):
    tab(page, "Mix")
    page.locator("input[type=file]").set_input_files(path)


def choose(page, label, option):
    """Chooses an option of the visible dropdown with this label."""
    page.get_by_label(label, exact=True).locator("visible=true").first.click()
    page.get_by_role("option", name=option, exact=True).click()


def set_number(page, label, value):
    """Types a number into the visible box with this label, and leaves it."""
    box = page.get_by_label(label).locator("visible=true").first
    box.fill(str(value))
    box.press("Tab")


def images(page, place):
    """The images in a place of the page, decoded."""
    sources = page.locator(f"{place} img").evaluate_all("all => all.map(each => each.src)")
    return [PIL.Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]


def test_samples_follow_the_seed_the_class_and_the_truncation(open_page):
    page = open_page()
    choose(page, "Generator", "dcgan-mnist-32")
    page.get_by_text("from dcgan-mnist-32, seed 0").wait_for()
    first = images(page, "#samples")
    expected = from_pretrained("dcgan-mnist-32").sample(20, seed=0)
    assert all(pil_to_tensor(each).equal(right) for each, right in zip(first, expected, strict=True))
    assert all(each.text["Synthetic"] == "true" and "seed 0" in each.text["Source"] for each in first)
    set_number(page, "Seed", 7)
    page.get_by_text("from dcgan-mnist-32, seed 7").wait_for()
    choose(page, "Class", "3")
    page.wait_for_function("[...document.querySelectorAll('#samples figcaption')].every(e => e.innerText == '3')")
    assert page.locator("#samples img").first.get_attribute("alt") == "synthetic image, 3"


def test_a_walk_begins_and_ends_with_the_samples_of_the_two_seeds(open_page):
    page = open_page()
    choose(page, "Generator", "dcgan-mnist-32")
    tab(page, "Walk")
    choose(page, "Class", "3")
    set_number(page, "Second seed", 5)
    page.get_by_text("between seeds 0 and 5").wait_for()
    page.wait_for_timeout(500)
    way = [pil_to_tensor(each).int() for each in images(page, "#walk-way")]
    generator = from_pretrained("dcgan-mnist-32")
    for found, seed in ((way[0], 0), (way[-1], 5)):
        assert (found - generator.sample(1, 3, seed=seed)[0].int()).abs().max() <= 1
    place = page.get_by_label("range slider for Position between the two samples")
    place.focus()
    place.press("End")  # by the keyboard
    page.get_by_text("100% of the way").wait_for()
    page.get_by_role("button", name="Make a film").click()
    page.locator("#walk-film a").wait_for()
    (film,) = images(page, "#walk-film")
    assert film.n_frames > 20
    assert film.text["Synthetic"] == "true"


def test_a_mixed_batch_frames_the_synthetic_images_at_the_ratio_of_the_slider(open_page, tmp_path):
    page = open_page()
    choose(page, "Generator", "dcgan-mnist-32")
    upload(page, write_zip(tmp_path / "mine.zip", photos(tuple("0123456789"), 3)))
    page.get_by_text("mine.zip: 30 images of 28 px.").wait_for()
    page.get_by_text("6 of 24 images are synthetic").wait_for()
    assert page.locator("#batch figure.ga-synthetic").count() == 6
    assert page.locator("#batch figure.ga-synthetic b").first.inner_text() == "synthetic"
    ratio = page.get_by_label("range slider for Ratio").locator("visible=true")
    ratio.focus()
    for _ in range(5):
        ratio.press("ArrowRight")
    page.get_by_text("12 of 24 images are synthetic").wait_for()
    marked = [("Synthetic" in each.text) for each in images(page, "#batch")]
    framed = page.locator("#batch figure").evaluate_all("all => all.map(e => e.className == 'ga-synthetic')")
    assert marked == framed
    assert sum(marked) == 12


def test_images_of_other_classes_are_refused_with_a_way_out(open_page, tmp_path):
    page = open_page()
    choose(page, "Generator", "dcgan-mnist-32")
    upload(page, write_zip(tmp_path / "insects.zip", photos(("ants", "bees"), 4)))
    page.get_by_text("The generator must have the classes of your images (ants, bees)").wait_for()
    choose(page, "Label of a synthetic image", "always bees")
    page.get_by_text("2 of 8 images are synthetic").wait_for()
    assert {each.split()[0] for each in page.locator("#batch figure.ga-synthetic figcaption").all_inner_texts()} == {
        "bees"
    }


BAD = {
    "not-a-zip.zip": (b"these are no images", "File is not a zip file"),
    "photos.tar": (b"", "Invalid file type"),
    "flat.zip": ({name.replace("/", "-"): image for name, image in photos().items()}, "have no classes"),
    "text.zip": ({**photos(), "0/x.png": b"no image"}, "it is damaged, or has an unsupported format"),
    "bomb.zip": (
        {**photos(), "0/x.png": bytes(300 * 2**20)},
        "must hold at most 10,000 files and 268,435,456 bytes",
    ),
    "many.zip": (photos(each=80), "must hold at most 150 images, but holds 160"),
    "empty.zip": ({}, "but holds none"),
}


def test_bad_uploads_are_refused_in_a_sentence(open_page, tmp_path):
    page = open_page()
    tab(page, "Mix")
    for name, (content, words) in BAD.items():
        path = tmp_path / name
        path.write_bytes(content) if isinstance(content, bytes) else write_zip(path, content)
        page.locator("input[type=file]").set_input_files(path)
        page.locator("#upload, .toast-body").get_by_text(words).wait_for()
        said = page.locator("body").inner_text()
        assert all(unwanted not in said for unwanted in ("Traceback", str(tmp_path), "visitors/"))
        assert page.locator("#batch img").count() == 0
    upload(page, write_zip(tmp_path / "good.zip", photos(tuple("012"))))  # the next one is taken
    page.get_by_text("good.zip: 12 images of 28 px.").wait_for()


def test_a_text_file_among_the_images_is_left_out_with_a_note(open_page, tmp_path):
    page = open_page()
    upload(page, write_zip(tmp_path / "mine.zip", {**photos(tuple("012")), "0/notes.txt": b"hello"}))
    page.get_by_text("Skipped 1 entry of 'mine.zip'").wait_for()


def test_a_pool_is_downloaded_with_marks_and_the_card(open_page):
    page = open_page()
    choose(page, "Generator", "dcgan-mnist-32")
    tab(page, "Pool")
    page.get_by_role("button", name="Make the file").click()
    with page.expect_download() as download:
        page.locator("#pool a").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = archive.namelist()
        pictures = [name for name in names if name.endswith(".png")]
        assert len(pictures) == 200
        assert PIL.Image.open(archive.open(pictures[0])).text["Synthetic"] == "true"
        assert "All 200 images are synthetic" in archive.read("README.md").decode()
        assert "MNIST" in archive.read("CARD.md").decode()


def test_two_visitors_do_not_see_each_others_uploads(open_page, server, tmp_path):
    one, other = open_page(), open_page()
    for page in (one, other):
        choose(page, "Generator", "dcgan-mnist-32")
    upload(one, write_zip(tmp_path / "one.zip", photos(tuple("0123456789"), 3)))
    one.get_by_text("6 of 24 images are synthetic").wait_for()
    tab(other, "Mix")
    set_number(other, "Seed of the batch", 4)
    other.wait_for_timeout(1000)
    assert other.locator("#batch img").count() == 0
    other.get_by_text("No images yet").wait_for()
    upload(other, write_zip(tmp_path / "theirs.zip", photos(tuple("0123456789"), 2, seed=1)))
    other.get_by_text("5 of 20 images are synthetic").wait_for()
    one.get_by_text("one.zip").first.wait_for()
    assert len(list((server.folder / "visitors").glob("*/upload/one.zip"))) == 1
    one.close()  # its images are deleted soon
    wait_for(lambda: not list((server.folder / "visitors").glob("*/upload/one.zip")))
    assert len(list((server.folder / "visitors").glob("*/upload/theirs.zip"))) == 1


TABS = ("Samples", "Walk", "Mix", "Study", "Pool")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_tab_fits_the_screen_and_has_no_barriers(open_page, tmp_path, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is in the extra dev")
    page = open_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    choose(page, "Generator", "dcgan-mnist-32")
    upload(page, write_zip(tmp_path / "mine.zip", photos(tuple("0123456789"), 3)))
    page.get_by_text("6 of 24 images are synthetic").wait_for()
    page.get_by_text("Data, terms and limits of this generator").click()
    page.get_by_text("two groups of people in the United States").wait_for()
    for name in TABS:
        tab(page, name)
        page.wait_for_timeout(300)  # until the colours of the last tab have faded
        assert page.evaluate("document.documentElement.scrollWidth") == width
        found = axe.Axe().run(page).response["violations"]
        assert [(name, each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_the_page_works_by_the_keyboard(open_page):
    page = open_page()
    page.get_by_role("tab", name="Samples", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("First seed").wait_for()
    page.get_by_role("button", name="Make a film").focus()
    page.keyboard.press("Enter")
    page.locator("#walk-film img").wait_for()


def start_study(page):
    tab(page, "Study")
    for label, value in (("Seeds", 2), ("Training steps", 10)):
        set_number(page, f"number input for {label}", value)
    page.get_by_role("button", name="Start the study").click()


def is_painted(place):
    return len(PIL.Image.open(io.BytesIO(place.screenshot())).convert("L").getcolors()) > 20


@pytest.mark.slow
def test_a_study_runs_to_its_verdict_and_a_second_one_waits(open_page, tmp_path):
    one, other = open_page(), open_page()
    for page in (one, other):
        choose(page, "Generator", "dcgan-mnist-32")
    tab(one, "Study")
    one.get_by_role("button", name="Start the study").click()
    one.get_by_text("A study needs images").wait_for()
    for page in (one, other):
        upload(page, write_zip(tmp_path / "digits.zip", photos(tuple("0123456789"), 8)))
        page.get_by_text("6 of 24 images are synthetic").wait_for()
    start_study(one)
    one.get_by_text("The study is running.").wait_for()
    start_study(other)
    other.get_by_text("A study of another visitor is running").wait_for()
    assert one.get_by_role("button", name="Stop").is_enabled()
    one.locator("h2.ga-verdict").wait_for(timeout=240_000)
    verdict = one.locator("h2.ga-verdict").inner_text().split(maxsplit=1)[1]
    assert verdict.lower() in ("helps", "hurts", "no effect shown")
    report = one.frame_locator("iframe.ga-report")
    assert verdict.lower() in report.locator("h1").inner_text().lower()
    one.locator("iframe.ga-report").scroll_into_view_if_needed()
    wait_for(lambda: is_painted(one.locator("iframe.ga-report")))
    with one.expect_download() as download:
        one.locator("#report a").click()
    assert str(tmp_path) not in download.value.path().read_text(encoding="utf-8")
    assert one.get_by_role("button", name="Stop").is_disabled()
    start_study(other)
    other.get_by_role("button", name="Stop").click()
    other.get_by_text("You stopped the study.").wait_for()


def test_the_page_writes_into_its_folder_alone(server, open_page):
    open_page()
    assert [path for place in server.elsewhere for path in place.rglob("*")] == []

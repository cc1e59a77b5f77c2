"""The page as people meet it: a real finished study, in a real browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.report.page import SECTIONS

pytestmark = pytest.mark.slow

Run = Callable[..., Any]

FLAGS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless, with a profile of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=FLAGS, timeout=180_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(finished: Any, in_folder: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study of two networks that were trained, finalized and tested."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    in_folder(finished.folder, "report", "digits", "--output", path)
    return path


class Visit:
    """A page in a browser, and all that it said and asked for."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda said: self.messages.append(said.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda asked: self.requests.append(asked.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def visit(browser: Any, page_file: Path) -> Iterator[Callable[..., Visit]]:
    visits: list[Visit] = []

    def open_page(path: Path = page_file, **context: Any) -> Visit:
        visits.append(Visit(browser, path, **context))
        return visits[-1]

    yield open_page
    for own in visits:
        own.context.close()


def test_all_sections_are_filled_silently_and_offline(
    visit: Callable[..., Visit], page_file: Path
) -> None:
    """No word on the console, no request but the page itself and the pictures inside it."""
    own = visit(color_scheme="dark", offline=True)
    page = own.page

    heights = page.eval_on_selector_all(
        "section", "all => all.map(own => [own.id, own.getBoundingClientRect().height])"
    )
    assert [name for name, _ in heights] == [name for name, _ in SECTIONS]
    assert all(height > 50 for _, height in heights)
    assert own.messages == []
    outside = [asked for asked in own.requests if not asked.startswith("data:image/png;base64,")]
    assert outside == [page_file.as_uri()]
    for chart in ("Search history", "Race diagram", "Fold scores", "Confusion matrix", "Diagram"):
        assert page.locator(f'svg[aria-label^="{chart}"]').count() >= 1, chart
    assert page.locator('svg[aria-label*="validation loss"]').count() >= 1
    assert page.locator('svg[aria-label*="training accuracy"]').count() >= 1


def test_every_picture_is_decoded_and_told(visit: Callable[..., Visit]) -> None:
    """All wrong digits, nine right ones, 25 predictions and 25 samples, and the feature maps."""
    page = visit().page

    broken = page.eval_on_selector_all(
        "img", "all => all.filter(own => !own.naturalWidth || !own.alt).length"
    )
    wrong = page.locator("#test h3", has_text="misclassified").inner_text()
    shown = page.locator("#test .digits:not(.nine):not(.five) li").count()
    assert broken == 0
    assert f"All {shown} " in wrong
    assert page.locator("#test .nine li").count() == 9 + min(shown, 9)
    assert page.locator("#test .five li").count() == 50
    assert page.locator("#features img.maps").count() == 1


def test_a_click_and_the_keyboard_sort(visit: Callable[..., Visit]) -> None:
    page = visit().page

    def column(number: int) -> list[str]:
        cells: list[str] = page.locator(
            f"#leaderboard tbody td:nth-child({number})"
        ).all_inner_texts()
        return cells

    head = page.locator("#leaderboard th", has_text="trial")
    head.get_by_role("button").click()
    assert (column(2), head.get_attribute("aria-sort")) == (["0", "1"], "ascending")

    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert (column(2), head.get_attribute("aria-sort")) == (["1", "0"], "descending")

    page.locator("#leaderboard th", has_text="rank").get_by_role("button").click()
    assert [own[0] for own in column(1)] == ["1", "2"]
    assert head.get_attribute("aria-sort") is None


def test_a_trial_lights_up_everywhere(visit: Callable[..., Visit]) -> None:
    page = visit().page

    page.locator('#leaderboard tr[data-trial="1"]').hover()

    lit = page.eval_on_selector_all(".lit", "all => all.map(own => own.dataset.trial)")
    assert len(lit) >= 4
    assert set(lit) == {"1"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_scrolls_down_only(visit: Callable[..., Visit], scheme: str) -> None:
    """390 pixels: nothing stands out to the right, the letters of charts keep their size."""
    page = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme, is_mobile=True).page

    page.eval_on_selector_all("details", "all => all.forEach(own => { own.open = true })")
    width, beyond = page.evaluate(
        """() => [
            document.documentElement.scrollWidth,
            [...document.querySelectorAll("body *")].filter(own =>
                !own.closest(".scroll, .skip") && own.getBoundingClientRect().right > 391
            ).map(own => own.outerHTML.slice(0, 80)),
        ]"""
    )
    scales = page.eval_on_selector_all(
        "svg.chart",
        "all => all.filter(own => own.clientWidth)"
        ".map(own => own.clientWidth / own.viewBox.baseVal.width)",
    )
    assert width == 390
    assert beyond == []
    assert min(scales) > 0.85


def test_dark_mode_is_dark_and_paper_is_light(visit: Callable[..., Visit]) -> None:
    page = visit(color_scheme="dark").page
    ground = "() => getComputedStyle(document.body).backgroundColor"

    assert page.evaluate(ground) == "rgb(20, 24, 29)"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_it_prints_with_everything_unfolded(visit: Callable[..., Visit]) -> None:
    page = visit().page
    folded = page.locator("details:not([open])").count()

    pdf = page.pdf()

    assert folded > 0
    assert page.locator("details:not([open])").count() == 0
    assert pdf.startswith(b"%PDF")


def test_parameter_effects_of_a_larger_study(
    visit: Callable[..., Visit], run: Run, tmp_path: Path, forty: Callable[[Path], None]
) -> None:
    """Forty trials of a race: importances and effects, and no hyperparameter below thirty."""
    forty(tmp_path)
    ran = run("report", "forty", "--results", tmp_path, "--output", tmp_path / "page.html")
    assert ran.code == 0, ran.err

    own = visit(tmp_path / "page.html")

    effects = own.page.eval_on_selector_all(
        "#parameters .panels svg", "all => all.map(own => own.getAttribute('aria-label'))"
    )
    assert own.messages == []
    assert "Accuracy by kernel, 40 trials" in effects
    assert all(int(label.split(", ")[1].split()[0]) >= 30 for label in effects)
    assert own.page.locator('svg[aria-label^="Importance"]').count() >= 1
    assert "adamw_decay" in own.page.locator("#parameters").inner_text()


def test_the_script_that_is_refused_would_be_noticed(
    visit: Callable[..., Visit], page_file: Path, tmp_path: Path
) -> None:
    """One letter more and the policy stops it: the silence above means something."""
    text = page_file.read_text()
    (tmp_path / "page.html").write_text(text.replace('"use strict";', '"use strict"; '))

    own = visit(tmp_path / "page.html")

    assert any("Content Security Policy" in said for said in own.messages)

"""The page of a call: its data are the call's, it stands alone, a browser shows it."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from waferc.compiled import Compiled
from waferc.page.page import packed, page
from waferc.report import Report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
PROBE = """
<script>
const ready = setInterval(() => {
  if (!document.body.dataset.ready) return;
  clearInterval(ready);
  const point = (canvas, x, y) => {
    const { left, top } = canvas.getBoundingClientRect();
    const place = { clientX: left + x, clientY: top + y, pointerId: 1 };
    canvas.dispatchEvent(new PointerEvent("pointermove", place));
    return { ...place, text: element("tip").textContent };
  };
  const found = point(floor.canvas, (5.5 - floor.x) * floor.scale, (1.5 - floor.y) * floor.scale);
  const kernel = point(time.canvas, time.margin() + 2, 30);
  const painted = (x, y) => {
    const place = [(x - floor.x) * floor.scale, (y - floor.y) * floor.scale];
    const ratio = window.devicePixelRatio || 1;
    const context = floor.canvas.getContext("2d");
    return [...context.getImageData(place[0] * ratio, place[1] * ratio, 1, 1).data].slice(0, 3);
  };
  const colors = [];
  for (let y = 0; y < data.height; y++)
    for (let x = 0; x < data.width; x++) {
      const cycles = floor.map.values[y * data.width + x];
      colors.push([painted(x + 0.3, y + 0.3), heat(cycles / floor.map.most)]);
    }
  floor.choose("link");
  floor.draw();
  for (let y = 0; y < data.height; y++)
    for (let x = 0; x < data.width; x++) {
      const words = data.links[0].values[y * data.width + x];
      if (words) colors.push([painted(x + 0.9, y + 0.5), heat(words / floor.map.most)]);
    }
  const before = floor.scale;
  const away = { clientX: found.clientX, clientY: found.clientY, deltaY: -300, cancelable: true };
  floor.canvas.dispatchEvent(new WheelEvent("wheel", away));
  element("filter").value = "contract";
  element("filter").dispatchEvent(new Event("input"));
  const result = { pe: found.text, kernel: kernel.text, closer: floor.scale / before, colors,
    blocks: [1, 2].map((level) => [...floor.blocks(data.maps[0], level).sum]),
    rows: element("kernels").rows.length };
  document.body.dataset.probe = JSON.stringify(result);
}, 20);
</script>
"""
HOSTILE = "</script><script>alert('x')</script><b>&amp;"


class Page(HTMLParser):
    """The tags of a page with their attributes, and the texts of title, style and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("title", "style", "script"):
            self.texts.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("title", "style", "script"):
            tag, text = self.texts[-1]
            self.texts[-1] = (tag, text + data)

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


@pytest.fixture(scope="module")
def report(two_regions: Compiled) -> Report:
    return two_regions.profile()


@pytest.fixture(scope="module")
def text(two_regions: Compiled, report: Report) -> str:
    return page(two_regions.session, report)


def unpacked(found: dict[str, Any]) -> NDArray[np.unsignedinteger[Any]]:
    return np.frombuffer(zlib.decompress(base64.b64decode(found["data"])), f"<u{found['bytes']}")


@given(
    arrays(
        np.int64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 2**62)
    )
)
def test_what_is_packed_is_unpacked(values: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(unpacked(packed(values)), values.reshape(-1))


def test_the_data_are_those_of_the_call(two_regions: Compiled, text: str) -> None:
    call = two_regions.session.last_call
    assert call is not None
    assert call.profile is not None
    data = json.loads(Page(text).of("script")[0])
    assert (data["width"], data["height"]) == (6, 2)
    maps = {one["key"]: unpacked(one["values"]).reshape(2, 6) for one in data["maps"]}
    np.testing.assert_array_equal(maps["busy"], call.statistics.busy_cycles)
    for key, spent in zip(
        ("compute", "moving", "memory", "waiting"), call.profile.spent, strict=True
    ):
        np.testing.assert_array_equal(maps[key], spent)
    np.testing.assert_array_equal(maps["link"], call.statistics.link_load.max(axis=0))
    loads = [unpacked(one["values"]).reshape(2, 6) for one in data["links"]]
    np.testing.assert_array_equal(loads, call.statistics.link_load)
    sram = call.statistics.sram_bytes
    assert set(maps["sram"].reshape(-1).tolist()) == set(sram)
    owner = unpacked(data["owner"]).reshape(2, 6)
    assert data["owners"][owner[0, 0] - 1] == "region r0, r0.csl"
    assert data["owners"][owner[1, 5] - 1] == "region r1, r1.csl"
    assert sum(data["spent"].values()) == call.profile.spent.sum()
    assert [region["name"] for region in data["regions"]] == ["r0", "r1"]
    assert len(data["kernels"]) == len(two_regions.bundle.manifest.document["kernels"])  # pyright: ignore


def test_the_page_needs_nothing_beside_itself(text: str) -> None:
    read = Page(text)
    fetching = {"link", "img", "iframe", "object", "embed", "base", "audio", "video", "source"}
    assert not fetching & {tag for tag, _ in read.tags}
    for _, attributes in read.tags:
        assert not {"src", "href", "action", "srcset", "onload"} & set(attributes)
    for word in ("http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest", "import("):
        assert word not in "".join(read.of("style") + read.of("script")), word


def test_names_are_text(two_regions: Compiled, report: Report) -> None:
    assert report.watched is not None
    first, *rest = report.watched.kernels
    kernel = dataclasses.replace(first.kernel, place=HOSTILE)
    kernels = (dataclasses.replace(first, kernel=kernel), *rest)
    watched = dataclasses.replace(report.watched, kernels=kernels)
    hostile = dataclasses.replace(report, name=HOSTILE, watched=watched)
    read = Page(page(two_regions.session, hostile))
    assert read.of("title") == [f"{HOSTILE} on wse3, f32"]
    assert len(read.of("script")) == 2
    assert json.loads(read.of("script")[0])["kernels"][0]["line"] == HOSTILE
    assert not [tag for tag, _ in read.tags if tag == "b"]


def shown(text: str, folder: Path, wanted: str) -> Page:
    """The page as a browser has it at the end."""
    assert BROWSER is not None
    file = folder / "page.html"
    file.write_text(text)
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000",
        f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"{file.as_uri()}#{wanted}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return Page(done.stdout)


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_a_browser_shows_it(text: str, tmp_path: Path) -> None:
    read = shown(text, tmp_path, "theme=dark&map=link&from=least&scale=70")
    (body,) = [attributes for tag, attributes in read.tags if tag == "body"]
    data = json.loads(read.of("script")[0])
    most = [int(unpacked(one["values"]).max()) for one in data["maps"]]
    assert body.get("data-failed") is None
    assert body["data-ready"] == " ".join(map(str, most))
    assert ("html", {"lang": "en", "data-theme": "dark"}) in read.tags
    cells = [attributes for tag, attributes in read.tags if tag == "td"]
    assert len(cells) > 12 * len(data["kernels"])


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_pointing_and_zooming(
    two_regions: Compiled, report: Report, text: str, tmp_path: Path
) -> None:
    read = shown(text.replace("</body>", f"{PROBE}</body>"), tmp_path, "map=busy")
    (body,) = [attributes for tag, attributes in read.tags if tag == "body"]
    probe = json.loads(body["data-probe"] or "")
    call = two_regions.session.last_call
    assert call is not None
    assert probe["pe"].startswith("PE (5, 1) of region r1, r1.csl\n")
    assert f"busy: {call.statistics.busy_cycles[1, 5]:,} cycles" in probe["pe"]
    assert probe["kernel"].startswith("r0: op2_contract, tile.contract\nlinear.py:")
    assert probe["closer"] > 1.2
    busy = call.statistics.busy_cycles
    assert probe["blocks"][0] == [busy[:, x : x + 2].sum() for x in (0, 2, 4)]
    assert probe["blocks"][1] == [busy[:, x : x + 4].sum() for x in (0, 4)]
    assert len(probe["colors"]) == 12 + np.count_nonzero(call.statistics.link_load[0])
    for painted, expected in probe["colors"]:
        assert np.abs(np.subtract(painted, expected)).max() <= 2
    assert report.watched is not None
    operations = [cost.kernel.operation for cost in report.watched.kernels]
    assert probe["rows"] == 1 + operations.count("tile.contract")

"""Browser files: cached for ever under their hash, plotly.js out of its wheel, nothing from outside the folder."""

from __future__ import annotations

import gzip

import pytest
from starlette.testclient import TestClient

from app.web.plotly_bundle import plotly_path, plotly_style_ids
from app.web.templating import static_url


def test_url_with_the_content_hash_may_be_kept_for_ever(client: TestClient) -> None:
    answer = client.get(static_url("css/workbench.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]


def test_url_without_hash_is_asked_for_again(client: TestClient) -> None:
    answer = client.get("/static/css/workbench.css")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert client.get("/static/css/workbench.css", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_plotly_is_that_of_the_wheel_and_compressed_once(client: TestClient) -> None:
    answer = client.get(static_url("plotly.min.js"))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == plotly_path().read_bytes()  # the client unpacks it
    assert int(answer.headers["Content-Length"]) < 2_000_000
    plain = client.get("/static/plotly.min.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == answer.content


def test_plotly_is_told_to_leave_out_its_style_sheets(client: TestClient) -> None:
    page = client.get("/dev/components").text
    assert 'id="plotly.js-style-global" class="no-inline-styles"' in page
    assert plotly_style_ids(), "the bundle's map library names its style sheet"
    for id_ in plotly_style_ids():
        assert f'id="{id_}"' in page


@pytest.mark.parametrize(
    "path", ["/static/../app/main.py", "/static/%2e%2e/app/main.py", "/static/vendor/..%2f..%2fapp/main.py", "/static/"]
)
def test_nothing_outside_the_folder_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 405)


def test_fonts_are_not_compressed_again(client: TestClient) -> None:
    answer = client.get("/static/vendor/inter.woff2")
    assert "Content-Encoding" not in answer.headers
    assert not answer.content.startswith(gzip.compress(b"")[:2])

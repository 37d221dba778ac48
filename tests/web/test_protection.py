"""What surrounds every request: headers, hosts, origins, sizes, ids."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.web.middleware import MAX_BODY_BYTES, SECURITY_HEADERS
from tests.support.htmx import HTMX


def test_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    "path", ["/", "/models", "/nothing-here", "/static/css/tokens.css", "/static/plotly.min.js", "/uploads/x"]
)
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert headers["X-Request-Id"]


def test_unknown_host_is_refused(client: TestClient) -> None:
    """The defence against DNS rebinding."""
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9999", "[::1]:8000"])
def test_local_names_are_welcome_on_any_port(client: TestClient, host: str) -> None:
    assert client.get("/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
    ],
)
@pytest.mark.parametrize("path", ["/models/x/delete", "/uploads", "/example", "/api/v1/projects"])
def test_unsafe_request_from_elsewhere_is_refused(client: TestClient, headers: dict[str, str], path: str) -> None:
    assert client.post(path, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://testserver"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
def test_own_pages_and_scripts_may_send(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/models/x/delete", headers=headers).status_code == 404  # reached the route


def test_links_from_elsewhere_may_lead_here(client: TestClient) -> None:
    assert client.get("/models", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_large_form_is_refused(client: TestClient) -> None:
    answer = client.post("/models/x/rename", content=b"name=" + b"x" * MAX_BODY_BYTES)
    assert answer.status_code == 413


def test_pages_are_compressed_and_never_stored(client: TestClient) -> None:
    answer = client.get("/models")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in answer.headers["Vary"]


def test_our_mistake_becomes_a_page_with_an_id_and_no_traceback(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    answer = client.get("/broken")
    assert answer.status_code == 500
    assert "This page broke. Your work did not." in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert answer.headers["Content-Security-Policy"]
    for leak in ("secret detail", "ZeroDivisionError", "Traceback", __file__):
        assert leak not in answer.text


def test_a_part_that_broke_offers_another_try(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)

    @app.get("/part")
    def part() -> None:
        raise ZeroDivisionError

    answer = client.get("/part", headers=HTMX)
    assert answer.status_code == 500
    assert "<html" not in answer.text
    assert 'hx-get="/part"' in answer.text

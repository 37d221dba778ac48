"""Workers, queue, health."""

from __future__ import annotations

from datetime import timedelta

from starlette.testclient import TestClient

from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import to_json
from app.services import runs
from app.services.context import Workbench
from app.storage.tables import utc_now
from tests.support import rows
from tests.support.factories import HOSTILE, a_device
from tests.support.pages import fragment, squeezed, whole_page

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def test_without_workers_the_page_says_how_to_start_one(client: TestClient) -> None:
    page = whole_page(client.get("/workers").text)
    assert "No worker has started yet." in page.text
    assert "Nothing runs and nothing waits." in page.text


def test_machines_say_what_int8_gains_there(wb: Workbench, client: TestClient) -> None:
    rows.store_worker(wb, name="lab-xeon")
    rows.store_worker(wb, name="i5-4440", device=to_json(a_device(cpu="Core i5-4440", instruction_sets=("avx2",))))
    text = squeezed(whole_page(client.get("/workers").text).text)
    assert "2 of 2 workers are up" in text
    assert "Intel Xeon, 4 threads, AVX-512 VNNI, 16 GB" in text
    assert "No VNNI: INT8 gains less here" in text


def test_a_silent_worker_is_named(wb: Workbench, client: TestClient) -> None:
    rows.store_worker(wb, name=HOSTILE, state="gone", beat_at=utc_now() - timedelta(minutes=24))
    html = client.get("/workers").text
    whole_page(html)
    assert "No answer for 24 min" in html
    assert "<img src=x" not in html


def test_the_queue_is_in_order_and_can_be_cancelled(wb: Workbench, client: TestClient) -> None:
    project = rows.store_project(wb)
    first = runs.start_optimize(wb, project.id, QuantizationSettings()).id
    second = runs.start_baseline(wb, project.id).id
    page = whole_page(client.get("/workers").text)
    assert page.links.index(f"/runs/{first}") < page.links.index(f"/runs/{second}")
    assert f"/runs/{second}/cancel?back=workers" in [form["action"] for form in page.forms]


def test_htmx_gets_the_machines_alone(wb: Workbench, client: TestClient) -> None:
    rows.store_worker(wb)
    assert 'id="machines"' in client.get("/workers", headers=HTMX).text
    fragment(client.get("/workers", headers=HTMX).text)


def test_health_says_that_telemetry_is_off(client: TestClient) -> None:
    text = squeezed(whole_page(client.get("/workers").text).text)
    assert "Switched off in every process" in text

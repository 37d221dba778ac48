"""Settings from the environment."""

from __future__ import annotations

from app.settings import Settings


def test_data_folder_is_absolute_whatever_was_given(monkeypatch, tmp_path):
    """`make demo` runs with the relative default; children start in other folders and must find their spec all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    assert Settings().data == tmp_path / "data"
    monkeypatch.setenv("WORKBENCH_DATA", "elsewhere")
    assert Settings().data == tmp_path / "elsewhere"
    assert Settings().sqlalchemy_url == f"sqlite:///{tmp_path}/elsewhere/workbench.sqlite3"

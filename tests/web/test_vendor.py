"""The committed browser files are what the manifest says, with their licences."""

from __future__ import annotations

import hashlib
import json

import pytest

from app.assets import STATIC

VENDOR = STATIC / "vendor"
PACKAGES = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))["packages"]
FILES = [(package["name"], file["path"], file["sha256"]) for package in PACKAGES for file in package["files"]]


@pytest.mark.parametrize(("package", "path", "sha256"), FILES)
def test_vendored_file_is_unchanged(package: str, path: str, sha256: str) -> None:
    assert hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_licence_text_lies_beside(package: dict[str, str]) -> None:
    assert package["licence"]
    assert len((VENDOR / package["licence_file"]).read_text(encoding="utf-8")) > 200


def test_nothing_else_lies_there() -> None:
    named = {path for _, path, _ in FILES} | {package["licence_file"] for package in PACKAGES} | {"manifest.json"}
    assert {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()} == named

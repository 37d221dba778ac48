"""Fetch the browser files named in static/vendor/manifest.json and write their hashes back (maintainers; needs npm).

To upgrade: change a version in the manifest, run `make vendor`, look at the pages, commit. Nobody else needs npm: the files are
committed, and `tests/web/test_vendor.py` checks that they are what the manifest says.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parents[1] / "static" / "vendor"
MANIFEST = VENDOR / "manifest.json"


def main() -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    for package in manifest["packages"]:
        with tempfile.TemporaryDirectory() as folder:
            _copy_files(package, _unpack(package, Path(folder)))
    MANIFEST.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _unpack(package: dict[str, Any], folder: Path) -> Path:
    """The package's published archive, unpacked; npm itself checks its integrity hash."""
    subprocess.run(["npm", "pack", "--silent", f"{package['name']}@{package['version']}"], cwd=folder, check=True)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package"


def _copy_files(package: dict[str, Any], source: Path) -> None:
    for file in package["files"]:
        content = (source / file["from"]).read_bytes()
        (VENDOR / file["path"]).write_bytes(content)
        file["sha256"] = hashlib.sha256(content).hexdigest()
        print(f"{package['name']} {package['version']}  {file['path']}  {len(content):,} bytes")
    if package["licence_from"]:  # Tabler's package carries none; its text is kept by hand
        (VENDOR / package["licence_file"]).write_bytes((source / package["licence_from"]).read_bytes())


if __name__ == "__main__":
    main()

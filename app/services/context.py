"""What every service function gets as its first argument: made once at the composition root."""

from __future__ import annotations

from dataclasses import dataclass

from app.jobs.queue import JobQueue
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database


@dataclass(frozen=True)
class Workbench:
    settings: Settings
    database: Database
    blobs: BlobStore
    queue: JobQueue
    user_id: str
    """Who acts. One local user until accounts exist."""

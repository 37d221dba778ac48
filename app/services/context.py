"""What every service function gets as its first argument: made once at the composition root."""

from __future__ import annotations

from dataclasses import dataclass

from app.jobs.queue import JobQueue
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database, ensure_local_user


@dataclass(frozen=True)
class Workbench:
    settings: Settings
    database: Database
    blobs: BlobStore
    queue: JobQueue
    user_id: str
    """Who acts. One local user until accounts exist."""

    def close(self) -> None:
        self.queue.close()
        self.database.close()


def open_workbench(settings: Settings) -> Workbench:
    """The services of one process, on a data folder that `app.storage.migration.migrate` has prepared."""
    database = Database(settings.sqlalchemy_url)
    with database.write() as session:
        user_id = ensure_local_user(session)
    return Workbench(settings, database, BlobStore(settings.blobs), JobQueue(database), user_id)

"""One hierarchy of errors: what is wrong, where, what to do, and a stable code.

Every interface shows the same four fields: the API as JSON, the pages as a component, the CLI on stderr.
A child process hands its error to the worker in the same form (`as_dict` / `from_dict`).
"""

from __future__ import annotations

from typing import Any


class WorkbenchError(Exception):
    """Something a user can understand and act on.

    Args:
        code: Stable, dotted, lower case: `model.not_onnx`. Scripts may rely on it.
        message: The invariant and the actual value, one sentence.
        where: File, field, node or sample the message is about; empty if there is none.
        hint: What to do now; empty if nothing can be done.
    """

    status = 422

    def __init__(self, code: str, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> WorkbenchError:
        return WorkbenchError(data["code"], data["message"], where=data.get("where", ""), hint=data.get("hint", ""))

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.message}{where}{hint}"


class NotFoundError(WorkbenchError):
    """The thing asked for does not exist (any more)."""

    status = 404


class ConflictError(WorkbenchError):
    """The thing exists, but its state does not allow this."""

    status = 409


class TooLargeError(WorkbenchError):
    """More bytes than this server takes."""

    status = 413


class UnavailableError(WorkbenchError):
    """Try again later: the database or the disk cannot take this now."""

    status = 503

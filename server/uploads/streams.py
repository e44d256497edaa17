"""Receives the file of a multipart form as it is read: nothing of it is in memory, or in another file, before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile

from server.uploads.parts import Part

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

#: The field in which the file comes.
FIELD = "file"


class OneFile(FileUploadHandler):
    """Django's way of handing over what comes; the first file of the field is taken, others are read over."""

    def __init__(self, begin: Callable[[str], Part]) -> None:
        """Take what begins a file of some name; its errors, and those of writing, end the reading."""
        super().__init__()
        self._begin = begin
        self.part: Part | None = None

    def new_file(self, field_name: str, file_name: str, *more: Any, **named: Any) -> None:
        if field_name != FIELD or self.part is not None:
            raise SkipFile
        super().new_file(field_name, file_name, *more, **named)
        self.part = self._begin(file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self.part is not None  # noqa: S101 (a file that was skipped has no data)
        self.part.write(raw_data)

    def leave(self) -> None:
        """Remove what has come of a file that will not be kept."""
        if self.part is not None:
            self.part.__exit__(None, None, None)

    def file_complete(self, file_size: int) -> UploadedFile[Any] | None:
        return None

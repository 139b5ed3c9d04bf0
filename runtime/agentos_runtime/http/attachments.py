"""Files of a background run, as text in its place in the queue.

agno's queue holds JSON and takes no files: a run that has some is executed by the process that accepted it, and says
RUNNING for ever when that one is killed. So they are put into the form in which agno's own client sends them, and are
turned into what agno's agents take when a worker takes the run (`database/queue.py`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agno.os.utils import (
    classify_upload_file,
    parse_files_metadata,
    process_audio,
    process_document,
    process_image,
    process_video,
)
from agno.utils.media import reconstruct_audio_list, reconstruct_files, reconstruct_images, reconstruct_videos
from fastapi import UploadFile
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from agentos_runtime.http.wellformed import Refused

FIELD = "agentos_attachments"
"""A field of a run's form; from a caller it is dropped like any other that has no meaning."""
IN_JSON = {"images": "images", "audio": "audio", "videos": "videos", "input_files": "files"}
"""Fields in which agno's client sends files as JSON, and what agno's agents call them."""
_PROCESS: dict[str, tuple[str, Callable[..., Any]]] = {
    "image": ("images", process_image),
    "audio": ("audio", process_audio),
    "video": ("videos", process_video),
    "document": ("files", process_document),
}
_READ: dict[str, Callable[[Any], Any]] = {
    "images": reconstruct_images,
    "audio": reconstruct_audio_list,
    "videos": reconstruct_videos,
    "files": reconstruct_files,
}


@dataclass(frozen=True)
class Upload:
    """One file of a form."""

    filename: str
    media_type: str
    content: bytes


def as_text(uploads: Sequence[Upload], metadata: str | None, in_json: Mapping[str, str]) -> str:
    """All files of a form; Refused where agno would take one of them for nothing."""
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        about = parse_files_metadata(metadata)
        for place, upload in enumerate(uploads):
            kind, media = _processed(upload, about[place] if place < len(about) else None)
            found.setdefault(kind, []).append(media.to_dict())
    except HTTPException as error:
        raise Refused(error.status_code, str(error.detail)) from None
    for field, text in in_json.items():
        found.setdefault(IN_JSON[field], []).extend(_entries(field, text))
    return json.dumps(found)


def taken(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What agno's agents are called with, once a worker has the run: files in place of the text."""
    rest = {name: value for name, value in kwargs.items() if name != FIELD}
    if FIELD not in kwargs:
        return rest
    return rest | {kind: _READ[kind](entries) for kind, entries in json.loads(kwargs[FIELD]).items()}


def _processed(upload: Upload, metadata: Any) -> tuple[str, Any]:
    headers = Headers({"content-type": upload.media_type})
    file = UploadFile(io.BytesIO(upload.content), filename=upload.filename, headers=headers)
    category = classify_upload_file(file)
    if category is None:
        raise Refused(400, "Unsupported file type")
    kind, process = _PROCESS[category]
    try:
        return kind, process(file, metadata=metadata)
    except ValueError:
        raise Refused(400, "A file is not of the type that it says.") from None


def _entries(field: str, text: str) -> list[dict[str, Any]]:
    """Checked for what agno cannot read, which it would leave out once nobody listens any more."""
    entries: list[dict[str, Any]] = json.loads(text)
    read = _READ[IN_JSON[field]](entries) or []
    if len(read) != len(entries):
        raise Refused(
            422,
            "The request does not have the expected form.",
            [{"at": f"body.{field}", "problem": "holds a file that cannot be read"}],
        )
    return entries

"""agno's Knowledge with what it leaves open closed; agents, its HTTP routes and our loader all come through here.

agno would fetch any URL that a caller names, take a changed file of the same name for one that it has, run readers and
chunkers by the caller's choice, and know a text of another deployment by its id. docs/decisions/0035 says how each
was found.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from agno.exceptions import EmbeddingError
from agno.knowledge.content import Content, ContentStatus, FileData
from agno.knowledge.document import Document
from agno.knowledge.knowledge import Knowledge
from agno.knowledge.reader.text_reader import TextReader
from agno.knowledge.utils import RESERVED_AGNO_KEY, get_agno_metadata, set_agno_metadata, strip_agno_metadata
from agno.utils.string import generate_id
from fastapi import HTTPException

from agentos_runtime.knowledge.store import SHARED, Vectors

_LOG = logging.getLogger("agentos.knowledge")
_DIGEST = "content_digest"
_MOST_RESULTS = 100
"""Of one search, as in the document: a caller could otherwise have a pod hold all texts in memory."""
_WRITE_SECONDS = 120.0
"""As long as a run's thread waits for what embedder and database bound by themselves."""
_DECLARED = "declared"
"""Marks the row of a text that comes from a source of the document, and says which."""


class KnowledgeUnavailable(HTTPException):
    """A search that could not be done; agno would say that nothing was found, and the model would believe it."""

    def __init__(self) -> None:
        super().__init__(502, "The knowledge cannot be searched now: its embedder does not answer as it should.")


class Base(Knowledge):
    """One knowledge of one deployment; its name is theirs, and no other's rows are seen through it."""

    _loop: asyncio.AbstractEventLoop | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Base:
        """Itself: agno copies agents for each run."""
        return self

    @property
    def vectors(self) -> Vectors:
        """The store, which agno's field has as anything."""
        store: Vectors = self.vector_db  # type: ignore[assignment]
        return store

    # Searching

    async def asearch(
        self,
        query: str,
        max_results: int | None = None,
        filters: Any = None,
        search_type: str | None = None,
        user_id: str | None = None,
        run_response: Any = None,  # noqa: ARG002 - as above
    ) -> list[Document]:
        """Of a user, his own texts and those of all; without one, everybody's."""
        if search_type not in (None, "vector"):
            raise HTTPException(422, "search_type can be vector alone.")
        if filters is not None and not isinstance(filters, dict):
            raise HTTPException(422, "filters must be a mapping of names to values.")
        limit = min(max(max_results or self.max_results, 1), _MOST_RESULTS)
        try:
            return await self.vectors.find(query, limit, filters, user_id)
        except EmbeddingError as error:
            _LOG.warning("knowledge %s cannot be searched: %s", self.name, error.safe_message)
            raise KnowledgeUnavailable from None

    async def aretrieve(  # type: ignore[override]
        self, query: str, max_results: int | None = None, filters: Any = None, user_id: str | None = None, **_: Any
    ) -> list[Document]:
        """For an agent's run, which must not find every user's texts because it has no user."""
        return await self.asearch(query, max_results, filters, user_id=SHARED if user_id is None else user_id)

    async def avalidate_filters(self, filters: Any, user_id: str | None = None) -> tuple[Any, list[str]]:  # noqa: ARG002
        """All of them hold: agno leaves out what no text has, and would find every text for what fits none."""
        return filters, []

    async def aget_valid_filters(self, user_id: str | None = None) -> set[str]:
        """By what a model may narrow a search; without a user, by what texts of all have, and by no mark of ours."""
        names = await super().aget_valid_filters(SHARED if user_id is None else user_id)
        return names - {RESERVED_AGNO_KEY}

    # What a model writes

    def insert(self, name: str, text_content: str, user_id: str | None = None, **_: Any) -> None:  # type: ignore[override]
        """For agno's tool, which a run calls in a thread and which takes what raises for a failure.

        A run's text is its user's, as an upload is. Without a user it would be everybody's.
        """
        if not user_id or self._loop is None:
            raise HTTPException(403, "Only a run of a user can add to the knowledge.")
        asyncio.run_coroutine_threadsafe(self._write(name, text_content, user_id), self._loop).result(_WRITE_SECONDS)

    async def _write(self, name: str, text: str, user_id: str) -> None:
        content = self._content(name, text.encode(), user_id)
        if await self._put(content) != ContentStatus.COMPLETED:
            raise KnowledgeUnavailable

    def serve(self) -> None:
        """Say in which loop everything of this knowledge happens: the one of the caller."""
        self._loop = asyncio.get_running_loop()

    # What a caller uploads

    def _build_content_hash(self, content: Content) -> str:
        """The identity of a text. The route asks for it before it accepts anything, so this refuses as well."""
        if content.url or content.path or content.remote_content:
            raise HTTPException(403, "Texts are not fetched for a caller: upload the text or a file instead of a URL.")
        if not isinstance(content.metadata, dict | None):
            raise HTTPException(422, "metadata must be a JSON object.")
        data = _bytes(content)
        try:
            data.decode()
        except UnicodeDecodeError:
            raise HTTPException(415, "Only texts in UTF-8 can be kept; convert the file first.") from None
        named = content.name or (content.file_data.filename if content.file_data else None)
        identity = [self.name or "", content.user_id or "", named or hashlib.sha256(data).hexdigest()]
        return hashlib.sha256("\0".join(identity).encode()).hexdigest()

    async def _aload_content(self, content: Content, *_: Any, **__: Any) -> None:
        """Keep a text, whatever way it came; one that is there already is not embedded again."""
        content.metadata = strip_agno_metadata(content.metadata) or {}
        await self._put(content)

    async def _put(self, content: Content) -> ContentStatus:
        data = _bytes(content)
        digest = hashlib.sha256(data).hexdigest()
        kept = await self.aget_content_by_id(str(content.id), user_id=content.user_id)
        if kept and kept.status == ContentStatus.COMPLETED and get_agno_metadata(kept.metadata, _DIGEST) == digest:
            return ContentStatus.COMPLETED
        text = data.decode(errors="replace")
        content.name = content.name or " ".join(text.split())[:40]
        content.size, content.file_type = len(data), "text"
        await self._ainsert_contents_db(content)
        try:
            # In a thread: cutting up the largest text that is taken would hold up everybody for a second.
            documents = await asyncio.to_thread(TextReader().read, BytesIO(text.encode()), content.name)
            if not documents:
                await self.vectors.remove(str(content.id))  # it has become empty
            self._prepare_documents_for_insert(documents, str(content.id), calculate_sizes=True)
            content.metadata = set_agno_metadata(content.metadata, _DIGEST, digest)
            await self._ahandle_vector_db_insert(content, documents, upsert=True)
        except Exception as error:
            await self._amark_content_failed(content, type(error).__name__)
            raise
        return content.status or ContentStatus.FAILED

    # What the document declares

    async def declare(self, label: str, text: bytes) -> str | None:
        """Keep the text of a source, for all users; what is wrong, None where nothing is."""
        content = self._content(label, text)
        content.metadata = set_agno_metadata({"source": label}, _DECLARED, label)
        status = await self._put(content)
        return None if status == ContentStatus.COMPLETED else (content.status_message or "it could not be embedded")

    def _content(self, name: str, text: bytes, user_id: str | None = None) -> Content:
        content = Content(name=name, file_data=FileData(content=text, type="text"), user_id=user_id)
        content.content_hash = self._build_content_hash(content)
        content.id = generate_id(content.content_hash)
        return content

    async def keep_only(self, labels: Sequence[str]) -> None:
        """Forget the texts of sources that are gone; what was uploaded stays."""
        rows, _ = await self.aget_content()
        for row in rows:
            declared = get_agno_metadata(row.metadata, _DECLARED)
            if row.user_id is None and declared is not None and declared not in labels:
                await self.aremove_content_by_id(str(row.id))

    # Rows by their id, which agno would find in any knowledge of the schema

    async def aget_content(self, *args: Any, **options: Any) -> tuple[list[Content], int]:
        """All of this knowledge, in pages; agno raises on a page that cannot be, which would be a 500."""
        try:
            return await super().aget_content(*args, **options)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    async def aget_content_by_id(self, content_id: str, user_id: str | None = None) -> Content | None:
        """A text of this knowledge."""
        database: Any = self.contents_db
        row = await database.get_knowledge_content(content_id, user_id=user_id)
        return self._content_row_to_content(row) if row is not None and row.linked_to == self.name else None

    async def aget_content_status(
        self, content_id: str, user_id: str | None = None
    ) -> tuple[ContentStatus | None, str | None]:
        """How far the loading of a text has come."""
        content = await self.aget_content_by_id(content_id, user_id)
        return (content.status, content.status_message) if content else (None, "Content not found")

    async def apatch_content(self, content: Content, user_id: str | None = None) -> dict[str, Any] | None:
        """Change the name or description of a text, or what a search can be narrowed by."""
        content.metadata = strip_agno_metadata(content.metadata)
        changed = await super().apatch_content(content, user_id)
        if changed is not None and content.metadata:
            await self.vectors.describe(str(content.id), content.metadata)
        return changed

    async def aremove_content_by_id(
        self, content_id: str, user_id: str | None = None, _seen: set[str] | None = None
    ) -> bool:
        """Forget a text, unless it is one of all users and a user asks."""
        content = await self.aget_content_by_id(content_id, user_id)
        if content is None or self._content_is_shared(content, user_id):
            return False
        await self.vectors.remove(content_id)
        database: Any = self.contents_db
        await database.delete_knowledge_content(content_id, user_id=user_id)
        return True


def _bytes(content: Content) -> bytes:
    """What a text consists of."""
    data = content.file_data.content if isinstance(content.file_data, FileData) else content.file_data
    return data.encode() if isinstance(data, str) else bytes(data or b"")

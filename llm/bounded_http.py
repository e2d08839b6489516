"""HTTP responses that cannot flood the process: a limit on the bytes of one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

MAX_RESPONSE_BYTES = 4 << 20
"""Bytes of one HTTP response: far more than an answer has, far less than would hurt."""


class ResponseTooLargeError(Exception):
    """The service sent more than ``MAX_RESPONSE_BYTES``, or packed its answer."""


class BoundedStream(httpx2.AsyncByteStream):
    """A response body that stops being read at the limit."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > MAX_RESPONSE_BYTES:
                raise ResponseTooLargeError(f"the answer is over {MAX_RESPONSE_BYTES >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def bound_response(response: httpx2.Response) -> None:
    """An httpx2 hook: put the limit around the body before any of it is read."""
    if response.headers.get("content-encoding", "identity") != "identity":
        # A few packed bytes may unfold to gigabytes; nobody asked for them.
        raise ResponseTooLargeError("the answer is compressed, although none was asked for")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = BoundedStream(response.stream)

"""Which image has a package that this one lacks, for the message that says so (docs/agents.md)."""

from __future__ import annotations

ALL_IMAGE = "agentos-runtime-all"
"""The image of the same version that has every provider of agno, and every toolkit but those below."""
IN_NO_IMAGE = frozenset(
    {
        "agentql",
        "baidusearch",
        "bravesearch",
        "browserbase",
        "code",
        "crawl4ai",
        "docker",
        "docling",
        "mlx_transcribe",
        "moviepy_video",
        "openbb",
        "opencv",
    }
)
"""Toolkits that need a browser, a model's weights, a daemon or a device of another kind, or versions that nothing else
takes (docs/decisions/0038)."""
BUILD_ONE = "build an image on ours that installs it and name it in spec.image"
USE_ALL = f"name the image {ALL_IMAGE} of this version in spec.image, or {BUILD_ONE}"

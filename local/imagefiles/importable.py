"""Try to import every provider and toolkit that agno has, and print as JSON why those that fail do.

Run by `local.image_contents` with the Python of an image; it needs agno and `agentos_spec` there, and nothing of this
checkout.
"""

import contextlib
import importlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Mapping


def failures(wanted: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """By name, why the attribute of the module cannot be had; those that can are left out."""
    found = {}
    for name, (module, attribute) in sorted(wanted.items()):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                loaded = importlib.import_module(module)
                if attribute:
                    getattr(loaded, attribute)
        except BaseException as error:  # a package may even end the process
            found[name] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    from agno.models.utils import MODEL_PROVIDER_CLASSES  # noqa: PLC0415 - of the image

    from agentos_spec.catalogue import load_catalogue  # noqa: PLC0415 - of the image

    toolkits = {name: (f"agno.tools.{name}", "") for name in load_catalogue().toolkits}
    told = {
        "providers": [len(MODEL_PROVIDER_CLASSES), failures(MODEL_PROVIDER_CLASSES)],
        "toolkits": [len(toolkits), failures(toolkits)],
    }
    sys.__stdout__.write(json.dumps(told) + "\n")  # type: ignore[union-attr]


if __name__ == "__main__":
    main()

"""From the spec to agno's objects, and what cannot be compiled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from agno.db.sqlite import AsyncSqliteDb
from agno.models.openai import OpenAIChat, OpenAIResponses
from agno.tools.calculator import CalculatorTools

from agentos_runtime.agents.compile import compile_components
from agentos_runtime.agents.models import DeferredModel, compile_model
from agentos_runtime.agents.toolkits import compile_toolkit
from agentos_runtime.errors import StartupError
from agentos_spec import AgentSpec, ModelSpec, SecretRef, Spec, SpecError, ToolkitSpec

MODEL = ModelSpec("openai-chat", "gpt-4o-mini", "http://fake/v1", SecretRef("openai", "api-key"), "p.model")


def compiled(**fields: Any) -> Any:
    spec = Spec("support", (AgentSpec(id="support", model=MODEL, **fields),))
    components = compile_components(spec, lambda ref, path: f"{ref.name}/{ref.key} of {path}", AsyncSqliteDb())
    return components.agents[0]


def refusal(action: Any, *arguments: Any) -> StartupError | SpecError:
    try:
        action(*arguments)
    except (StartupError, SpecError) as refused:
        return refused
    pytest.fail("it was not refused")


def test_every_field_reaches_agno_under_its_own_name() -> None:
    agent = compiled(
        name="Support",
        parameters={
            "description": "Helps.",
            "instructions": ["Be brief."],
            "markdown": True,
            "add_history_to_context": True,
            "num_history_runs": 7,
            "update_memory_on_run": True,
            "enable_agentic_memory": True,
        },
    )
    assert (agent.id, agent.name, agent.description) == ("support", "Support", "Helps.")
    assert (agent.instructions, agent.markdown) == (["Be brief."], True)
    assert (agent.add_history_to_context, agent.num_history_runs) == (True, 7)
    assert agent.update_memory_on_run is True
    assert agent.enable_agentic_memory is True
    assert agent.telemetry is False


def test_a_deferred_model_becomes_the_real_one_in_place() -> None:
    model = compiled().model
    assert isinstance(model, DeferredModel)
    holder = {"elsewhere": model}
    model.retries = 3
    model.load()
    real: Any = holder["elsewhere"]
    assert type(real) is OpenAIChat
    assert vars(real).keys() == vars(OpenAIChat(id="gpt-4o-mini")).keys()
    assert (real.id, real.base_url, real.retries) == ("gpt-4o-mini", "http://fake/v1", 3)
    assert real.api_key == "openai/api-key of p.model.apiKeySecretRef"


def test_options_reach_the_model() -> None:
    options = {"temperature": 0.2, "max_tokens": 500, "stop": ["END"], "extra_body": {"top_k": 20}}
    model: Any = compile_model(replace(MODEL, options=options), None)
    model.load()
    assert {name: getattr(model, name) for name in options} == options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"temprature": 0.2},
            "p.model.options.temprature: 'openai-chat' has no such option (did you mean 'temperature'?)",
        ),
        ({"temperature": "hot"}, "p.model.options.temperature: must be a number, not text"),
        ({"api_key": "planted"}, "p.model.options.api_key: has a field of its own, p.model.apiKeySecretRef"),
        ({"base_url": "http://x"}, "p.model.options.base_url: has a field of its own, p.model.baseURL"),
        ({"cache_dir": "/etc"}, "p.model.options.cache_dir: 'openai-chat' has no such option"),
        ({"_tool_choice": "none"}, "p.model.options._tool_choice: 'openai-chat' has no such option"),
    ],
)
def test_an_option_that_a_model_does_not_take_is_refused(options: dict[str, Any], words: str) -> None:
    refused = refusal(compile_model, replace(MODEL, options=options), None)
    assert words in str(refused)
    assert "planted" not in str(refused)


@pytest.mark.parametrize("provider", ["vllm", "lmstudio", "llama-cpp", "openrouter", "azure-openai", "deepseek", "xai"])
def test_servers_that_speak_the_protocol_of_openai_need_nothing_more_in_the_image(provider: str) -> None:
    compile_model(ModelSpec(provider, "any", "http://server.models.svc:8000/v1"), "key")


def test_openai_without_chat_is_the_responses_api_as_agno_has_it() -> None:
    model: Any = compile_model(ModelSpec("openai", "gpt-4o"), None)
    model.load()
    assert type(model) is OpenAIResponses


def test_an_unknown_provider_is_refused_with_the_nearest_name() -> None:
    error = refusal(compile_model, ModelSpec("openai-chatt", "x", path="spec.agents[0].model"), None)
    assert error.reason == "UnknownModelProvider"
    assert error.message == (
        "spec.agents[0].model.id: 'openai-chatt' is no provider of agno (did you mean 'openai-chat'?)"
    )


def test_a_provider_whose_package_is_absent_says_which() -> None:
    error = refusal(compile_model, ModelSpec("anthropic", "claude", path="p.model"), None)
    assert error.reason == "ModelPackageMissing"
    assert "'anthropic'" in error.message
    assert "name the image agentos-runtime-all of this version in spec.image" in error.message


@pytest.fixture
def no_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without the openai package."""
    find = util.find_spec

    def absent(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "openai" else find(name, package)

    monkeypatch.setattr(util, "find_spec", absent)


@pytest.mark.usefixtures("no_openai")
def test_a_deferred_package_is_missed_before_the_server_listens() -> None:
    error = refusal(compile_model, MODEL, None)
    assert (error.reason, "'openai'" in error.message) == ("ModelPackageMissing", True)


def test_a_guarded_function_waits_and_the_others_do_not() -> None:
    toolkit = compile_toolkit(ToolkitSpec("calculator", {}, ("divide",)))
    assert isinstance(toolkit, CalculatorTools)
    assert {n for n, f in toolkit.functions.items() if f.requires_confirmation} == {"divide"}


@pytest.mark.parametrize(
    "spec",
    [
        ToolkitSpec("calculator", {}, ("divide",)),
        ToolkitSpec("calculator", {}, (), ("divide",)),
        ToolkitSpec("calculator", {"requires_confirmation_tools": ["divide"]}),
    ],
    ids=["confirmation", "approval", "an option of agno's"],
)
def test_whatever_waits_keeps_an_approval(spec: ToolkitSpec) -> None:
    toolkit = compile_toolkit(spec)
    waiting = {n: f.approval_type for n, f in toolkit.functions.items() if f.requires_confirmation}
    assert waiting == {"divide": "required"}
    assert {f.approval_type for n, f in toolkit.functions.items() if n != "divide"} == {None}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of an image's own toolkits."""
    package = tmp_path / "agentos_tools"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "agentos_tools"]:
        del sys.modules[name]


CLASS = """
from agno.tools.toolkit import Toolkit

class OwnTools(Toolkit):
    def __init__(self, **options):
        super().__init__(name="own", tools=[self.look], **options)

    def look(self) -> str:
        return "seen"
"""


def test_a_toolkit_of_the_images_own_comes_before_agnos(own: Path) -> None:
    (own / "calculator.py").write_text(CLASS)
    toolkit = compile_toolkit(ToolkitSpec("calculator", {}, ("look",)))
    assert toolkit.functions["look"].requires_confirmation


FUNCTIONS = """
from json import dumps
from agno.tools import tool

def look() -> str:
    return dumps("seen")

async def pay(amount: float) -> str:
    return "paid"

@tool
def marked() -> str:
    return "marked"

def _helper() -> None: ...

LIMIT = 3
"""


def test_functions_of_the_images_own_are_tools_without_a_class(own: Path) -> None:
    (own / "shop.py").write_text(FUNCTIONS)
    toolkit = compile_toolkit(ToolkitSpec("shop", {}, ("pay",), path="t"))
    every = toolkit.functions | toolkit.async_functions
    assert set(every) == {"look", "pay", "marked"}, "neither helpers nor what the module has imported"
    assert {name for name, each in every.items() if each.requires_confirmation} == {"pay"}


def test_confirmation_of_a_function_that_is_not_there_is_refused(own: Path) -> None:
    (own / "shop.py").write_text(FUNCTIONS)
    assert "no function 'payy'" in str(refusal(compile_toolkit, ToolkitSpec("shop", {}, ("payy",), path="t")))


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("import not_in_this_image", "ToolkitPackageMissing", "not_in_this_image"),
        ("raise OSError('no such shop')", "UnknownToolkit", "cannot be imported: OSError: no such shop"),
        ("def (", "UnknownToolkit", "cannot be imported: SyntaxError"),
        ("answer = 42", "UnknownToolkit", "t.toolkit"),
    ],
)
def test_a_toolkit_of_the_images_own_that_does_not_work_says_why(own: Path, text: str, reason: str, words: str) -> None:
    (own / "shop.py").write_text(text)
    with pytest.raises(StartupError) as failed:
        compile_toolkit(ToolkitSpec("shop", path="t"))
    assert failed.value.reason == reason
    assert words in str(failed.value)
    assert "agentos-runtime-all" not in str(failed.value), "that image has none of the tenant's packages"


def test_a_package_of_own_toolkits_that_does_not_import_is_not_taken_for_absent(own: Path) -> None:
    (own / "__init__.py").write_text("import not_in_this_image")
    with pytest.raises(StartupError, match="not_in_this_image"):
        compile_toolkit(ToolkitSpec("calculator", path="t"))


def test_options_reach_the_toolkit() -> None:
    toolkit = compile_toolkit(ToolkitSpec("calculator", {"include_tools": ["add"]}))
    assert list(toolkit.functions) == ["add"]


TOOLKITS: dict[str, tuple[ToolkitSpec, str, str]] = {
    "an unknown toolkit": (
        ToolkitSpec("calculater", path="t"),
        "UnknownToolkit",
        "t.toolkit: 'calculater' is no toolkit of agno (did you mean 'calculator'?)",
    ),
    "a module of agno that is no toolkit": (ToolkitSpec("decorator", path="t"), "UnknownToolkit", "t.toolkit"),
    "the base class": (ToolkitSpec("toolkit", path="t"), "UnknownToolkit", "t.toolkit: 'toolkit' is no toolkit"),
    "a toolkit whose package is absent": (
        ToolkitSpec("duckdb", path="t"),
        "ToolkitPackageMissing",
        "t.toolkit: 'duckdb' needs a Python package that is not in this image (`duckdb` not installed. Please install"
        " using `pip install duckdb`.); name the image agentos-runtime-all of this version in spec.image, or build",
    ),
    "a toolkit whose package no image of ours has": (
        ToolkitSpec("docling", path="t"),
        "ToolkitPackageMissing",
        "pip install docling`); build an image on ours that installs it",
    ),
    "an unknown option": (
        ToolkitSpec("calculator", {"colour": "red"}, path="t"),
        "InvalidToolOptions",
        "t.options.colour: toolkit 'calculator' has no such option; it has add_instructions, auto_register, cache_dir",
    ),
    "a guarded function that does not exist": (
        ToolkitSpec("calculator", {}, ("divid",), path="t"),
        "InvalidToolOptions",
        "t.requiresConfirmation: toolkit 'calculator' has no function 'divid' (did you mean 'divide'?)",
    ),
    "a function to approve that does not exist": (
        ToolkitSpec("calculator", {}, (), ("divid",), path="t"),
        "InvalidToolOptions",
        "t.requiresApproval: toolkit 'calculator' has no function 'divid' (did you mean 'divide'?)",
    ),
    "a guarded function that the options leave out": (
        ToolkitSpec("calculator", {"exclude_tools": ["divide"]}, ("divide",), path="t"),
        "InvalidToolOptions",
        "has no function 'divide'",
    ),
}


@pytest.mark.parametrize(("spec", "reason", "message"), TOOLKITS.values(), ids=TOOLKITS.keys())
def test_a_toolkit_that_cannot_be_had_is_refused(spec: ToolkitSpec, reason: str, message: str) -> None:
    error = refusal(compile_toolkit, spec)
    assert error.reason == reason
    assert message in error.message

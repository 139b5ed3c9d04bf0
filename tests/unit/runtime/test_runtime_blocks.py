"""Objects of agno's classes that an agent or a team declares: what they are made of; their models are known."""

from __future__ import annotations

from typing import Any

import pytest
from agno.compression.manager import CompressionManager
from agno.db.sqlite import AsyncSqliteDb
from agno.learn.machine import LearningMachine
from agno.memory import MemoryManager
from agno.models.fallback import FallbackConfig
from agno.session.summary import SessionSummaryManager

from agentos_runtime.agents.compile import Components, compile_components
from agentos_runtime.agents.models import DeferredModel
from agentos_spec import parse_spec

MAIN = {"id": "openai-chat:main"}
BLOCKS: dict[str, Any] = {
    "updateMemoryOnRun": True,
    "memoryManager": {
        "model": {"id": "openai-chat:keeper", "apiKeySecretRef": {"name": "keeper", "key": "api-key"}},
        "systemMessage": "You keep memories.",
        "memoryCaptureInstructions": "What they like.",
        "additionalInstructions": "In one sentence.",
        "addMemories": False,
        "updateMemories": False,
        "deleteMemories": True,
        "clearMemories": True,
    },
    "enableSessionSummaries": True,
    "sessionSummaryManager": {
        "model": {"id": "openai-chat:clerk"},
        "sessionSummaryPrompt": "Sum it up.",
        "summaryRequestMessage": "The summary, please.",
        "lastNRuns": 3,
        "conversationLimit": 20,
    },
    "compressToolResults": True,
    "compressionManager": {
        "model": {"id": "openai-chat:press"},
        "compressToolResultsLimit": 2,
        "compressToolCallInstructions": "Keep the figures.",
    },
    "learning": {
        "model": {"id": "openai-chat:pupil"},
        "userProfile": True,
        "userMemory": True,
        "entityMemory": True,
    },
    "addLearningsToContext": False,
    "fallbackConfig": {
        "onError": [{"id": "openai-chat:second"}],
        "onRateLimit": [{"id": "openai-chat:third"}, {"id": "openai-chat:fourth"}],
        "onContextOverflow": [{"id": "openai-chat:fifth"}],
    },
}


def compiled(**fields: Any) -> Components:
    """An agent with these fields, that is the member of a team with the same."""
    spec = {
        "agents": [{"id": "desk", "model": MAIN, **fields}],
        "teams": [{"id": "house", "model": MAIN, "members": ["desk"], **fields}],
    }
    document = {"kind": "AgentDeployment", "metadata": {"name": "support"}, "spec": spec}
    return compile_components(parse_spec(document), lambda ref, path: f"{ref.name} of {path}", AsyncSqliteDb())


@pytest.fixture
def components() -> Components:
    return compiled(**BLOCKS)


@pytest.mark.parametrize("kind", ["agents", "teams"])
def test_every_field_of_a_block_reaches_agnos_class(components: Components, kind: str) -> None:
    (part,) = getattr(components, kind)
    memory, summary, compression = part.memory_manager, part.session_summary_manager, part.compression_manager
    assert type(memory) is MemoryManager
    assert (memory.system_message, memory.memory_capture_instructions) == ("You keep memories.", "What they like.")
    assert memory.additional_instructions == "In one sentence."
    flags = (memory.add_memories, memory.update_memories, memory.delete_memories, memory.clear_memories)
    assert flags == (False, False, True, True)
    assert type(summary) is SessionSummaryManager
    assert (summary.session_summary_prompt, summary.summary_request_message) == ("Sum it up.", "The summary, please.")
    assert (summary.last_n_runs, summary.conversation_limit) == (3, 20)
    assert type(compression) is CompressionManager
    assert compression.compress_tool_results_limit == 2
    assert compression.compress_tool_call_instructions == "Keep the figures."
    assert type(part.fallback_config) is FallbackConfig
    learning = part.learning
    assert type(learning) is LearningMachine
    assert (learning.user_profile, learning.user_memory, learning.entity_memory) == (True, True, True)
    assert learning.namespace == "user", "agno would share what is learned of things among all users"
    assert part.add_learnings_to_context is False
    managers: tuple[Any, ...] = (memory, summary, compression, learning)
    assert [manager.model.id for manager in managers] == ["keeper", "clerk", "press", "pupil"]


@pytest.mark.parametrize("kind", ["agents", "teams"])
def test_every_model_of_a_block_is_loaded_and_measured_where_agno_has_it(components: Components, kind: str) -> None:
    """AgentOS prepares what it serves before the models are there."""
    (part,) = getattr(components, kind)
    part.initialize_agent() if kind == "agents" else part.initialize_team()
    fallbacks = part.fallback_config
    held = [part.memory_manager.model, part.session_summary_manager.model, part.compression_manager.model]
    held += [part.learning.model, *fallbacks.on_error, *fallbacks.on_rate_limit, *fallbacks.on_context_overflow]
    known = {id(used.model): used for used in components.models}
    assert [known[id(model)].component for model in held] == [part.id] * len(held)
    for model in held:
        assert isinstance(model, DeferredModel)
        model.load()
    loaded: list[Any] = held
    assert [type(model).__name__ for model in loaded] == ["OpenAIChat"] * 8
    where = f"spec.{kind}[0].memoryManager.model.apiKeySecretRef"
    assert loaded[0].api_key == f"keeper of {where}"
    assert known[id(held[4])].label == "openai-chat:second"


def test_each_place_of_an_agent_has_managers_of_its_own(components: Components) -> None:
    """agno writes into them whose database and model they use."""
    (agent,), (team,) = components.agents, components.teams
    (member,) = team.members  # type: ignore[misc]
    assert member.memory_manager is not agent.memory_manager
    assert member.session_summary_manager is not agent.session_summary_manager


def test_a_block_without_a_model_uses_the_agents_own() -> None:
    components = compiled(updateMemoryOnRun=True, memoryManager={"deleteMemories": True})
    (agent,) = components.agents
    agent.initialize_agent()
    manager: Any = agent.memory_manager
    assert manager.model is agent.model
    assert manager.db is agent.db

"""The parameters of agno's constructors that a document may set, under agno's names.

docs/agents.md lists those that are left out, with the reason; a test compares both lists with agno's signatures, so
that a parameter of a newer agno is decided about before it is missed.
"""

from __future__ import annotations

from agentos_spec.kinds import (
    Block,
    Choice,
    Filters,
    Flag,
    Form,
    Kind,
    Messages,
    Model,
    Models,
    Text,
    Texts,
    Timezone,
    Values,
    Whole,
)
from agentos_spec.skills import Skills

_RUNS = Whole(1, 100)
_CALLS = Whole(1, 1000)

_MEMORY_MANAGER = Block(
    "MemoryManager",
    {
        "model": Model(),
        "system_message": Text(),
        "memory_capture_instructions": Text(),
        "additional_instructions": Text(),
        "add_memories": Flag(),
        "update_memories": Flag(),
        "delete_memories": Flag(),
        "clear_memories": Flag(),
    },
)
_SESSION_SUMMARY_MANAGER = Block(
    "SessionSummaryManager",
    {
        "model": Model(),
        "session_summary_prompt": Text(),
        "summary_request_message": Text(),
        "last_n_runs": _RUNS,
        "conversation_limit": Whole(1, 1000),
    },
)
_COMPRESSION_MANAGER = Block(
    "CompressionManager",
    {
        "model": Model(),
        "compress_tool_results_limit": Whole(1, 100),
        "compress_tool_call_instructions": Text(),
    },
)
_LEARNING = Block(
    "LearningMachine",
    {"model": Model(), "user_profile": Flag(), "user_memory": Flag(), "entity_memory": Flag()},
)
_FALLBACK_CONFIG = Block(
    "FallbackConfig", {"on_error": Models(), "on_rate_limit": Models(), "on_context_overflow": Models()}
)

_SAID: dict[str, Kind] = {
    "description": Text(),
    "instructions": Texts(),
    "role": Text(),
    "introduction": Text(),
    "expected_output": Text(),
    "additional_context": Text(),
    "system_message": Text(),
    "system_message_role": Choice(("system", "developer")),
    "additional_input": Messages(),
    "use_instruction_tags": Flag(),
    "markdown": Flag(),
    "add_name_to_context": Flag(),
    "add_datetime_to_context": Flag(),
    "datetime_format": Text(),
    "timezone_identifier": Timezone(),
    "resolve_in_context": Flag(),
    "skills": Skills(),
}
"""What the model is told."""

_REMEMBERED: dict[str, Kind] = {
    "add_history_to_context": Flag(),
    "num_history_runs": _RUNS,
    "num_history_messages": Whole(1, 1000),
    "max_tool_calls_from_history": Whole(0, 1000),
    "read_chat_history": Flag(),
    "search_past_sessions": Flag(),
    "num_past_sessions_to_search": _RUNS,
    "num_past_session_runs_in_search": _RUNS,
    "update_memory_on_run": Flag(),
    "enable_agentic_memory": Flag(),
    "add_memories_to_context": Flag(),
    "memory_manager": _MEMORY_MANAGER,
    "learning": _LEARNING,
    "add_learnings_to_context": Flag(),
    "enable_session_summaries": Flag(),
    "session_summary_manager": _SESSION_SUMMARY_MANAGER,
    "add_session_summary_to_context": Flag(),
    "session_state": Values(),
    "add_session_state_to_context": Flag(),
    "enable_agentic_state": Flag(),
    "compress_tool_results": Flag(),
    "compression_manager": _COMPRESSION_MANAGER,
}
"""What it knows from before."""

_KNOWLEDGE: dict[str, Kind] = {
    "search_knowledge": Flag(),
    "add_search_knowledge_instructions": Flag(),
    "add_knowledge_to_context": Flag(),
    "references_format": Choice(("json", "yaml")),
    "knowledge_filters": Filters(),
    "enable_agentic_knowledge_filters": Flag(),
    "update_knowledge": Flag(),
}
"""How it uses what its field `knowledge` names."""

_MODELS: dict[str, Kind] = {
    "fallback_models": Models(),
    "fallback_config": _FALLBACK_CONFIG,
    "reasoning_model": Model(),
    "parser_model": Model(),
    "parser_model_prompt": Text(),
    "output_model": Model(),
    "output_model_prompt": Text(),
    "followup_model": Model(),
    "followups": Flag(),
    "num_followups": Whole(1, 10),
}
"""Who else is asked."""

_RUN: dict[str, Kind] = {
    "checkpoint": Choice(("runs", "tool-batch")),
    "tool_call_limit": _CALLS,
    "tool_choice": Choice(("none", "auto", "required")),
    "retries": Whole(0, 10),
    "delay_between_retries": Whole(0, 60),
    "exponential_backoff": Flag(),
    "input_schema": Form(),
    "output_schema": Form(),
    "parse_response": Flag(),
    "use_json_mode": Flag(),
    "send_media_to_model": Flag(),
    "store_media": Flag(),
    "store_tool_messages": Flag(),
    "store_history_messages": Flag(),
    "add_dependencies_to_context": Flag(),
    "metadata": Values(),
}
"""How a run goes, and what is kept of it."""

_COMMON: dict[str, Kind] = {**_SAID, **_REMEMBERED, **_KNOWLEDGE, **_MODELS, **_RUN}

AGENT: dict[str, Kind] = {
    **_COMMON,
    "read_tool_call_history": Flag(),
    "build_context": Flag(),
    "build_user_context": Flag(),
    "user_message_role": Choice(("user", "developer")),
    "structured_outputs": Flag(),
    "store_events": Flag(),
}

TEAM: dict[str, Kind] = {
    **_COMMON,
    "mode": Choice(("coordinate", "route", "broadcast", "tasks")),
    "respond_directly": Flag(),
    "determine_input_for_members": Flag(),
    "delegate_to_all_members": Flag(),
    "max_iterations": Whole(1, 100),
    "add_team_history_to_members": Flag(),
    "num_team_history_runs": _RUNS,
    "add_member_tools_to_context": Flag(),
    "share_member_interactions": Flag(),
    "get_member_information_tool": Flag(),
    "store_member_responses": Flag(),
    "stream_member_events": Flag(),
    "show_members_responses": Flag(),
}

WORKFLOW: dict[str, Kind] = {
    "description": Text(),
    "session_state": Values(),
    "add_session_state_to_context": Flag(),
    "add_dependencies_to_context": Flag(),
    "add_workflow_history_to_steps": Flag(),
    "num_history_runs": _RUNS,
    "stream_executor_events": Flag(),
    "store_executor_outputs": Flag(),
    "store_media": Flag(),
    "input_schema": Form(),
    "metadata": Values(),
}

_STEP: dict[str, Kind] = {"description": Text()}
STEPS: dict[str, dict[str, Kind]] = {
    "Step": {
        **_STEP,
        "max_retries": Whole(0, 10),
        "skip_on_failure": Flag(),
        "strict_input_validation": Flag(),
        "add_workflow_history": Flag(),
        "num_history_runs": _RUNS,
    },
    "Steps": _STEP,
    "Parallel": _STEP,
    "Condition": _STEP,
    "Loop": {**_STEP, "max_iterations": Whole(1, 100), "forward_iteration_output": Flag()},
    "Router": _STEP,
}
"""By the type of a step, which is the name of agno's class."""

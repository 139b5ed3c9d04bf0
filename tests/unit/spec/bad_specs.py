"""Specs with one fault each, and the words in which every place refuses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = {"id": "openai-chat:gpt-4o-mini"}
WRITER = {"id": "writer", "model": MODEL}
HANDBOOK = {"id": "handbook", "embedder": {"id": "openai:text-embedding-3-small"}}


REFUND = {"operationId": "refund", "parameters": [{"name": "order", "in": "query", "schema": {}}]}
SHOP = {
    "name": "shop",
    "baseURL": "https://shop.example.com",
    "document": {"inline": {"openapi": "3.1.0", "paths": {"/refunds": {"post": REFUND}}}},
}
REACHES_OUT = {
    "openapi": "3.1.0",
    "paths": {"/refunds": {"post": {**REFUND, "parameters": [{"$ref": "file:///etc/passwd"}]}}},
}


@dataclass(frozen=True)
class BadSpec:
    """One fault."""

    spec: dict[str, Any]
    message: str
    reason: str = "InvalidSpec"
    admitted: bool = True
    """Whether the API server lets it through, so that the operator sees it."""


def agent(**fields: Any) -> dict[str, Any]:
    """A spec of one agent."""
    return {"agents": [WRITER | fields]}


def team(id_: str, *members: str) -> dict[str, Any]:
    """One team."""
    return {"id": id_, "model": MODEL, "members": list(members)}


NO_URL = (
    "spec.knowledge[0].sources[0].url: is not an https URL, or http://<service>.<namespace>.svc, without user, query"
    " and fragment"
)


def knowing(entry: dict[str, Any], id_: str = "handbook") -> dict[str, Any]:
    """A spec of one knowledge and an agent that searches one."""
    return {"agents": [WRITER | {"knowledge": id_}], "knowledge": [entry]}


def filtering(**fields: Any) -> dict[str, Any]:
    """A spec of one knowledge and an agent that searches it in some way."""
    return {"agents": [WRITER | {"knowledge": "handbook"} | fields], "knowledge": [HANDBOOK]}


SKILL = {"name": "returns", "description": "How goods come back.", "instructions": "Ask for the receipt."}


BAD_SPECS = {
    "a parameter that no agent has": BadSpec(
        agent(instruction=["Be brief."]),
        "spec.agents[0]: unknown field 'instruction' (did you mean 'instructions'?)",
        admitted=False,
    ),
    "a provider that agno has not": BadSpec(
        agent(model={"id": "openai-chatt:gpt-4o"}),
        "spec.agents[0].model.id: 'openai-chatt' is no provider of agno (did you mean 'openai-chat'?)",
        "UnknownModelProvider",
    ),
    "a fallback model of a provider that agno has not": BadSpec(
        agent(fallbackModels=[MODEL, {"id": "antropic:claude"}]),
        "spec.agents[0].fallbackModels[1].id: 'antropic' is no provider of agno (did you mean 'anthropic'?)",
        "UnknownModelProvider",
    ),
    "a model of a block of a provider that agno has not": BadSpec(
        agent(updateMemoryOnRun=True, memoryManager={"model": {"id": "openai-chatt:gpt-4o"}}),
        "spec.agents[0].memoryManager.model.id: 'openai-chatt' is no provider of agno (did you mean 'openai-chat'?)",
        "UnknownModelProvider",
    ),
    "a model for a kind of failure with an option that it has not": BadSpec(
        agent(fallbackConfig={"onRateLimit": [MODEL, MODEL | {"options": {"temprature": 0.2}}]}),
        "spec.agents[0].fallbackConfig.onRateLimit[1].options.temprature: 'openai-chat' has no such option"
        " (did you mean 'temperature'?)",
    ),
    "a field that a block has not": BadSpec(
        agent(updateMemoryOnRun=True, memoryManager={"deleteMemory": True}),
        "spec.agents[0].memoryManager: unknown field 'deleteMemory' (did you mean 'deleteMemories'?)",
        admitted=False,
    ),
    "a block that says nothing": BadSpec(
        agent(compressToolResults=True, compressionManager={}),
        "spec.agents[0].compressionManager: says nothing; set one of model, compressToolResultsLimit,"
        " compressToolCallInstructions, or leave it out",
        admitted=False,
    ),
    "how memories are made where none are": BadSpec(
        agent(addMemoriesToContext=True, memoryManager={"deleteMemories": True}),
        "spec.agents[0].memoryManager: says how memories are made, and none are; set updateMemoryOnRun or"
        " enableAgenticMemory to true",
    ),
    "how summaries are made where none are": BadSpec(
        agent(enableSessionSummaries=False, sessionSummaryManager={"lastNRuns": 3}),
        "spec.agents[0].sessionSummaryManager: says how summaries are made, and none are; set enableSessionSummaries"
        " to true",
    ),
    "how results are summed up where none are": BadSpec(
        agent(compressionManager={"compressToolResultsLimit": 1}),
        "spec.agents[0].compressionManager: says how results of tools are summed up, and none are; set"
        " compressToolResults to true",
    ),
    "two lists of models to fall back on": BadSpec(
        agent(fallbackModels=[MODEL], fallbackConfig={"onRateLimit": [MODEL]}),
        "spec.agents[0].fallbackModels: stands beside fallbackConfig; put these models under fallbackConfig.onError",
    ),
    "an address where the model has an option for it": BadSpec(
        agent(model={"id": "ollama:llama3.2", "baseURL": "http://ollama.models.svc:11434"}),
        "spec.agents[0].model.baseURL: provider 'ollama' takes none; say it as options.host",
    ),
    "an address that the model does not take": BadSpec(
        agent(model={"id": "anthropic:claude-sonnet-4-5", "baseURL": "https://claude.example.com"}),
        "spec.agents[0].model.baseURL: provider 'anthropic' takes none; leave it out",
    ),
    "an option that the model has not": BadSpec(
        agent(model=MODEL | {"options": {"temprature": 0.2}}),
        "spec.agents[0].model.options.temprature: 'openai-chat' has no such option (did you mean 'temperature'?)",
    ),
    "an option of another type": BadSpec(
        agent(model=MODEL | {"options": {"temperature": "hot"}}),
        "spec.agents[0].model.options.temperature: must be a number, not text",
    ),
    "agno's own toolkit for MCP, which could start a program": BadSpec(
        agent(tools=[{"toolkit": "mcp", "options": {"command": "sh -c true"}}]),
        "spec.agents[0].tools[0].toolkit: "
        "MCP servers have an entry of their own, such as {mcp: {name: docs, url: ...}}",
    ),
    "a toolbox that is started as a program": BadSpec(
        agent(tools=[{"toolkit": "mcp_toolbox", "options": {"command": "sh -c true"}}]),
        "spec.agents[0].tools[0].options: command would start a program in the pod; give the url of a running toolbox",
    ),
    "a header that no request can have": BadSpec(
        agent(tools=[{"mcp": {"name": "docs", "url": "http://x", "headers": [{"name": "X-A", "value": "a\nb"}]}}]),
        "spec.agents[0].tools[0].mcp.headers[0]: the value of header 'X-A' holds what a header cannot, such as a line"
        " break; change it",
    ),
    "a toolkit that agno has not": BadSpec(
        agent(tools=[{"toolkit": "calculater"}]),
        "spec.agents[0].tools[0].toolkit: 'calculater' is no toolkit of agno (did you mean 'calculator'?)",
        "UnknownToolkit",
    ),
    "an option that the toolkit has not": BadSpec(
        agent(tools=[{"toolkit": "calculator", "options": {"include_tool": ["add"]}}]),
        "spec.agents[0].tools[0].options.include_tool: toolkit 'calculator' has no such option"
        " (did you mean 'include_tools'?)",
        "InvalidToolOptions",
    ),
    "a function to confirm that the toolkit has not": BadSpec(
        agent(tools=[{"toolkit": "calculator", "requiresConfirmation": ["divid"]}]),
        "spec.agents[0].tools[0].requiresConfirmation: toolkit 'calculator' has no function 'divid'"
        " (did you mean 'divide'?)",
        "InvalidToolOptions",
    ),
    "an operation that an API has not": BadSpec(
        agent(tools=[{"openapi": SHOP, "requiresApproval": ["refnd"]}]),
        "spec.agents[0].tools[0].requiresApproval: the document has no operation 'refnd' (did you mean 'refund'?)",
    ),
    "a document of an API that reaches out": BadSpec(
        agent(tools=[{"openapi": SHOP | {"document": {"inline": REACHES_OUT}}}]),
        "spec.agents[0].tools[0].openapi.document: the operation 'refund' cannot be a tool: it refers to"
        " 'file:///etc/passwd', which is outside of the document; correct it, or put it under excludeOperations",
    ),
    "a guardrail that agno has not": BadSpec(
        agent(guardrails=[{"guardrail": "pii_detecton"}]),
        "spec.agents[0].guardrails[0].guardrail: 'pii_detecton' is no guardrail of agno"
        " (did you mean 'pii_detection'?)",
        admitted=False,
    ),
    "an option that the guardrail has not": BadSpec(
        agent(guardrails=[{"guardrail": "pii_detection", "options": {"mask": True}}]),
        "spec.agents[0].guardrails[0].options.mask: guardrail 'pii_detection' has no such option"
        " (did you mean 'mask_pii'?)",
    ),
    "a hook without an image that could have it": BadSpec(
        agent(postHooks=["checks.no_prices"]),
        "spec.agents[0].postHooks[0]: 'checks.no_prices' is of the package agentos_hooks, which only an image of your"
        " own has; add it there, and name the image in spec.image",
        "UnknownHook",
    ),
    "a hook that is no function of a module": BadSpec(
        agent(toolHooks=["subprocess:Popen"]),
        "spec.agents[0].toolHooks[0]: 'subprocess:Popen' is not a module and a function of your image's package"
        " agentos_hooks, e.g. 'checks.no_prices'",
        admitted=False,
    ),
    "a member that does not exist": BadSpec(
        {"agents": [WRITER], "teams": [team("desk", "writter")]},
        "spec.teams[0].members[0]: 'writter' is no agent or team of this document (did you mean 'writer'?)",
    ),
    "teams in a circle": BadSpec(
        {"agents": [WRITER], "teams": [team("desk", "house"), team("house", "desk")]},
        "spec.teams[1].members[0]: closes the circle desk -> house -> desk; take one of them out",
    ),
    "an id of two agents": BadSpec(
        {"agents": [WRITER, WRITER]},
        "spec.agents: two agents have the id 'writer'; give each its own",
        admitted=False,
    ),
    "an id of an agent and a team": BadSpec(
        {"agents": [WRITER], "teams": [team("writer", "writer")]},
        "spec.teams: a team and an earlier agent have the id 'writer'; give each its own",
    ),
    "a step of nobody": BadSpec(
        {"agents": [WRITER], "workflows": [{"id": "story", "steps": [{"name": "draft", "agent": "writr"}]}]},
        "spec.workflows[0].steps[0].agent: 'writr' is no agent of this document (did you mean 'writer'?)",
    ),
    "a parameter that no step has": BadSpec(
        {"agents": [WRITER], "workflows": [{"id": "s", "steps": [{"name": "draft", "agent": "writer", "retry": 1}]}]},
        "spec.workflows[0].steps[0]: unknown field 'retry'; known are name, type, agent, team, workflow, "
        "onError, humanReview, description, maxRetries, skipOnFailure, strictInputValidation, addWorkflowHistory, "
        "numHistoryRuns",
    ),
    "a call that waits in parallel": BadSpec(
        {
            "agents": [WRITER | {"tools": [{"toolkit": "calculator", "requiresApproval": ["divide"]}]}],
            "workflows": [
                {
                    "id": "s",
                    "steps": [{"type": "Parallel", "name": "all", "steps": [{"name": "draft", "agent": "writer"}]}],
                }
            ],
        },
        "spec.workflows[0].steps[0].steps[0].agent: 'writer' has calls that wait for a decision, which are not "
        "continued inside of a Parallel; put the step outside of it",
    ),
    "a step that waits for nothing": BadSpec(
        {
            "agents": [WRITER],
            "workflows": [{"id": "s", "steps": [{"name": "draft", "agent": "writer", "humanReview": {}}]}],
        },
        "spec.workflows[0].steps[0].humanReview: says nothing to wait for; set one of requiresConfirmation, "
        "requiresUserInput, requiresOutputReview to true",
    ),
    "knowledge that does not exist": BadSpec(
        knowing(HANDBOOK, "hanbook"),
        "spec.agents[0].knowledge: 'hanbook' is no knowledge of this document (did you mean 'handbook'?)",
    ),
    "knowledge where none is": BadSpec(
        {"agents": [WRITER], "teams": [team("desk", "writer") | {"knowledge": "handbook"}]},
        "spec.teams[0].knowledge: 'handbook' is no knowledge of this document; there is none",
    ),
    "a use of knowledge that is not named": BadSpec(
        agent(addKnowledgeToContext=True),
        "spec.agents[0].addKnowledgeToContext: says how knowledge is used, and none is named; add knowledge with an id"
        " of spec.knowledge",
    ),
    "filters of knowledge that is not named": BadSpec(
        agent(knowledgeFilters={"source": "terms.md"}),
        "spec.agents[0].knowledgeFilters: says how knowledge is used, and none is named; add knowledge with an id"
        " of spec.knowledge",
    ),
    "a filter with a value of no search": BadSpec(
        filtering(knowledgeFilters={"source": ["a", "b"]}),
        "spec.agents[0].knowledgeFilters.source: must be text, a number, true or false",
    ),
    "filters that say nothing": BadSpec(
        filtering(knowledgeFilters={}),
        "spec.agents[0].knowledgeFilters: says nothing; name what a text must have, or leave it out",
        admitted=False,
    ),
    "filters of the model's beside those that hold": BadSpec(
        filtering(knowledgeFilters={"source": "terms.md"}, enableAgenticKnowledgeFilters=True),
        "spec.agents[0].enableAgenticKnowledgeFilters: stands beside knowledgeFilters, which hold whatever the model"
        " says; leave one of the two out",
    ),
    "a form of references that is none": BadSpec(
        filtering(referencesFormat="yml"),
        "spec.agents[0].referencesFormat: 'yml' is none of json, yaml (did you mean 'yaml'?)",
        admitted=False,
    ),
    "a skill with a name that agno does not take": BadSpec(
        agent(skills=[SKILL | {"name": "take--back"}]),
        "spec.agents[0].skills[0].name: 'take--back' is not a name of at most 64 lower-case letters, digits and single"
        " '-' between them",
        admitted=False,
    ),
    "two skills of one name": BadSpec(
        agent(skills=[SKILL, SKILL]),
        "spec.agents[0].skills: two entries have the name 'returns'; leave one out",
        admitted=False,
    ),
    "a skill with a script": BadSpec(
        agent(skills=[SKILL | {"scripts": {"run.sh": "rm -rf /"}}]),
        "spec.agents[0].skills[0]: unknown field 'scripts' (did you mean 'description'?)",
        admitted=False,
    ),
    "a skill that is described at length": BadSpec(
        agent(skills=[SKILL | {"description": "x" * 1025}]),
        "spec.agents[0].skills[0].description: has 1025 characters; it takes at most 1024, and instructions take the"
        " rest",
        admitted=False,
    ),
    "a reference that is a path": BadSpec(
        agent(skills=[SKILL | {"references": {"../etc/passwd": "x"}}]),
        "spec.agents[0].skills[0].references: '../etc/passwd' is not the name of a text, of letters, digits, '.', '_'"
        " and '-'",
    ),
    "nothing to learn": BadSpec(
        agent(learning={"model": MODEL, "userMemory": False}),
        "spec.agents[0].learning: names nothing to learn; set one of userProfile, userMemory, entityMemory to true",
    ),
    "a kind of learning that all users would share": BadSpec(
        agent(learning={"userMemory": True, "decisionLog": True}),
        "spec.agents[0].learning: unknown field 'decisionLog'; known are model, userProfile, userMemory, entityMemory",
        admitted=False,
    ),
    "a use of learnings where nothing is learned": BadSpec(
        agent(addLearningsToContext=False),
        "spec.agents[0].addLearningsToContext: says how it uses what it learns, and it learns nothing; add learning",
    ),
    "an embedder of a provider that is none": BadSpec(
        knowing(HANDBOOK | {"embedder": {"id": "cohere:embed-v4.0", "dimensions": 1536}}),
        "spec.knowledge[0].embedder.id: 'cohere' is no provider of embedders here; there are fireworks, nebius, openai,"
        " together, and openai with a baseURL for every server that speaks its protocol",
        admitted=False,
    ),
    "an embedder of unknown dimensions": BadSpec(
        knowing(HANDBOOK | {"embedder": {"id": "openai:bge-m3"}}),
        "spec.knowledge[0].embedder: dimensions is missing; add how many numbers a vector of 'openai:bge-m3' has",
        admitted=False,
    ),
    "a source of two kinds": BadSpec(
        knowing(HANDBOOK | {"sources": [{"url": "https://example.com/a.md", "configMap": {"name": "texts"}}]}),
        "spec.knowledge[0].sources[0]: give exactly one of configMap and url",
        admitted=False,
    ),
    "a source that is named twice": BadSpec(
        knowing(HANDBOOK | {"sources": [{"configMap": {"name": "texts"}}, {"configMap": {"name": "texts"}}]}),
        "spec.knowledge[0].sources[1]: is named above already; leave one out",
    ),
    "a source over http from the internet": BadSpec(
        knowing(HANDBOOK | {"sources": [{"url": "http://example.com/a.md"}]}),
        NO_URL,
        admitted=False,
    ),
    "a source with a password": BadSpec(
        knowing(HANDBOOK | {"sources": [{"url": "https://user:secret@example.com/a.md"}]}),
        NO_URL,
        admitted=False,
    ),
    "a source with a query": BadSpec(
        knowing(HANDBOOK | {"sources": [{"url": "https://example.com/a.md?key=secret"}]}),
        NO_URL,
        admitted=False,
    ),
}


def document(spec: dict[str, Any]) -> dict[str, Any]:
    """An AgentDeployment of a spec."""
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "support", "namespace": "ws-acme"},
        "spec": spec,
    }

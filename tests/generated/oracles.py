"""What must hold of every generated resource, each as a function that says what does not."""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from agentos_operator.desired.config_map import build_config_map
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.settings import Settings
from agentos_spec import find_problems
from agentosctl.schema import schema_problems, schemas
from tests.generated.asking import Answer, Asking
from tests.generated.builders import DEFAULT_SPEC, PLAIN, deployment_objects, workspace_objects
from tests.generated.documents import resource, schema_of, spec_of
from tests.generated.faults import fault_of
from tests.generated.runtimes import refusal, refusal_to_start

Object = dict[str, Any]
RUNTIME_ALONE = (
    "needs the Python package",
    "needs a Python package",
    "is no CEL expression",
    "is no JSON Schema that can be followed",
    "refuses them: ",
    "refuses it: ",
    "cannot be read (FileNotFoundError)",
)
"""What only a runtime can tell, from constructors or from mounted ConfigMaps; it says so in its last words, and
the operator in a condition."""
TOO_LARGE = 413
"""What is more than the API server reads at once has no field in its answer."""
ENVIRONMENT_ALONE = ("The key of the issuer ", "AGENTOS_REDIS_")
"""What stands in keys and Secrets, which nothing before a runtime reads."""


@dataclass(frozen=True)
class Oracles:
    """All of them, on one API server."""

    asking: Asking
    settings: Settings
    count: Counter[str]
    """What came of what was tried."""

    def workspace(self, spec: Object) -> Iterator[str]:
        """Of a Workspace: everything from the API server to the pods' environment."""
        answer = self.asking.create(resource("Workspace", spec))
        yield from self._judged(answer, "Workspace", spec)
        if answer.accepted:
            yield from self._built(lambda: workspace_objects(answer.stored, self.settings))
            yield from self._started(PLAIN, answer.stored["spec"])

    def deployment(self, spec: Object) -> Iterator[str]:
        """Of an AgentDeployment: everything from the API server to the runtime."""
        answer = self.asking.create(resource("AgentDeployment", spec))
        yield from self._judged(answer, "AgentDeployment", spec)
        if answer.accepted:
            yield from self._built(lambda: deployment_objects(answer.stored, self.settings))
            if "agents" in answer.stored["spec"]:
                yield from self._started(answer.stored, DEFAULT_SPEC)
                yield from self._compiled(answer.stored)

    def fault(self, kind: str, seed: int) -> Iterator[str]:
        """Of a spec with one fault: it is refused with its path, by the API server and without one."""
        r = Random(seed)
        spec = spec_of(kind, r)
        fault = fault_of(spec, schema_of(kind), r)
        spoiled = resource(kind, fault.put_into(spec))
        answer = self.asking.create(spoiled)
        if fault.path not in answer.message and not self.asking.create(resource(kind, spec)).accepted:
            self.count["unclear, because the spec had another fault"] += 1
            return
        self.count[f"refused: {fault.kind}"] += not answer.accepted
        if answer.status == TOO_LARGE:
            self.count["too large for any answer"] += 1
        elif answer.accepted or not answer.orderly or fault.path not in answer.message:
            yield f"{fault.kind} at {fault.path}: the API server says {answer.status} {answer.message[:400]}"
        if not any(schema_problems(spoiled, schemas()[kind])):
            yield f"{fault.kind} at {fault.path}: agentosctl validate finds nothing"

    def _judged(self, answer: Answer, kind: str, spec: Object) -> Iterator[str]:
        self.count["accepted" if answer.accepted else "refused"] += 1
        if not answer.orderly:
            yield f"the API server says {answer.status} {answer.message[:400]}"
        if not answer.accepted and answer.status != TOO_LARGE and "spec" not in answer.message:
            yield f"a refusal names no field: {answer.message[:400]}"
        if answer.accepted:
            found = schema_problems(resource(kind, spec), schemas()[kind])
            yield from (f"agentosctl validate refuses what the API server takes: {each}" for each in found)

    def _built(self, build: Callable[[], Iterable[Object]]) -> Iterator[str]:
        try:
            built = list(build())
        except Exception:
            yield f"the operator's builders fail: {_last_words()}"
            return
        for body in built:
            answer = self.asking.apply(body)
            self.count["objects applied"] += 1
            if not answer.accepted:
                yield f"the API server refuses the {body['kind']}: {answer.status} {answer.message[:400]}"

    def _started(self, deployment: Object, workspace: Object) -> Iterator[str]:
        """What both specs say reaches the runtime in an environment that it understands."""
        try:
            built = deployment_objects(deployment, self.settings, workspace)
            said = next((refusal_to_start(each) for each in built if each["kind"] == "Deployment"), None)
        except Exception:
            yield f"a runtime fails at its environment: {_last_words()}"
            return
        if said is not None and not said.message.startswith(ENVIRONMENT_ALONE):
            yield f"a runtime refuses its environment: {said.message}"

    def _compiled(self, stored: Object) -> Iterator[str]:
        """The operator and the runtime say the same of a document, and neither anything but words."""
        problems = {(each.reason, each.message) for each in find_problems(stored)}
        try:
            said = refusal(build_config_map(parse_agent_deployment(stored), "generated"))
        except Exception:
            yield f"the runtime fails: {_last_words()}"
            return
        self.count["documents served" if said is None else "documents refused"] += 1
        alone = said is not None and any(each in said.message for each in RUNTIME_ALONE)
        self.count["documents refused by the runtime alone"] += alone and not problems
        if problems and said is None:
            yield f"the runtime serves what the operator refuses: {sorted(problems)[0]}"
        # An image of one's own may hold what the operator does not know.
        own = stored["spec"].get("image") is not None
        if said is not None and not alone and not own and (said.reason, said.message) not in problems:
            yield f"the runtime says {said.reason} {said.message}, the operator {sorted(problems)}"


def _last_words() -> str:
    return traceback.format_exc()[-600:]


def told(wrong: Iterable[str], spec: Object) -> list[str]:
    """Lines of a failure, with the spec that they speak of."""
    return [f"{each}\n  of {json.dumps(spec, ensure_ascii=True)[:1500]}" for each in wrong]

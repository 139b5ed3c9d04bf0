# The project's commands; README.md tells what each is for. Everything they install lies in .venv, in the user's
# cache folder, or comes from the system's package manager.

CLUSTER ?=
PORT ?= 8080
RUN = .venv/bin/python
# What mypy found out lies outside the checkout, so that a new clone does not type-check the world: a minute of work.
CACHE = $(or $(filter /%,$(XDG_CACHE_HOME)),$(HOME)/.cache)/agentos-local
# What is compiled once is kept beside its source: all workers, and many processes that tests start, import the same.
export PYTHONDONTWRITEBYTECODE =
TEST_IMAGES = agentos-operator agentos-runtime agentos-postgres agentos-fake-model contour

.DEFAULT_GOAL := help
.PHONY: help up down kubeconfig test faults generated lint format bench generate

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/ready: local/bootstrap.sh requirements/build.txt requirements/dev.txt pyproject.toml
	@sh local/bootstrap.sh

up: .venv/ready  ## Cluster, operator and an example that answers; CLUSTER=local|kind|existing, PORT=8080
	@$(RUN) -m local up --target "$(CLUSTER)" --port $(PORT)

down: .venv/ready  ## Stop what `make up` started
	@$(RUN) -m local down --target "$(CLUSTER)"

kubeconfig: .venv/ready  ## Print the path of the local cluster's kubeconfig, nothing else
	@$(RUN) -m local kubeconfig

# Three on two cores: one has the cluster, and waits more than it computes.
test: .venv/ready  ## All tests, on servers of their own; ARGS="tests/unit -n 0" for some, in one process
	@$(if $(ARGS),,$(RUN) -m local prepare $(TEST_IMAGES))
	@$(RUN) -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

faults: .venv/ready  ## Kill, refuse and mislead the operator at every call; ARGS="-k delete" for some, docs/faults.md
	@$(RUN) -m local prepare agentos-postgres
	@$(RUN) -m pytest tests/faults -n 0 -v --tb=short --faults=all $(ARGS); came=$$?; $(RUN) -m bench report; exit $$came

generated: .venv/ready  ## Specs made up from the schemas, and where they lead; ARGS="--generated=100", docs/generated.md
	@$(RUN) -m local prepare agentos-postgres
	@$(RUN) -m pytest tests/generated -n 0 -v --tb=short --generated=2000 $(ARGS)

lint: .venv/ready  ## Style, types, import rules, and that generated files are current
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	@mkdir -p "$(CACHE)"
	flock "$(CACHE)/mypy.lock" $(RUN) -m mypy --cache-dir "$(CACHE)/mypy" operator/agentos_operator operator/agentosctl runtime/agentos_runtime spec/agentos_spec local bench charts tests
	.venv/bin/lint-imports
	$(RUN) -m local.lock --check
	$(RUN) charts/generate.py --check

format: .venv/ready  ## Format and sort
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

generate: .venv/ready  ## Rewrite what is generated: the chart's CRDs and the reference pages
	$(RUN) charts/generate.py

bench: .venv/ready  ## Measure, and write bench/results/latest.json; ARGS="names" for a part
	@$(RUN) -m bench $(ARGS)

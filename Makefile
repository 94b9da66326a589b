# Start with `make run` or `make test`; both do all of the set-up. CONTRIBUTING.md has the daily loop.

VENV ?= .venv
export VENV
ARGS ?=
BIN := "$(VENV)/bin"
CODE := hive harness web

.NOTPARALLEL:
.PHONY: setup setup-tests setup-bench run test lint types format tests bench reference screenshot lock clean

setup: ## system packages, virtual environment, page bundle; quick when nothing changed
	@ops/setup.sh

setup-tests: ## the same with the browser that the tests drive
	@ops/setup.sh --tests

setup-bench: ## the same with the servers that the benchmarks compare with
	@ops/setup.sh --bench

run: setup ## the hive; without credentials a scripted model answers. ARGS="--web 127.0.0.1:9000 --root DIR"
	@exec $(BIN)/hive up --demo-if-no-credentials $(ARGS)

test: setup-tests lint types tests ## everything that must hold before a commit

lint: setup
	@ops/stage.sh "ruff check" $(BIN)/ruff check
	@ops/stage.sh "ruff format" $(BIN)/ruff format --check
	@ops/stage.sh "flake8-async" ops/flake8-async.sh $(CODE)

types: setup
	@ops/stage.sh "mypy --strict" $(BIN)/mypy

tests: setup-tests ## the tests alone. ARGS="tests/broker -k lease"
	@$(BIN)/python -m pytest $(ARGS)

format: setup ## lets ruff repair and format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: setup-bench ## the benchmarks, tests/bench/bench_*.py
	@$(BIN)/python -m pytest tests/bench -o python_files='bench_*.py' -s $(ARGS)

reference: setup ## renews docs/agent-toml.md from the class that it describes
	@$(BIN)/python -m hive.agent_config.reference > docs/agent-toml.md

screenshot: setup-tests ## renews docs/screenshot.png with the browser test
	@HIVE_SCREENSHOT=docs/screenshot.png $(BIN)/python -m pytest tests/e2e -k screenshot $(ARGS)

lock: setup ## resolves requirements/*.txt anew. ARGS=--upgrade takes newer releases
	@ops/lock.sh $(ARGS)

clean: ## what set-up and tools made; a hive's data stays
	rm -rf "$(VENV)" web/static web/page/node_modules *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(CODE) tests -name __pycache__ -prune -exec rm -rf {} +

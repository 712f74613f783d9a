# `make demo` and `make test` do all the set-up; they need Python >= 3.11 with venv, and make.
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE :=
SEEDS ?= 50000
FILES ?= 20000
# what opensearch-py needs for gRPC alone, 25 MB: never imported here, so not in the image
UNUSED := grpcio opensearch-protobufs protobuf

.DEFAULT_GOAL := help
.PHONY: help setup synth deploy demo demo-stop test soak lint types lock image-tools bench-setup bench clean

help:   ## say what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

setup: .venv/.complete   ## make .venv from the lock file

.venv/.complete: requirements.lock pyproject.toml local/set_up.sh
	@sh local/set_up.sh

# npm is the one in .venv, and its programs want to find node beside it
node_modules/.complete: .venv/.complete package-lock.json
	@echo "setting up the CDK's command line"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

demo: setup node_modules/.complete   ## the whole way on this machine: servers, scenes, run, searches, pictures (KEEP=1, SHORT=1, QUIET=1)
	@$(BIN)/python -m local.demo $(if $(KEEP),--keep) $(if $(SHORT),--short) $(if $(QUIET),--quiet)

synth: setup node_modules/.complete   ## write the template to cdk.out/; no docker, no credentials (BUCKET=my-imagery, SETTINGS="-c name=value")
	@PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk synth -q -o cdk.out -c bucket=$(or $(BUCKET),my-imagery) $(SETTINGS)

deploy: setup node_modules/.complete   ## deploy next to a bucket: BUCKET=my-imagery (SETTINGS="-c name=value")
	@test -n "$(BUCKET)" || { echo 'which bucket? make deploy BUCKET=my-imagery' >&2; exit 2; }
	@$(BIN)/imagery-backfill deploy --bucket $(BUCKET) $(SETTINGS)

demo-stop: setup   ## stop what `make demo KEEP=1` left up
	@$(BIN)/python -m local.demo --stop

test: setup lint types   ## everything that must pass, pytest last
	@$(BIN)/python -m pytest -q -n 2 tests/unit tests/schedule
	@$(BIN)/python -m pytest -q --ignore tests/unit --ignore tests/schedule

lint: setup   ## ruff, the import contracts, hadolint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint Dockerfile

types: setup   ## mypy, strict
	$(BIN)/mypy

soak: setup   ## what takes too long for every run: many schedules of the ledger, rule variants, damaged images
	$(BIN)/python -m tests.schedule.soak --seeds $(SEEDS)
	$(BIN)/python -m tests.schedule.soak --variants
	$(BIN)/python -m tests.fuzz.images --files $(FILES)

lock: setup   ## resolve the dependencies anew; names no registry
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	    --extra cli --extra local --extra dev --extra infra pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --upgrade --python-version 3.12 --python-platform x86_64-manylinux_2_28 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url --constraints requirements.lock --extra lambda \
	    $(UNUSED:%=--no-emit-package %) pyproject.toml -o requirements-image.lock

image-tools:   ## what tests of the image need where there is no docker: buildah, podman, a base image (Debian, root)
	sh tests/end_to_end/image/set_up.sh

bench-setup: setup   ## environments of their own for the peers that benchmarks compare with
	@$(BIN)/python -m benchmarks.set_up

bench: setup node_modules/.complete   ## run all benchmarks
	@$(BIN)/python -m benchmarks.pipeline
	@$(BIN)/python -m benchmarks.chips
	@$(BIN)/python -m benchmarks.chips --wide
	@$(BIN)/python -m benchmarks.codecs
	@$(BIN)/python -m benchmarks.imports
	@$(BIN)/python -m benchmarks.border_quality
	@$(BIN)/python -m benchmarks.merge
	@$(BIN)/python -m benchmarks.georeference
	@$(BIN)/python -m benchmarks.backfill

clean:   ## remove what the other targets made, .venv included
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m local.demo --stop
	rm -rf .venv .bench .local cdk.out node_modules demo-output build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

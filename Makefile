# The front door: `make` alone says what there is. Each target does its own set-up, also on a fresh
# machine.
#
#   CARGO_TARGET_DIR   where builds go (default: target in this folder)
#   FLOTTA_CACHE       where programs of others are built, outside the clone (default: ~/.cache/flotta-companion)

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run demo demo-down test differential e2e images lint bench fuzz fmt clean

export FLOTTA_CACHE ?= $(HOME)/.cache/flotta-companion
BUILT := $(or $(CARGO_TARGET_DIR),target)/release
DATA ?= data
ARGS ?=
CLUSTER_ARGS ?=
ALSO ?=
DEMO ?= /tmp/flotta-demo

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start a server with an example fleet in ./data; DATA=folder ARGS='--for 30s' (ARGS=--help says more)
	@scripts/setup.sh cc
	cargo build --locked -p edge-config-server -p example-fleet
	@$(BUILT:release=debug)/example-fleet --data '$(DATA)' $(ARGS)

# Programs in the images of clusters are those of the tests; those that ship and are measured are
# optimised.
demo e2e: export IMAGE_PROFILE ?= dev
demo: ## Show what the chart does, on a throwaway Kubernetes that stays for a look around; needs root
	@scripts/setup.sh cc go cluster
	cargo build --locked -p flotta-cluster
	@$(BUILT:release=debug)/cluster-demo $(DEMO)

demo-down: ## Take the demo's Kubernetes away
	@tests/cluster/down.sh $(DEMO)

# ALSO=ci is for .ci/run: a whole cluster too, which needs root, and what is about the clone.
test: ## Check everything: lints, unit, contract and end-to-end tests, fuzzing; several checks at a time (JOBS=n)
	@scripts/setup.sh cc rust go postgres shell python $(if $(ALSO),cluster)
	@scripts/test.sh $(or $(ALSO),test)

differential: ## Play generated fleets on Flotta's own backend and on ours, and compare; ARGS='SEED COUNT FIRST' makes a case again
	@scripts/setup.sh cc go
	cargo build --locked --release -p edge-config-server -p flotta-differential
	@$(BUILT)/flotta-differential $(ARGS)

e2e: ## Test on a whole cluster that is brought up for it (as root), or on yours (KUBECONFIG=...); ARGS='--list' shows what, PARTS=3 plays on three clusters side by side
	@scripts/setup.sh cc go cluster
	cargo build --locked -p flotta-cluster
	@$(if $(PARTS),tests/cluster/parts.sh $(PARTS)) $(BUILT:release=debug)/cluster-e2e $(ARGS)

images: ## Build the container images, FROM scratch and without a container engine; prints where they are
	@scripts/setup.sh cc go
	@tests/cluster/images/build.sh

lint: ## Check without running anything: formatting, clippy, dependencies, shell scripts
	@scripts/setup.sh cc rust go shell
	@scripts/test.sh lint

# What is named in ARGS is measured alone.
ALONE := $(filter crowds chains,$(ARGS))
bench: ## Measure requests per second, then an installation on a throwaway Kubernetes (as root; ten minutes, more at first)
	@scripts/setup.sh cc $(if $(ALONE),,go cluster postgres)
	cargo build --locked --release -p edge-config-server -p flotta-bench
	@$(BUILT)/flotta-bench $(ARGS)
	$(if $(ALONE),,cargo build --locked --release -p flotta-cluster --bin cluster-bench)
	$(if $(ALONE),,@$(BUILT)/cluster-bench $(CLUSTER_ARGS))

fuzz: ## Fuzz what reads requests; FUZZ_RUNS=n inputs for each target
	@scripts/setup.sh cc
	@tests/fuzz/run.sh

fmt: ## Format the sources
	@scripts/setup.sh rust
	cargo fmt --all
	cargo fmt --manifest-path tests/fuzz/Cargo.toml

clean: ## Remove the builds of this folder; the example fleet and $FLOTTA_CACHE stay
	cargo clean --target-dir target
	@echo "left alone: $(DATA) (the example fleet), $(FLOTTA_CACHE) (programs of others)"

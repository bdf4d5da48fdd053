# The checks, what each needs, and in which order they are begun where there is a choice: what
# others wait for first, then what takes long. scripts/test.sh runs this with several jobs, so that
# what waits runs beside what computes; that make knows how to do it is why this is no script.
#
# What compiles or only computes has a NICENESS, so that tests beside it meet their deadlines. Most
# of it runs in two lines, one check after the other: cargo's (cargo lets one build at a time into a
# folder) and the fuzzing. Were all of it begun at once, make would have no job left for what
# becomes ready later and takes longest.

CHECKS ?= $(error scripts/test.sh says where results go)
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
PARTS ?= 4
run = @scripts/checks/run.sh $@
SERVER := $(TARGET)/under-test/plain/debug/edge-config-server
COMPANION := $(TARGET)/debug/flotta-companion
cargo = cargo --verbose

FUZZING := $(patsubst tests/fuzz/targets/%.rs,fuzzing/%,$(wildcard tests/fuzz/targets/*.rs))
LINT := formatting shell-scripts cargo-deny dependencies vulnerabilities clippy
TEST := go-programs programs server-under-test rust-tests go-programs-of-the-chart chart fuzz-programs $(FUZZING) documentation doctests $(LINT)
# Only for .ci/run: needs root, or is about the clone.
CLUSTER := images go-programs-of-clusters cluster
AROUND := smoke help documents

.PHONY: lint test ci tests-ended list-lint list-test list-ci $(sort $(LINT) $(TEST) $(FUZZING) $(CLUSTER) $(AROUND))
CI := $(CLUSTER) $(TEST) $(AROUND)
lint: $(LINT)
test: $(TEST)
ci: $(CI)

# What the report has to find a result of, one a line; tests are listed when they have been built.
list = $(foreach check,$(filter-out rust-tests,$(1)),$(info $(check)))
list-lint: ; $(call list,$(LINT))@:
list-test: ; $(call list,$(TEST))@:
list-ci: ; $(call list,$(CI))@:

cargo-deny go-programs go-programs-of-clusters go-programs-of-the-chart programs server-under-test clippy documentation doctests: export NICENESS := 10

formatting:
	$(run) scripts/checks/formatting.sh
shell-scripts:
	$(run) scripts/checks/shell-scripts.sh

cargo-deny:
	$(run) scripts/setup.sh deny
dependencies: cargo-deny
	$(run) scripts/checks/dependencies.sh
vulnerabilities: dependencies
	$(run) scripts/checks/vulnerabilities.sh

# Programs of others, compiled from Go modules: what tests start first, one after the other, since
# each takes all processors.
go-programs:
	$(run) tests/build-peers.sh kubernetes edge-api operator helm helm3
go-programs-of-clusters: | go-programs
	$(run) tests/build-peers.sh cluster
go-programs-of-the-chart: | go-programs $(if $(filter ci,$(MAKECMDGOALS)),go-programs-of-clusters)
	$(run) tests/build-peers.sh chart

# Everything of ours once, with the features that tests want: programs and tests.
programs:
	$(run) bash -c '$(cargo) build --locked --workspace --all-targets --message-format json >"$$CHECKS/targets.json"'
# The server as it ships, without what other crates ask of its dependencies; see
# tests/testkit/src/binary.rs.
server-under-test: programs
	$(run) scripts/checks/server-under-test.sh
# Who waits for the images is what takes longest.
clippy: | server-under-test $(if $(filter ci,$(MAKECMDGOALS)),images)
	$(run) $(cargo) clippy --locked --workspace --all-targets -- -D warnings
# With private items: who reads it works on the code.
documentation: export RUSTDOCFLAGS := -D warnings
documentation: | clippy
	$(run) $(cargo) doc --locked --workspace --no-deps --document-private-items

# Ends well whatever the tests say, so that what merely comes after them is run all the same.
tests-ended: export SERVERS_UNDER_TEST_ARE_BUILT := 1
tests-ended: go-programs programs server-under-test
	@scripts/checks/list-tests.sh $(CHECKS) <$(CHECKS)/targets.json
	+@$(MAKE) --no-print-directory --keep-going --file $(CHECKS)/tests.mk all; echo $$? >$(CHECKS)/tests-ended
rust-tests: tests-ended
	@[ "$$(cat $(CHECKS)/tests-ended)" = 0 ]
doctests: | documentation
	$(run) $(cargo) test --locked --workspace --doc

chart help documents: export EDGE_CONFIG_SERVER := $(SERVER)
chart help: export FLOTTA_COMPANION := $(COMPANION)
chart: programs server-under-test go-programs-of-the-chart
	$(run) tests/chart/run.sh

fuzz-programs: | server-under-test $(if $(filter ci,$(MAKECMDGOALS)),images)
	$(run) tests/fuzz/run.sh --build
# Each after the one before it; the longest beside them.
define fuzz
$(1): export NICENESS := 10
$(1): fuzz-programs | $(2)
	$$(run) tests/fuzz/run.sh $$(@F)
endef
LONGEST := fuzzing/manifests
IN_LINE := $(filter-out $(LONGEST),$(FUZZING))
$(eval $(call fuzz,$(LONGEST),))
$(foreach n,$(shell seq $(words $(IN_LINE))),$(eval $(call fuzz,$(word $(n),$(IN_LINE)),$(filter-out -,$(word $(n),- $(IN_LINE))))))

images: export IMAGE_PROFILE := dev
images: | server-under-test
	$(run) bash -c 'tests/cluster/images/build.sh >"$$CHECKS/images"'
cluster: export IMAGE_ARCHIVES = $(CHECKS)/images
# After the tests: both at once are more than two processors do in time, and what compiles goes on
# beside either.
cluster: images programs go-programs-of-clusters | tests-ended
	$(run) tests/cluster/parts.sh $(PARTS) $(TARGET)/debug/cluster-e2e

smoke: | documentation
	$(run) scripts/checks/smoke.sh
help: server-under-test
	$(run) scripts/checks/help.sh
documents: server-under-test
	$(run) scripts/checks/documents.sh

# `make` lists the targets. Each one prepares what it needs first (.ci/setup), which takes no time
# when that is done already.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench maniskill

# Simulators render without a display; MUJOCO_GL=osmesa is the other way.
MUJOCO_GL ?= egl
export MUJOCO_GL

# Compiled files are kept: else every process that the tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## list these targets
	@awk -F ': ## ' '/^[a-z]+: ## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

setup: ## install everything the other targets need, into .venv
	@.ci/setup full

demo: ## run the demonstration; its pictures and tables land in demo/
	@.ci/setup demo
	.venv/bin/python examples/01_demo.py

test: ## run the tests; ARGS="..." goes to pytest
	@.ci/setup full
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

check: ## format, lint, types, layers, spelling: run it before a commit
	@.ci/setup full
	PATH="$(CURDIR)/.venv/bin:$$PATH" .ci/check

bench: ## run every benchmark in benchmarks/
	@.ci/setup full
	.venv/bin/python benchmarks

maniskill: ## install ManiSkill, and on Debian 12 without a GPU the driver that renders it
	@.ci/setup full
	@.ci/maniskill

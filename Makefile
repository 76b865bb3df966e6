# Each target provides libtorch first; `make` alone lists them.
.PHONY: help libtorch build quickstart test lint bench

help:
	@echo 'make quickstart  build, then run the main job on the embedded digits'
	@echo 'make test        build, then run all tests'
	@echo 'make build       both programs, release mode'
	@echo 'make lint        rustfmt and clippy'
	@echo 'make bench       overhead beside DVC and Snakemake, which it installs (minutes)'

libtorch:
	@scripts/libtorch >/dev/null

build: libtorch
	cargo build --release --workspace

quickstart: build
	cargo run --release -q -- run quickstart

# nextest where it is installed (it runs each test in a process of its own), else cargo's own runner.
test: build
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --release --workspace; \
	else cargo test --release --workspace; fi

lint: libtorch
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

bench: build
	python3 bench/overhead.py

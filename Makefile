# Each target provides libtorch first; `make` alone lists them.
.PHONY: help libtorch build quickstart test browser lint fuzz torture bench

help:
	@echo 'make quickstart  build, then run the main job on the embedded digits'
	@echo 'make test        build, then run all tests'
	@echo 'make browser     the report in Chromium, which must be installed'
	@echo 'make build       both programs, release mode'
	@echo 'make lint        rustfmt and clippy'
	@echo 'make torture     kills, full disks, damage, in the long form (an hour)'
	@echo 'make fuzz        every reader of foreign bytes for FUZZ_SECONDS (600) each'
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
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; \
	then $(MAKE) --no-print-directory browser; \
	else echo 'left out: the report in a browser (there is no Chromium on the PATH)'; fi

# Sorts, hovers and zooms in a headless Chromium.
browser: libtorch
	cargo test --release --workspace --test moelab -- --ignored in_a_browser

lint: libtorch
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

# The long form of what `make test` runs in short; the numbers are in docs/store.md.
torture: build
	MOELAB_TORTURE=long cargo test --release --workspace --test torture -- --nocapture --test-threads 1

# Needs no libtorch; the fuzz crate is a workspace of its own.
fuzz:
	@scripts/fuzz

bench: build
	python3 bench/overhead.py

# The front doors. Each installs what it needs first (Debian packages by apt-get, Python tools in build/venv) and may
# be run twice in a row; DEPS=check installs no Debian package and says what is missing.

PREFIX ?= /usr/local
SOAK ?= 200
export DEPS DESTDIR
VENV := build/venv/bin

.PHONY: help demo test soak interop bench fuzz sanitize conformance lint format docs wheel install clean

help:
	@echo 'make demo      fetch mail over TLS from a scripted server, in Python and in Lua'
	@echo 'make test      all tests that need no foreign server or client: C, Python, Lua'
	@echo 'make soak      fetches are killed in SOAK (200) rounds of each kind; a quarter of an hour'
	@echo 'make interop   against six foreign servers, and fourteen foreign clients against poplin (docs/interop.md)'
	@echo 'make bench     how fast, beside others'
	@echo 'make fuzz      the fuzz drivers, FUZZ_SECONDS (60) each'
	@echo 'make sanitize  the tests under AddressSanitizer and UndefinedBehaviorSanitizer; the C tests under valgrind, those'
	@echo '               with threads under ThreadSanitizer'
	@echo 'make conformance  docs/conformance.md, from the last make test and make interop'
	@echo 'make lint      two compilers with warnings as errors, clang-tidy, ruff, mypy, pyright, luacheck, layers, formatting'
	@echo 'make format    format the C and Python sources'
	@echo 'make docs      the reference of the C library and the Python package, in build/docs'
	@echo 'make wheel     a wheel in build/dist'
	@echo 'make install   C library, headers and Lua module (PREFIX=$(PREFIX), DESTDIR=$(DESTDIR))'
	@echo 'make clean     remove build/'
	@echo 'Each installs what is missing first; DEPS=check only says what that is.'

demo:
	@tools/setup demo
	@tools/build cmake python
	@tools/demo

test:
	@tools/setup test
	@tools/build cmake python
	@$(VENV)/python tools/run_tests.py test c python lua

soak:
	@tools/setup soak
	@tools/build cmake python
	@SOAK='$(SOAK)' $(VENV)/python tools/run_tests.py soak soak

interop:
	@tools/setup interop
	@tools/build cmake python
	@$(VENV)/python tools/run_tests.py interop interop
	@tools/interop.py

bench:
	@tools/setup bench
	@tools/build cmake python
	@bench/run

fuzz:
	@tools/setup fuzz
	@tools/build fuzz
	@tools/fuzz

sanitize:
	@tools/setup sanitize
	@tools/build cmake asan tsan python asan-python
	@$(VENV)/python tools/run_tests.py sanitize asan-c tsan-c asan-python asan-lua valgrind

conformance:
	@tools/conformance.py

lint:
	@tools/setup lint
	@tools/build cmake clang python
	@tools/lint

format:
	@tools/setup lint
	@tools/lint --format

docs:
	@tools/setup docs
	@tools/build python
	@tools/docs

wheel:
	@tools/setup wheel
	@tools/build wheel

install:
	@tools/setup install
	@PREFIX='$(PREFIX)' tools/build install

clean:
	rm -rf build

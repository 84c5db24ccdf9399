# Two commands set everything up: `make demo` runs the whole pipeline on bundled photographs,
# `make test` runs the tests. Both first make .venv with the pinned versions of requirements.lock.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
RUN := . $(VENV)/bin/activate &&
# Not in the lock: which further packages it needs depends on the platform, and pip wants every hash or none.
TORCH := torch==2.13.0

MINDSPORE := .venv-mindspore

.PHONY: install demo test coverage compare lint lock audit reference mindspore lock-mindspore speedrun throughput gpu-report

install: $(INSTALLED)

# The editable installation compiles the engine's libraries into src/ where there is a compiler.
$(INSTALLED): requirements.lock pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.lock
	$(VENV)/bin/pip install --quiet $(TORCH)
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

# In a temporary folder, so that a clone's params.yaml, dvc.lock and metrics stay as they are. Compiling would take
# longer than these few steps do without it, and so would a second network to transfer from.
demo: $(INSTALLED)
	$(RUN) dvc exp run --temp --force --name demo \
		--set-param data.source=sample --set-param finetune.source_scale=4 --set-param train.compile=false \
		--set-param train.epochs=3 --set-param train.steps_per_epoch=75 --set-param train.warmup_steps=20 \
		--set-param train.ema_decay=0.98 --set-param finetune.epochs=3 --set-param finetune.ema_decay=0.98 \
		--set-param benchmark.iterations=10 --set-param benchmark.warmup=2 --set-param benchmark.frames=2
	$(RUN) dvc get --quiet --force . plots/comparison.png --rev demo --out demo.png
	@echo
	@echo "The table above: bicubic, a network trained for 225 steps on eight photographs, and its last layer trained anew."
	@echo "The picture:         $(CURDIR)/demo.png"
	@echo "The runs:            . $(VENV)/bin/activate && mlflow ui --backend-store-uri sqlite:///mlflow.db"
	@echo "Your own picture:    $(VENV)/bin/fsrcnn upscale photo.jpg"
	@echo "The real training:   export FSRCNN_MIRROR=~/images; . $(VENV)/bin/activate && dvc repro   (README, The real run)"

# Two workers of one thread each, since torch's threads wait for each other beside other processes. A test that hangs
# ends its worker with a traceback, once; that worker's tests go to the other one.
test: $(INSTALLED)
	$(RUN) OMP_NUM_THREADS=1 python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder \
		--max-worker-restart 0 -o faulthandler_timeout=420 -o faulthandler_exit_on_timeout=true --durations=15 $(PYTEST)

coverage: $(INSTALLED)
	$(RUN) python -m pytest --cov=fsrcnn --cov-report=term:skip-covered --cov-report=html

# Experiments side by side, only with what differs and can be read: no hashes of code and data.
compare: $(INSTALLED)
	$(RUN) dvc exp show --only-changed --drop '^(src|pipeline|data|models|metrics/(evaluate|benchmark|frameworks|record|train))'

lint: $(INSTALLED)
	$(RUN) ruff check . && ruff format --check . && mypy && lint-imports

# Pin what pyproject.toml asks for, with the hashes of all files of each release; TORCH is held.
lock: $(INSTALLED)
	echo $(TORCH) > $(VENV)/torch.txt
	$(RUN) pip-compile --quiet --generate-hashes --unsafe-package torch --unsafe-package fsrcnn \
		--extra pipeline --extra dev --extra video --extra serve --extra onnx --extra openvino --extra ray --extra remote \
		--no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-options \
		--constraint $(VENV)/torch.txt --output-file requirements.lock pyproject.toml

# Known vulnerabilities of the pinned versions; needs PyPI's advisories.
audit: $(INSTALLED)
	$(VENV)/bin/pip install --quiet pip-audit
	$(RUN) pip-audit --strict --disable-pip --requirement requirements.lock

# The recipe of the published ports, as an experiment to compare with.
reference: $(INSTALLED)
	$(RUN) dvc exp run --name reference --force --set-param recipe=reference

# An environment with both frameworks, for `dvc exp run --set-param framework=mindspore --set-param recipe=reference` (docs/mindspore.md).
mindspore: $(MINDSPORE)/.installed

$(MINDSPORE)/.installed: requirements-mindspore.lock pyproject.toml setup.py
	$(PYTHON) -m venv $(MINDSPORE)
	$(MINDSPORE)/bin/pip install --quiet --requirement requirements-mindspore.lock
	$(MINDSPORE)/bin/pip install --quiet $(TORCH)
	$(MINDSPORE)/bin/pip install --quiet --no-deps --editable .
	touch $@

lock-mindspore: mindspore
	echo $(TORCH) > $(MINDSPORE)/torch.txt
	. $(MINDSPORE)/bin/activate && pip-compile --quiet --generate-hashes --unsafe-package torch --unsafe-package fsrcnn \
		--extra pipeline --extra dev --extra video --extra serve --extra mindspore \
		--no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-options \
		--constraint $(MINDSPORE)/torch.txt --output-file requirements-mindspore.lock pyproject.toml setup.py

# Time to the published PSNR, and time of an epoch, beside the usual training loop.
speedrun throughput: $(INSTALLED)
	$(RUN) dvc repro download@4 && python benchmarks/$@.py

# On a graphics processor, in the environment that is active (benchmarks/gpu.py), to metrics/gpu.json.
gpu-report:
	dvc repro download@4 && python benchmarks/gpu.py

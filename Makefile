# Everything happens in .venv inside the project. Targets: install, repro, thesis, thesis-seeds, baseline, table, report, estimate, dag, real, real-gpu,
# real-thesis, thesis-scale, thesis-scale-dry, test, test-all, check, bench-all, bench-data, bench-model, bench-faces, bench-masks,
# bench-mobile, bench-browser, bench-occlusion, bench-pose, bench-photos, bench-rehearsal, bench-shading, bench-start, bench-video, site, requirements, clean, clean-all.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
# Relative, and FACE_DATA by the shell: make splits names at their spaces.
VENV := .venv
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_REMOTES := $(VENV)/.ready-remotes
FACE_DATA ?= ../shared/data
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export NO_ALBUMENTATIONS_UPDATE := 1
export ORT_DISABLE_TELEMETRY := 1
export FACE_DATA

.PHONY: .faces-there install repro thesis thesis-seeds baseline table report estimate dag test test-all real real-gpu real-thesis thesis-scale thesis-scale-dry bench-data bench-model bench-faces bench-masks bench-mobile bench-browser bench-occlusion bench-pose bench-photos bench-start \
  bench-shading bench-rehearsal bench-video bench-all check site requirements clean clean-all

# DVC, which says what to do where it fails. What it says of the stages that had nothing to do is left out, and what is left
# goes on to its end when Ctrl-C is pressed.
RUN_DVC := python -m stages.run_dvc
BRIEFLY := | { trap '' INT; grep --line-buffered -v -e "didn't change, skipping" -e '^Updating lock file' -e '^To track the changes' \
  -e '^To enable auto staging' -e '^Use `dvc push`' -e '^	git add' -e '^	dvc config core.autostage' -e '^$$' || true; }
# What a first run made is new to git.
NEW := git status --porcelain -- dvc.lock ablation metrics
# A kill while DVC writes its lock file leaves half of it, which stops DVC: the last whole one takes its place.
MEND := python -m stages.mend_locks
install: $(READY)

repro: $(READY)
	@$(MEND)
	@$(RUN_DVC) repro $(BRIEFLY)
	@python -m stages.print_metrics
	@$(SAY_NEW)

# What DVC has never run it misses in every checkout and experiment: so it sees the other variants once they are asked for.
ABLATION := cp ablation/stages.yaml ablation/dvc.yaml
thesis: $(READY)
	@python -m stages.print_trainings
	@$(ABLATION)
	@$(MEND)
	@$(RUN_DVC) repro -P $(BRIEFLY)
	@python -m stages.print_metrics --all
	@$(SAY_NEW)

# Three seeds of every run, so that every conclusion has its verdict: an experiment, which leaves params.yaml with these seeds.
thesis-seeds: $(READY)
	@python -m stages.print_trainings
	@$(ABLATION)
	@$(MEND)
	@$(RUN_DVC) exp run --all-pipelines -S 'train.seeds=[1,2,3]' $(BRIEFLY)
	@python -m stages.print_metrics --all

SAY_NEW = test -z "$$($(NEW))" || echo "git sees new results in dvc.lock and metrics/: training differs by processor, so \
	none are published. 'make baseline' commits these, and 'dvc metrics diff' then compares with them."
baseline:
	@test -n "$$($(NEW))" || { echo "The results here are committed already, or none were made: make repro."; exit 1; }
	@dvc status --quiet || { echo "Some results are not up to date: make repro, or make thesis, first; or another DVC is at work here. dvc status says which."; exit 1; }
	git add dvc.lock ablation metrics
	git commit --quiet -m "Results of this machine, the baseline of its experiments" -- dvc.lock ablation metrics

table: $(READY)
	@dvc exp show --md --only-changed --drop '^(ablation|data|model|pipeline|stages|params.yaml|runs|reports|metrics/(data|export|foreign|thesis)).*|^(train|validation|images|failed|(map|table)_.*)$$|^(predicted|fitted|facemesh|network|asm|dlib|onnx|litert)[._].*'

# The page on the main run, and beside it those of the cards. Where it lacks something that git knows the results of, that comes from the remote: the page, or all
# that a new one needs.
report: $(READY)
	@$(MEND)
	@if dvc remote list | grep -q . && ! dvc repro --dry --allow-missing report 2>/dev/null | grep -q 'are up to date'; then dvc pull; fi
	@$(RUN_DVC) repro --allow-missing report $(BRIEFLY)
	@test -f reports/main.html || dvc pull report data_card model_card

dag: $(READY)
	@python -m stages.dag

# Fast tests are of one core each, a file's on the same one; the slow ones use all cores themselves, so they run one by one.
test: $(READY_DEV)
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-all: test $(READY_REMOTES)
	pytest -m slow

bench-data: $(READY_DEV)
	python -m benchmarks.data
	python -m benchmarks.feed

bench-model: $(READY_DEV)
	python -m benchmarks.model

bench-mobile: $(READY_DEV)
	python -m benchmarks.small_devices

bench-faces: $(READY_DEV)
	python -m benchmarks.free_faces

bench-masks: $(READY_DEV)
	python -m benchmarks.masks

bench-occlusion: $(READY_DEV)
	python -m benchmarks.occlusion

bench-pose: $(READY_DEV)
	python -m benchmarks.head_pose

bench-photos: $(READY_DEV)
	python -m benchmarks.photo_time

bench-start: $(READY_DEV)
	python -m benchmarks.photo_start

bench-video: $(READY_DEV)
	python -m benchmarks.video

bench-browser: $(READY_DEV)
	python -m benchmarks.browser

bench-shading: $(READY_DEV)
	python -m benchmarks.shading

bench-rehearsal: $(READY_DEV)
	python -m benchmarks.rehearsal

# What the data stages will take, by a few of the pairs.
estimate: $(READY_DEV)
	python -m benchmarks.estimate

bench-all: $(READY_DEV)
	python -m benchmarks.all

check: $(READY_DEV)
	ruff check .
	ruff format --check .
	mypy

$(READY): requirements.txt requirements-networks.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13; say which one to use: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Installing the libraries into $(VENV), some 3 GB: minutes, without a word of pip's."
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python could not make a virtual environment; on Debian, install the package python3-venv."; exit 1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps -r requirements-networks.txt
	@echo "Compiling them, once: up to a minute more ..."
	@$(VENV)/bin/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || true # on all cores, where pip takes one
	@test ! -d stages || $(VENV)/bin/python -m stages.offline_plots # not yet there where a container is made
	@touch $@

$(READY_DEV): requirements-dev.txt $(READY)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(READY_REMOTES): requirements-remotes.txt $(READY)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-remotes.txt
	@touch $@

requirements:
	requirements/compile.sh

# docs/ as pages below work/site, in an environment of its own: it reads the code's docstrings and imports nothing.
SITE := work/mkdocs
site: $(SITE)/.ready
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --quiet --strict
	@echo "work/site/index.html; its search needs a server: python3 -m http.server --directory work/site"

$(SITE)/.ready: requirements-docs.txt
	@test -x $(SITE)/bin/pip || $(PYTHON) -m venv $(SITE)
	$(SITE)/bin/pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

# The same pipeline on real faces, in a clone of HEAD that shares the cache and leaves the demo's results alone: `real` is our
# own network, in an hour on two cores; `real-gpu` at 128 px, in about five minutes on a large GPU; `real-thesis`
# every variant at 64 px, as ablation/real_thesis.txt has it.
REAL := work/real
REAL_DATA := data.root=data/raw '~data.subsets.IBUG_Flip' '~data.subsets.LFPW' '~data.subsets.LFPW_Flip' \
  data.subsets.AFLW2000.use=learn split.tested=[AFLW2000]
# Every fifth face of AFLW2000-3D is tested, 24 are to validate on, and the other 1,175 of 1,499 are to learn from.
REAL_FIFTHS := $(foreach name,AFW AFW_Flip HELEN HELEN_Flip IBUG,'~data.subsets.$(name)') \
  split.test_every=5 split.validation_fraction=0.02
BEST := train.variant=best train.policy=online train.level=off
# Few faces lie on their side, and in an hour there is little time for them. BUDGET=5000 is a trial.
real: BUDGET := 250000
real-gpu: BUDGET := 1500000
real: REAL_PARAMS := $(REAL_FIFTHS) $(BEST) augmented.policies.online.far_share=0.1 network.width=16 network.levels=4 \
  network.batch_norm_momentum=0.99 train.batch_size=16 train.lr=0.002 train.budget=$(BUDGET)
real-gpu: REAL_PARAMS := $(REAL_FIFTHS) $(BEST) data.size=128 network.width=32 network.levels=4 network.batch_norm_momentum=0.99 \
  train.batch_size=64 train.lr=0.002 train.precision=mixed_bfloat16 train.budget=$(BUDGET)
# JAX, which trains faster on a GPU, where it is installed.
FASTEST := -S train.backend=$$(python -c 'import jax; print("jax")' 2>/dev/null || echo tensorflow)
real-gpu: REAL_FLAGS := $(FASTEST)
# With three seeds of what carries claims: 63 trainings of 100,000 passes each, hours on a GPU and days on two cores.
real-thesis: REAL_PARAMS := $(REAL_FIFTHS)
real-thesis: FASTER := $(FASTEST)
real-thesis: OVERRIDES := ablation/real_thesis.txt
# Every variant on 300W-LP at the thesis's scale, as ablation/thesis_scale.txt has it; `thesis-scale-dry` says what that takes.
thesis-scale: REAL_DATA := data.root=data/raw
thesis-scale: OVERRIDES := ablation/thesis_scale.txt
real-thesis thesis-scale: PRINTED := --all
real-thesis thesis-scale: REAL_FLAGS = --all-pipelines $(FASTER) $$overrides
real-thesis thesis-scale: REAL_FIRST = $(ABLATION) && overrides=$$(python -m stages.print_overrides $(OVERRIDES)) &&
# Looked at before anything is installed.
.faces-there:
	@missing=$$(for part in bfm AFLW2000; do test -d "$$FACE_DATA/$$part" || printf ' %s/' $$part; done); test -z "$$missing" || \
	  { echo "FACE_DATA=$$FACE_DATA lacks$$missing; see docs/data.md."; exit 1; }
real real-gpu real-thesis thesis-scale: .faces-there $(READY)
	@echo "Real faces: $$(cd "$$FACE_DATA" && pwd), results in $(REAL); FACE_DATA=FOLDER names others."
	@test -d $(REAL)/.git || git clone --quiet . $(REAL)
	git -C $(REAL) fetch --quiet ../.. HEAD
	git -C $(REAL) reset --quiet --hard FETCH_HEAD
	faces=$$(cd "$$FACE_DATA" && pwd) && cd $(REAL) && dvc config --local cache.dir ../../.dvc/cache && python -m stages.offline_plots && mkdir -p data && \
	  ln -sfn "$$faces" data/raw && $(MEND) && \
	  $(REAL_FIRST) $(RUN_DVC) exp run $(REAL_FLAGS) $(foreach param,$(REAL_DATA) $(REAL_PARAMS),-S $(param)) \
	  $$(test ! -d data/raw/benchmark || echo -S evaluate.benchmark=data/raw/benchmark) && python -m stages.print_metrics $(PRINTED)

thesis-scale-dry: $(READY_DEV)
	python -m benchmarks.thesis_scale

# Made things only: ignored files in the places that the pipeline writes to. Raw data a user brought (data/raw, or a folder
# outside) is in none of them, and tracked files stay. What took long to get (environment, DVC's cache) goes by clean-all alone,
# and .dvc/config.local, which a user wrote, by neither.
MADE := build uvface.egg-info dvc_plots runs reports metrics work .pytest_cache .ruff_cache .mypy_cache .hypothesis \
  data/demo data/face_model data/uv_embedding data/code data/settings data/validation data/index data/split \
  data/detected data/meshes data/aligned data/position_maps data/augmented data/asm \
  data/landmark_map data/coefficient_prior data/found data/profiled data/multilinear_model \
  data/data_card.md data/croissant.json
clean:
	git clean -ffdXq -- $(MADE)
	find pipeline model stages tests benchmarks -name __pycache__ -type d -exec rm -rf {} +

clean-all: MADE += .venv .dvc/cache .dvc/tmp
clean-all:
	@git ls-files -z --others --ignored --exclude-standard --directory -- $(MADE) | xargs -0 -r du -shc
	@test "$(YES)" = 1 || { test -t 0 && printf 'Delete all of these? Type yes: ' && read answer && test "$$answer" = yes; } || \
	  { echo "Nothing was deleted; make clean-all YES=1 deletes all of the above."; exit 1; }
	@$(MAKE) --no-print-directory clean MADE="$(MADE)"

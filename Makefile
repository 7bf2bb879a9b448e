# Two commands do all their own set-up on a machine with Python 3.11+, git and make:
#   make study    run the default study and say where its report lies (STUDY=config/studies/NAME.yaml for another)
#   make test     install what the tests need and run them all
.PHONY: study status page report compare test chaos cluster lint format docs site bench clean

PYTHON ?= python3
STUDY ?= config/config.yaml
CORES ?= all
# Processes that share the tests. Each needs about 2 GB for itself and the study that it runs.
WORKERS ?= 2
# Waiting threads that spin steal the core from the job beside them.
export OMP_WAIT_POLICY = PASSIVE
SNAKEMAKE = .venv/bin/snakemake --configfile $(STUDY) --cores $(CORES)

study: .venv/workflow
	@$(SNAKEMAKE) all
	@$(SNAKEMAKE) --quiet all -- report
	@.venv/bin/python -c 'import sys, yaml; print("The report lies in", yaml.safe_load(open(sys.argv[1])).get("results", "results") + "/report.html")' $(STUDY)

# How far the study is; also while it runs.
status: .venv/workflow
	@.venv/bin/secateur status $(STUDY)

# The page of what is done so far; also while the study runs.
page: .venv/workflow
	@.venv/bin/secateur page $(STUDY)

report: .venv/workflow
	@$(SNAKEMAKE) report

# Two finished studies side by side: make compare A=results/one B=results/two
compare: .venv/workflow
	@test -n "$(A)" -a -n "$(B)" || { echo "Name two results folders: make compare A=results/one B=results/two"; exit 1; }
	@.venv/bin/snakemake --cores 1 compare --config compare='{a: "$(A)", b: "$(B)"}'

test: .venv/test
	@tests/install_browser
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(WORKERS) $(TESTS)

# Kill a study at random moments; CHAOS is how often.
chaos: CHAOS ?= 3
chaos: .venv/test
	CHAOS=$(CHAOS) OMP_NUM_THREADS=1 .venv/bin/python -m pytest -s tests/chaos

# Run a study on a SLURM of one node that is started for it; root only.
cluster: .venv/test
	@tests/install_slurm
	CLUSTER=1 OMP_NUM_THREADS=1 .venv/bin/python -m pytest -rs tests/cluster

lint: .venv/lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile workflow/Snakefile rules
	.venv/bin/pyright
	.venv/bin/snakemake --lint

format: .venv/lint
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile workflow/Snakefile rules

docs: .venv/workflow
	.venv/bin/python docs/write_config_reference.py
	.venv/bin/python docs/write_notebook_reference.py

# The documentation as pages in build/site. A link, an anchor or a picture that leads nowhere ends it, and so does a page without a place.
site: .venv/docs
	@rm -rf build/site build/doctrees
	.venv/bin/python -m sphinx --quiet --fail-on-warning --nitpicky --jobs auto --conf-dir docs/site --doctree-dir build/doctrees . build/site
	@echo "The pages lie in build/site/index.html"

bench: .venv/test
	.venv/bin/python benchmarks/relevance.py
	.venv/bin/python benchmarks/streaming.py
	.venv/bin/python benchmarks/latency.py
	@test -z "$$SECATEUR_DATA" || .venv/bin/python benchmarks/checkpoints.py
	@test -z "$$SECATEUR_DATA" || .venv/bin/python benchmarks/evaluation.py
	@test -z "$$SECATEUR_DATA" || .venv/bin/python benchmarks/conservation.py

clean:
	rm -rf .venv .snakemake build results logs

.venv/workflow .venv/test .venv/lint .venv/docs: .venv/%: pyproject.toml constraints.txt
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv; PyTorch is large, the first time takes a few minutes."
	@.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[workflow,export,$*]"
	@touch $@

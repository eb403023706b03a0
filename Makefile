# Every target sets up what it needs. `make help` lists them.
INVENTORY ?= inventories/local
LIMIT     ?=
ARGS      ?=
PROJ      ?=
SET       ?=
PATHS     ?=
AT        ?=
DEST      ?=
OVERWRITE ?=
YES       ?=
HOST      ?=
SIGNERS   ?=
KNOWN     ?=
ON        ?=
FROM      ?=
EXPORT    ?=
IMPORT    ?=
RUN       ?=
PLAN      ?=
ALL       ?=

# Through the environment, so that blanks and quotes in them arrive as they are.
export INVENTORY LIMIT PROJ
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

VENV = scripts/venv .venv
PLAY = ansible-playbook -i "$$INVENTORY" $${LIMIT:+--limit "$$LIMIT"} $(ARGS)
UPKEEP = .venv/bin/python -m upkeep

.DEFAULT_GOAL := help
.PHONY: help venv maintain backup-workflows restore restore-test proof-verify backup-key patch-level patch rollback audit advisories report status doctor test lint docs clean lab lab-down lab-reset molecule bench disaster-drill

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv:
	@$(VENV)

maintain: venv ## the main job: back up, prove the restore, collect the patch level, audit, report
	@$(PLAY) maintain.yml

backup-workflows: venv ## back up the operation's own playbooks, roles and inventories
	@$(PLAY) playbooks/backup.yml -e '{"backup_only": ["workflows"]}'

restore-test: venv ## restore that backup into backups/restore_test and compare every entry
	@$(PLAY) playbooks/restore_test.yml -e '{"restore_test_only": ["workflows"]}'

restore: export HOST := $(HOST)
restore: export SET := $(SET)
restore: export PATHS := $(PATHS)
restore: export DUMPS := $(DUMPS)
restore: export AT := $(AT)
restore: export DEST := $(DEST)
restore: export OVERWRITE := $(OVERWRITE)
restore: venv ## a real restore: HOST=web1 lists; SET=etc [AT=2026-11-23] [PATHS=/a,/b] [DUMPS=all] [DEST=/x] [OVERWRITE=always] is a dry run; YES=1 does it
	@$(UPKEEP) restore --inventory "$$INVENTORY" --host "$$HOST" --set "$$SET" --at "$$AT" --paths "$$PATHS" --dest "$$DEST" \
	  --dumps "$$DUMPS" --overwrite "$$OVERWRITE" $(if $(filter 1 yes true,$(YES)),--yes) -- $(ARGS)

disaster-drill: export HOST := $(HOST)
disaster-drill: export ON := $(ON)
disaster-drill: export FROM := $(FROM)
disaster-drill: export AT := $(AT)
disaster-drill: export SET := $(SET)
disaster-drill: venv ## rebuild a lost host elsewhere: HOST=web1 ON=drill1 [FROM=offsite] [AT=2026-11-23] [SET=a,b] is a dry run; YES=1 does it
	@ansible-playbook -i "$$INVENTORY" playbooks/disaster_drill.yml -e "target=$$ON" -e "disaster_of=$$HOST" \
	  $${FROM:+-e "disaster_from=$$FROM"} $${AT:+-e "disaster_at=$$AT"} $${SET:+-e "disaster_only=$$SET"} \
	  $(if $(filter 1 yes true,$(YES)),-e "disaster_confirm=$$ON") $(ARGS)

patch-level: venv ## collect the patch level alone; changes no package
	@$(PLAY) playbooks/patch_level.yml

patch: export HOST := $(HOST)
patch: venv ## a patch run: HOST=web1 (or LIMIT=web, or ALL=1); PLAN=1 only plans and changes nothing
ifeq ($(HOST)$(LIMIT)$(filter 1 yes true,$(ALL)),)
	@echo "make patch changes packages, so it wants to be told where: HOST=web1, LIMIT=web, or ALL=1. PLAN=1 only plans. Nothing was done." >&2; exit 2
else
	@$(PLAY) playbooks/patch.yml $${HOST:+-e "target=$$HOST"} $(if $(filter-out 0 no false,$(PLAN)),--check --diff)
endif

rollback: export HOST := $(HOST)
rollback: export RUN := $(RUN)
rollback: venv ## take a host back to the versions before a patch run: HOST=web1 RUN=20261123T200102Z-4711; PLAN=1 only looks
	@ansible-playbook -i "$$INVENTORY" playbooks/rollback.yml -e "target=$$HOST" -e "patch_run=$$RUN" \
	  $(if $(filter-out 0 no false,$(PLAN)),--check --diff) $(ARGS)

audit: venv ## collect the patch level, audit, write the audit documents
	@$(PLAY) playbooks/audit.yml

advisories: export EXPORT := $(EXPORT)
advisories: export IMPORT := $(IMPORT)
advisories: venv ## renew the index of security advisories; EXPORT=/path writes it into one file, IMPORT=file takes one in
	@$(PLAY) playbooks/advisories.yml $${EXPORT:+-e "{\"advisories_export\": \"$$EXPORT\"}"} $${IMPORT:+-e "{\"advisories_import\": \"$$IMPORT\"}"}

report: venv ## write report and documents anew from what is recorded
	@$(PLAY) playbooks/report.yml

status: venv ## where things stand, from the last evidence
	@$(UPKEEP) status

proof-verify: venv ## check the chain of restore proofs; SIGNERS=file says whose signatures count
	@$(UPKEEP) proof verify $(if $(SIGNERS),--allowed-signers "$(SIGNERS)") $(if $(KNOWN),--known "$(KNOWN)") $(ARGS)

backup-key: venv ## make the key that opens encrypted backups (never overwritten), and say where its copy belongs
	@$(UPKEEP) key new

doctor: ## what this machine lacks for which command, and the line that installs it
	@for python in .venv/bin/python python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	  if $$python -c '' 2>/dev/null; then exec $$python -m upkeep doctor; fi; \
	done; echo "no Python found: install one (Debian: apt-get install python3 python3-venv)"; exit 1

lab: venv ## real hosts in containers, to try things on: then INVENTORY=inventories/lab
	@python=$$(scripts/python) && "$$python" -m lab up $(HOST)

lab-reset: ## bring the lab's hosts back to their first state; HOST=web1 for one
	@python=$$(scripts/python) && "$$python" -m lab reset $(HOST)

lab-down: ## remove the lab: hosts, snapshots, network, keys; what was built stays in .cache
	@python=$$(scripts/python) && "$$python" -m lab down

test: ## every check that this machine can run; says what it skipped and why
	@python=$$(scripts/python) && "$$python" tests/run.py $(ARGS)

molecule: ## the roles' scenarios on the lab, which they start anew and take down; SCENARIO=backup for one
	@$(VENV) test && MOLECULE_GLOB='molecule/*/molecule.yml' molecule test --report $(if $(SCENARIO),-s $(SCENARIO),--all)

bench: ## backups and verifications timed against their peers; ARGS=--quick for a small tree, ARGS=--help for more
	@python=$$(scripts/python) && "$$python" benchmarks/run.py $(ARGS)

lint: ## the quick checks alone
	@python=$$(scripts/python) && "$$python" tests/run.py --only ruff,types,ansible-lint,changelog,docs

docs: venv ## write the generated parts of the documents anew
	@.venv/bin/python scripts/role_docs.py

clean: ## remove what the targets installed and cached; evidence stays
	rm -rf .venv .venv-* .cache .ansible .pytest_cache .mypy_cache .ruff_cache .coverage* build *.egg-info

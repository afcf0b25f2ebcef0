# Every command of the project. Each is `localstack/headwater COMMAND`; `make help` lists them with their options.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory
HEADWATER := $(CURDIR)/localstack/headwater

COMMANDS := up down destroy status logs trino dbt meltano quarantine source shop run open password preview cost stack ci-role emulator env test soak lint lock bench help
.PHONY: $(COMMANDS)

# $(call option,c,--component) is `--component "$c"` where the user typed c=… and nothing otherwise: a variable
# of the user's shell that happens to be called c is not meant. The shell reads the value, so quotes survive.
option = $(if $(findstring command,$(origin $(1))),$(2)="$$$(1)")

help:
	@$(HEADWATER) help
up:
	@$(HEADWATER) up
down:
	@$(HEADWATER) down
destroy:
	@$(HEADWATER) destroy $(call option,yes,--yes)
status:
	@$(HEADWATER) status
logs:
	@$(HEADWATER) logs $(call option,c,--component) $(call option,f,--follow) $(call option,n,--lines)
trino:
	@$(HEADWATER) trino $(call option,q,--query)
dbt:
	@$(HEADWATER) dbt $(call option,a,--arguments)
meltano:
	@$(HEADWATER) meltano $(call option,a,--arguments)
quarantine:
	@$(HEADWATER) quarantine $(call option,replay,--replay)
# In the environment, not as an argument: the address may hold a password.
source:
	@$(if $(findstring command,$(origin add)),HEADWATER_SOURCE_ADDRESS="$$add") $(HEADWATER) source $(call option,remove,--remove) $(call option,name,--name) $(call option,schema,--schema) $(call option,set,--set)
shop:
	@$(HEADWATER) shop $(call option,rate,--rate) $(call option,orders,--orders)
run:
	@$(HEADWATER) run
open:
	@$(HEADWATER) open
password:
	@$(HEADWATER) password $(call option,u,--user)
preview:
	@$(HEADWATER) preview $(call option,s,--stack) $(call option,d,--diff)
cost:
	@$(HEADWATER) cost $(call option,s,--stack)
stack:
	@$(HEADWATER) stack $(call option,name,--name) $(call option,from,--from)
ci-role:
	@$(HEADWATER) ci-role $(call option,s,--stack)
emulator:
	@$(HEADWATER) emulator $(call option,stop,--stop)
env:
	@$(HEADWATER) env
test:
	@$(HEADWATER) test $(call option,only,--only) $(call option,k,--expression)
soak:
	@$(HEADWATER) soak $(call option,only,--only) $(call option,runs,--runs) $(call option,seed,--seed)
lint:
	@$(HEADWATER) lint
lock:
	@$(HEADWATER) lock
bench:
	@$(HEADWATER) bench $(call option,only,--only) $(call option,restart,--restart)

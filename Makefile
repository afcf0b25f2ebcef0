# Every command of the project: `make COMMAND name=value` is `cli/headwater COMMAND` with that option. `make help` lists
# the commands, `cli/headwater COMMAND --help` the options of one.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules

# The names of the options; their values, which may hold quotes or a password, are in the environment, by make itself.
given = $(foreach _,$(.VARIABLES),$(if $(findstring command line,$(origin $_)),$_))

%: FORCE
	@HEADWATER_MAKE_VARIABLES="$(given)" $(CURDIR)/cli/headwater $@

FORCE: ;
Makefile: ;

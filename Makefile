# Two commands: `make run` tries the server (`make demo` breaks it), `make check` runs every test. Everything is built by
# meson; this file names what people do.
BUILD ?= build

.PHONY: all run demo check packages install bench fuzz soak nightly tidy format clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/packages.sh build
	@meson setup $(BUILD) >/dev/null

run: all
	@exec $(BUILD)/posthorse sandbox --servers 3

# A minute of mail while servers are killed, hung and revived; what became of it, and a drawing.
demo: all
	@/usr/bin/python3 tools/demo.py

check:
	@tools/packages.sh test
	@tools/check.sh

install: all
	@meson install -C $(BUILD) --no-rebuild

bench:
	@tools/packages.sh test
	@$(MAKE) -s all
	@meson setup --reconfigure $(BUILD) -Dtests=true >/dev/null
	@ninja -C $(BUILD)
	@bench/bench.py --install

# An hour for each target; a crash is left beside its corpus.
fuzz:
	@tools/packages.sh test
	@tools/fuzz.sh 3600

# Every round of the crash tests, on both stores.
soak: all
	@tools/packages.sh soak
	@meson setup --reconfigure $(BUILD) -Dtests=true >/dev/null && ninja -C $(BUILD) test/oracle/rrule_expand test/oracle/rrule_libical
	@/usr/bin/python3 test/oracle/rrule_dateutil.py $(BUILD)/test/oracle/rrule_expand --rules 100000
	@/usr/bin/python3 test/oracle/rrule_peer.py libical $(BUILD)/test/oracle/rrule_expand --rules 100000 -- $(BUILD)/test/oracle/rrule_libical
	@/usr/bin/python3 test/fault/soak.py --rounds 50
	@/usr/bin/python3 test/fault/queue_soak.py --rounds 50 --messages 10000
	@/usr/bin/python3 test/fault/domain_soak.py --rounds 36 --messages 10000
	@/usr/bin/python3 test/fault/domain_soak.py --rounds 6 --faults cut,cut_in,cut_out --hold 15 --messages 2000
	@/usr/bin/python3 test/pair/failover.py --rounds 3
	@/usr/bin/python3 -m pytest -q -p no:cacheprovider test/e2e/test_evolution.py test/e2e/test_evolution_ews.py test/e2e/test_davmail.py
	@meson setup --reconfigure $(BUILD) -Dtests=true >/dev/null && meson test -C $(BUILD) --suite relay_postgres
	@/usr/bin/python3 test/fault/queue_soak.py
	@for seed in 1 2 3; do /usr/bin/python3 tools/demo.py --seed $$seed || exit 1; done

# An hour of domains of servers by chance, other ones each day; what fails prints its seed.
nightly:
	@tools/packages.sh build
	@meson setup $$([ ! -f $(BUILD)/build.ninja ] || echo --reconfigure) $(BUILD) -Dtests=true >/dev/null
	@ninja -C $(BUILD) test/sim/sim_domain
	@$(BUILD)/test/sim/sim_domain --seconds 3600 --seed $$(date +%Y%m%d)000000

tidy:
	@tools/tidy.sh

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	@rm -rf build build-asan build-tsan build-fuzz

# Recipes for daily work; `just` alone lists them. What a change must pass is `.ci/run`.

default:
    @just --list

# parties that hold shares of one key use a server that checks its signatures
demo *ARGS:
    cargo run --release -p cotenant -- demo {{ ARGS }}

# all tests, or those that cargo's arguments choose
test *ARGS:
    cargo test --workspace --locked {{ ARGS }}

# format and lints
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# the API documentation, warnings as errors
doc *ARGS:
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --locked {{ ARGS }}

# licences, banned crates and sources of the dependency tree
deny:
    cargo deny --locked check licenses bans sources

# who may depend on whom, where unsafe code and hash domains may be
arrows:
    python3 .ci/arrows.py

# AND gates, depth and slots of every circuit of the library
counts:
    cargo run --release --locked -p cotenant-circuit --example counts

# the engine: alone, what it is to reach and what it reaches; or one run, e.g. `just bench-engine --parties 3 --ands 1000000 --profile`
bench-engine *ARGS:
    cargo run --release --locked -p cotenant-bench -- {{ if ARGS == "" { "table" } else { "engine " + ARGS } }}

# time, bytes and memory against gates and parties, drawn; takes some minutes and an idle machine
bench-curve *ARGS:
    cargo run --release --locked -p cotenant-bench -- curve --out docs/plots {{ ARGS }}

# one HTTPS call, e.g. `just bench-call --parties 2 --request-bytes 1000 --response-bytes 1000`
bench-call *ARGS="--parties 2 --request-bytes 1000 --response-bytes 1000":
    cargo run --release --locked -p cotenant-bench -- call {{ ARGS }}

# the emulated networks against ping and iperf3 (as root; Debian's iproute2, iputils-ping, iperf3), e.g. `just check-wan 20 1.0` for 20 ms and 1 Gbit/s
check-wan *ARGS:
    cargo run --release --locked -p cotenant-wan --example check {{ ARGS }}

# instructions of a fixed session of the engine against those written down; `just instructions --show` only counts
instructions *ARGS:
    python3 .ci/callgrind.py {{ ARGS }}

# property tests that do not fix their number of cases, with many more of them; takes long
many-cases CASES="1000":
    PROPTEST_CASES={{ CASES }} cargo test --workspace --release --locked

# the vault's commit in larger worlds than every change is checked in, one after the other; takes minutes and some GB, e.g. `just model large_three_crash`
model *ARGS="large":
    cargo test -p cotenant-model --release --locked --test holds -- --ignored --nocapture --test-threads 1 {{ ARGS }}

# the vault's commit on a million random schedules with three to five parties; minutes; e.g. `WALKS=100000 just soak`, or `SEED=7 just soak` for walk 7 alone
soak:
    cargo run -p cotenant-model --release --locked --example soak

# daemons that are killed at random moments of what they do together, a thousand times; hours; e.g. `SCHEDULES=100 just soak-processes`, or `SEED=7 SCHEDULES=20 just soak-processes` for the room of seed 7
soak-processes:
    cargo test -p cotenant --locked --test command -- --ignored --nocapture --exact soak::many_schedules

# every daemon ends before every effect of every operation, and of changes of the room; minutes
crash-all:
    cargo test -p cotenant --locked --lib -- --ignored --nocapture operations::tests::

# a secret is put into a vault and looked for in core dumps of the daemons (as root; GDB)
core-dumps:
    cargo test -p cotenant --locked --test command -- --ignored --nocapture planted::

# what parties do together over the years, on hosts of their own with 6.6 ms between them (as root; iproute2); minutes
story *ARGS:
    cargo test -p cotenant --locked --test command -- --ignored --nocapture --test-threads 1 story:: {{ ARGS }}

# an access key from IAM into the vault and out of it in signatures, against moto (PyPI: `moto[server]`)
moto *ARGS:
    cargo test -p cotenant-agent --locked --test operate -- --ignored --nocapture --test-threads 1 moto:: {{ ARGS }}

# passwords encrypted inside MPC: larger keys, more parties, the real engine (OpenSSL)
jwe *ARGS:
    cargo test -p cotenant-agent --locked -- --ignored --nocapture --test-threads 1 jwe {{ ARGS }}

# the stand-in cloud (docs/how-to/cloud.md): `just cloud up`, `just cloud status`, `just cloud down` (as root; Debian 12)
cloud *ARGS="status":
    testing/cloud/cotenant-cloud {{ ARGS }}

# brings the stand-in cloud up, uses it as its users do, and takes it down (as root; minutes the first time, then one)
cloud-test *ARGS:
    python3 testing/cloud/tests/run.py {{ ARGS }}

# the program of a run's machine against hostile storages and scripts (as root; a minute and a half)
run-machine *ARGS:
    python3 -m unittest discover -s testing/runs -p "test_*.py" {{ ARGS }}

# runs on the stand-in cloud: two parties on the real engine, results compared with a plain computation (as root; minutes)
run-story *ARGS:
    cargo build --release --locked -p cotenant
    python3 testing/cloud/tests/run.py {{ ARGS }} discover -s testing/runs -p story.py -v

# everything that a change must pass
ci:
    bash .ci/run

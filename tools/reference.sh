#!/usr/bin/env bash
# Prints docs/reference.md from what the two programs declare.
set -euo pipefail
cd "$(dirname "$0")/.."
cat <<'P'
# Reference: commands, flags, variables

Made by `make generate` from the programs' own declarations. A flag on the
command line wins over its variable, the variable over the default. Secrets
have a variable and no flag.

P
bin/driver reference
echo
bin/launcher reference

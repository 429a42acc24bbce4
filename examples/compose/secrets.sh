#!/bin/sh
# Prints the .env of compose.yaml with new secrets: sh examples/compose/secrets.sh > .env
set -eu
random() { LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c "$1"; }
echo "PENSTOCK_FIRST_KEY=sk-penstock-$(random 44)"
echo "PENSTOCK_ADMIN_TOKEN=$(random 48)"
echo "NATS_TOKEN=$(random 48)"
echo "PENSTOCK_ROUTE=simulated"

#!/bin/sh
# Runs once, when PostgreSQL makes its data folder: one database and one role for Argilla, one of each for the ledger,
# so that neither can read the other's. psql takes the passwords from the environment, not from its command line.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres <<'SQL'
\getenv argilla_password ARGILLA_DB_PASSWORD
\getenv seedgate_password SEEDGATE_DB_PASSWORD
CREATE ROLE argilla LOGIN PASSWORD :'argilla_password';
CREATE ROLE seedgate LOGIN PASSWORD :'seedgate_password';
CREATE DATABASE argilla OWNER argilla;
CREATE DATABASE seedgate OWNER seedgate;
REVOKE ALL ON DATABASE argilla, seedgate, postgres FROM PUBLIC;
SQL
